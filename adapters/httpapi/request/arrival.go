package request

import (
	"io"
	"net/http"
	"time"
)

// readAll reads to the end. hold is told of the bytes of the buffer before they are
// allocated; size is how many are expected, if that is known.
func readAll(r io.Reader, size int64, hold func(int64) error) ([]byte, error) {
	var buf []byte
	for {
		if len(buf) == cap(buf) {
			// One byte more than expected, to see the end.
			room := max(2*int64(cap(buf)), 4<<10)
			if size >= int64(cap(buf)) {
				room = min(room, size+1)
			}
			if err := hold(room); err != nil {
				return nil, err
			}
			buf = append(make([]byte, 0, room), buf...)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return nil, err
		}
	}
}

// pacedReader reads from a client that has to send leastBytes in each pause, and all
// before the end. Clients within the process have no deadlines.
type pacedReader struct {
	src     io.Reader
	control *http.ResponseController
	pause   time.Duration
	end     time.Time
	left    int // of leastBytes
}

func (p *pacedReader) Read(buf []byte) (int, error) {
	if p.left <= 0 {
		p.left = leastBytes
		by := time.Now().Add(p.pause)
		if by.After(p.end) {
			by = p.end
		}
		_ = p.control.SetReadDeadline(by) // a connection that is gone cannot be read either
	}
	n, err := p.src.Read(buf)
	p.left -= n
	return n, err
}

// done has the connection wait without end: its server would take a deadline that
// passes while the request is worked on for the client's leaving.
func (p *pacedReader) done() { _ = p.control.SetReadDeadline(time.Time{}) }
