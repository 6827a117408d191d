package openapitest

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// maxKept bounds how much of a body is kept, in bytes. Longer ones are not checked.
const maxKept = 8 << 20

// statusClientClosed is for the log alone: no client is there to see it.
const statusClientClosed = 499

// Handler returns a handler that passes everything on, and checks it. Panics go
// through unchecked.
func (c *Contract) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{request: r.Clone(r.Context())}
		sent := &recordedBody{ReadCloser: r.Body}
		r.Body = sent
		answer := &recordedAnswer{ResponseWriter: w}
		next.ServeHTTP(answer, r)
		if answer.status == 0 {
			answer.WriteHeader(http.StatusOK)
		}
		x.sent, x.whole = sent.content()
		x.status, x.header, x.body = answer.status, answer.header, answer.kept.Bytes()
		if x.header.Get("Content-Type") == "" && len(x.body) > 0 {
			x.header.Set("Content-Type", http.DetectContentType(x.body)) // as net/http does
		}
		gone := r.Context().Err() != nil || x.status == statusClientClosed
		if answer.kept.Len() < maxKept && !gone {
			c.report(x) //nolint:contextcheck // the exchange has that of its request
		}
	})
}

// Transport returns a transport that passes everything on, and checks it once the
// body of the answer was read to its end or is closed.
func (c *Contract) Transport(next http.RoundTripper) http.RoundTripper {
	return transport{c, next}
}

type transport struct {
	contract *Contract
	next     http.RoundTripper
}

// RoundTrip passes a request on.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	x := &exchange{request: r.Clone(r.Context())}
	sent := &recordedBody{ReadCloser: http.NoBody}
	if r.Body != nil {
		sent.ReadCloser = r.Body
		r = r.Clone(r.Context())
		r.Body = sent
	}
	answer, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	x.status, x.header = answer.StatusCode, answer.Header.Clone()
	got := &recordedBody{ReadCloser: answer.Body}
	got.end = func() { //nolint:contextcheck // the exchange has that of its request
		x.sent, x.whole = sent.content()
		body, whole := got.content()
		if x.body = body; whole {
			t.contract.report(x)
		}
	}
	answer.Body = got
	return answer, nil
}

// recordedBody keeps what is read of a body. That of a request may still be read when
// its answer is.
type recordedBody struct {
	io.ReadCloser

	mu    sync.Mutex // guards the fields below
	kept  bytes.Buffer
	ended bool   // the whole was read
	end   func() // is called once, when it was read or is closed
}

// Read keeps what it reads.
func (b *recordedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	if room := maxKept - b.kept.Len(); room > 0 {
		b.kept.Write(p[:min(n, room)])
	}
	b.ended = b.ended || err == io.EOF
	b.mu.Unlock()
	if err == io.EOF {
		b.finish()
	}
	return n, err
}

// Close closes the body.
func (b *recordedBody) Close() error {
	b.finish()
	return b.ReadCloser.Close()
}

func (b *recordedBody) finish() {
	b.mu.Lock()
	end := b.end
	b.end = nil
	b.mu.Unlock()
	if end != nil {
		end()
	}
}

// content is what was read, and whether that is all of the body.
func (b *recordedBody) content() ([]byte, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.kept.Bytes()), (b.ended || b.ReadCloser == http.NoBody) && b.kept.Len() < maxKept
}

// recordedAnswer keeps what is answered.
type recordedAnswer struct {
	http.ResponseWriter

	status int
	header http.Header
	kept   bytes.Buffer
}

// WriteHeader keeps the final status with its headers.
func (a *recordedAnswer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status, a.header = status, a.Header().Clone()
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write keeps what it writes.
func (a *recordedAnswer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if room := maxKept - a.kept.Len(); room > 0 {
		a.kept.Write(p[:min(len(p), room)])
	}
	return a.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (a *recordedAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// report checks an exchange, and keeps what is wrong with it.
func (c *Contract) report(x *exchange) {
	for _, violation := range c.check(x) {
		var text strings.Builder
		fmt.Fprintf(&text, "%s %s -> %d: %s", x.request.Method, x.request.URL, x.status, violation)
		for _, part := range []struct {
			name string
			data []byte
		}{{"request", x.sent}, {"answer", x.body}} {
			fmt.Fprintf(&text, "\n    %s: %.500q", part.name, part.data)
		}
		if at := testLines(); at != "" {
			text.WriteString("\n    at " + at)
		}
		c.mu.Lock()
		c.violations = append(c.violations, text.String())
		c.mu.Unlock()
	}
}

// note counts an exchange, and reports whether it is the first of its kind.
func (c *Contract) note(x Exchange) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[x]++
	return c.seen[x] == 1
}

// testLines returns the lines of test files that called.
func testLines() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	var lines []string
	for {
		frame, more := frames.Next()
		if name := frame.File[strings.LastIndexByte(frame.File, '/')+1:]; strings.HasSuffix(name, "_test.go") {
			lines = append(lines, fmt.Sprintf("%s:%d", name, frame.Line))
		}
		if !more {
			return strings.Join(lines, ", ")
		}
	}
}

// Violations returns what broke the contract so far, and forgets it.
func (c *Contract) Violations() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.violations
	c.violations = nil
	return out
}

// Unseen returns the operations that were never answered with success so far.
func (c *Contract) Unseen() []string {
	var out []string
	for _, r := range c.routes {
		for _, method := range []string{"get", "post", "put", "delete", "patch"} {
			op, _ := c.operation(&r, method)
			if id, ok := op["operationId"].(string); ok && !c.succeeded(id) {
				out = append(out, id)
			}
		}
	}
	slices.Sort(out)
	return out
}

func (c *Contract) succeeded(operation string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for x := range c.seen {
		if x.Operation == operation && x.Status < http.StatusBadRequest {
			return true
		}
	}
	return false
}

// Checked returns the tests of a package, which fail if anything that [API] watched
// broke the contract: it is what TestMain runs.
func Checked(m *testing.M) interface{ Run() int } { return checked{M: m} }

// CheckedWhole is [Checked] for the package that implements the API: its tests fail
// too if an operation of the document was never answered with success, unless only
// some of them run.
func CheckedWhole(m *testing.M) interface{ Run() int } { return checked{M: m, whole: true} }

type checked struct {
	*testing.M

	whole bool
}

// Run runs the tests.
func (c checked) Run() int {
	code := c.M.Run()
	for _, violation := range API().Violations() {
		fmt.Println("the contract of the API is broken:", violation)
		code = max(code, 1)
	}
	if code == 0 && c.whole && !selected() {
		for _, operation := range API().Unseen() {
			fmt.Println("no test of the package has the operation answered with success:", operation)
			code = 1
		}
	}
	return code
}

// selected is whether the command line chose among the tests.
func selected() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return true
		}
	}
	return testing.Short()
}
