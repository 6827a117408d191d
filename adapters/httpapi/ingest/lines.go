package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"logsift/adapters/httpapi/request"
	"logsift/domain"
	"logsift/domain/logline"
)

// lines takes the lines that are not blank.
func (in *receiver) lines(r *bufio.Reader, parse entryParser) error {
	return eachLine(r, func(n int, line []byte) error {
		if request.FirstByte(line) == 0 {
			return nil
		}
		return in.take(n, line, parse)
	})
}

// text takes the entries that lines make, joined as logsift's own commands join them.
func (in *receiver) text(r *bufio.Reader) error {
	head, _ := r.Peek(r.Size()) // An error is met again by the next read.
	in.parser.Dates = logline.Survey(in.parser, strings.ToValidUTF8(string(head), "\uFFFD"), "", in.now)
	joiner := logline.Joiner{Parser: in.parser.Fork()}
	take := func(done []logline.Joined) error {
		for _, entry := range done {
			if err := in.take(entry.First+1, []byte(entry.Text), in.plainEntry); err != nil {
				return err
			}
		}
		return nil
	}
	err := eachLine(r, func(n int, line []byte) error {
		if len(line) > domain.MaxLogMessage {
			if err := in.Record(); err != nil {
				return err
			}
			in.reject(n, errLongLine)
			line = nil
		}
		return take(joiner.Add(logline.Text(string(line)), in.now))
	})
	if err != nil {
		return err
	}
	return take(joiner.Flush())
}

// eachLine calls f with each line, without its end, numbered from 1. Of a line
// that is longer than an entry may be, f gets enough to tell so. The line is valid
// until f returns.
func eachLine(r *bufio.Reader, f func(n int, line []byte) error) error {
	var line []byte
	for n, more := 1, true; more; n++ {
		var err error
		if line, more, err = readLine(r, line[:0]); err != nil {
			return err
		}
		if err := f(n, bytes.TrimRight(line, "\r\n")); err != nil {
			return err
		}
	}
	return nil
}

// readLine appends the next line to line, with its end, and reports whether more
// may follow. Of a line that is too long it keeps only enough to tell so.
func readLine(r *bufio.Reader, line []byte) (_ []byte, more bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(line) <= domain.MaxLogMessage+len("\r\n") {
			line = append(line, part...)
		}
		switch {
		case err == nil:
			return line, true, nil
		case errors.Is(err, io.EOF):
			return line, false, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, false, err
		}
	}
}

// withoutBOM passes over the byte order mark that some editors write.
func withoutBOM(r io.Reader) *bufio.Reader {
	const bom = "\uFEFF"
	buffered := bufio.NewReaderSize(r, 64<<10)
	// An error here is met again by the next read.
	if head, err := buffered.Peek(len(bom)); err == nil && string(head) == bom {
		_, _ = buffered.Discard(len(bom))
	}
	return buffered
}
