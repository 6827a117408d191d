package server

import (
	"io"
	"net/http"
	"sync"

	"logsift/domain"
)

// inFlight knows of the requests under way which are being carried out: all but those
// whose handlers wait for more of a body.
type inFlight struct {
	idle chan struct{} // has an item when none may be carried out any more

	mu      sync.Mutex // guards the fields below
	busy    int
	reading int  // bodies
	closing bool // what waits for a body waits in vain
}

func newInFlight() *inFlight { return &inFlight{idle: make(chan struct{}, 1)} }

// count counts the requests of a handler.
func (q *inFlight) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q.begin()
		defer q.end()
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = &countedBody{ReadCloser: r.Body, requests: q}
		}
		next.ServeHTTP(w, r)
	})
}

func (q *inFlight) begin() (closing bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy++
	return q.closing
}

func (q *inFlight) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy--; q.busy == 0 {
		select {
		case q.idle <- struct{}{}:
		default:
		}
	}
}

// close lets no request be carried out whose body has not come, unless one is being
// carried out, and reports whether it did.
func (q *inFlight) close() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closing = q.busy == 0
	return q.closing
}

// waiting is how many handlers wait for more of a body.
func (q *inFlight) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.reading
}

// read notes that so many bodies more, or fewer, are waited for.
func (q *inFlight) read(bodies int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reading += bodies
}

// countedBody is a body whose request is not carried out while it is read.
type countedBody struct {
	io.ReadCloser

	requests *inFlight
}

// Read fails once requests are closed, whatever came: with an error that has a client
// which sees the answer send again.
func (b *countedBody) Read(p []byte) (int, error) {
	b.requests.read(1)
	b.requests.end()
	n, err := b.ReadCloser.Read(p)
	b.requests.read(-1)
	if b.requests.begin() {
		return 0, domain.ErrClosed
	}
	return n, err
}
