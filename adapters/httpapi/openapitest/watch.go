package openapitest

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// statusClientClosed is for the log alone: no client is there to see it.
const statusClientClosed = 499

// Serve has a handler answer a request, and checks both. Panics go through unchecked.
func (c *Contract) Serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	x, r := newExchange(r)
	out := httptest.NewRecorder()
	h.ServeHTTP(out, r)
	x.status, x.header, x.body = out.Code, out.Result().Header, out.Body.Bytes()
	if r.Context().Err() == nil && x.status != statusClientClosed {
		c.report(x)
	}
	return out
}

// newExchange reads the body of a request. It returns the request to go on with.
func newExchange(r *http.Request) (*exchange, *http.Request) {
	x, r := &exchange{request: r}, r.Clone(r.Context())
	if r.Body != nil {
		x.sent, _ = io.ReadAll(r.Body) // the bodies of tests are in memory
		r.Body = io.NopCloser(bytes.NewReader(x.sent))
	}
	return x, r
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
	x, r := newExchange(r)
	answer, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	x.status, x.header = answer.StatusCode, answer.Header.Clone()
	answer.Body = &recordedBody{ReadCloser: answer.Body, end: func(body []byte) {
		x.body = body
		t.contract.report(x)
	}}
	return answer, nil
}

// recordedBody keeps what is read of a body.
type recordedBody struct {
	io.ReadCloser

	kept bytes.Buffer
	end  func([]byte) // is called when all was read
}

// Read keeps what it reads.
func (b *recordedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.kept.Write(p[:n])
	if err == io.EOF && b.end != nil {
		b.end(b.kept.Bytes())
		b.end = nil
	}
	return n, err
}

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
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, r := range c.routes {
		for _, method := range []string{"get", "post", "put", "delete", "patch"} {
			op, _ := c.operation(&r, method)
			if id, ok := op["operationId"].(string); ok && !c.succeeded[id] {
				out = append(out, id)
			}
		}
	}
	slices.Sort(out)
	return out
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
