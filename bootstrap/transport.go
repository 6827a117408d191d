package bootstrap

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// Client returns an HTTP client whose requests are answered by this App's API
// without a network, whatever their host is. It works between Start and Stop.
func (a *App) Client() *http.Client {
	return &http.Client{Transport: handlerTransport{a.handler}}
}

// handlerTransport answers requests by a handler. Answers are held in memory, so
// it is for requests whose answers end.
type handlerTransport struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (t handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	served := req.Clone(req.Context())
	served.RequestURI = req.URL.RequestURI()
	served.RemoteAddr = "in-process"
	if served.Host == "" {
		served.Host = req.URL.Host
	}
	if served.Body == nil {
		served.Body = http.NoBody
	}
	defer func() { _ = served.Body.Close() }() // The handler has read what it wants.
	w := &answer{header: http.Header{}}
	t.handler.ServeHTTP(w, served)
	w.WriteHeader(http.StatusOK)
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: req,
	}, nil
}

// answer is a http.ResponseWriter that remembers.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *answer) Header() http.Header { return w.header }

func (w *answer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *answer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}
