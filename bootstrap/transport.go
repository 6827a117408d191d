package bootstrap

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// Client returns an HTTP client whose requests are answered by this App's API
// without a network, whatever their host is. It works between Start and Stop. The
// bodies of its answers must be closed.
func (a *App) Client() *http.Client {
	return &http.Client{Transport: handlerTransport{a.handler}}
}

// handlerTransport answers requests by a handler, each on a goroutine that ends
// with the handler: when all is read, or soon after the body is closed or the
// context of the request ends.
type handlerTransport struct{ handler http.Handler }

// RoundTrip returns when the answer begins.
func (t handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	served := req.Clone(ctx)
	served.RequestURI = req.URL.RequestURI()
	served.RemoteAddr = "in-process"
	if served.Host == "" {
		served.Host = req.URL.Host
	}
	if served.Body == nil {
		served.Body = http.NoBody
	}
	reader, writer := io.Pipe()
	w := &answer{header: http.Header{}, begun: make(chan struct{}), body: writer}
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := w.serve(t.handler, served)
		_ = served.Body.Close() // The handler has read what it wants.
		_ = writer.CloseWithError(err)
	}()
	select {
	case <-w.begun:
	case <-ctx.Done():
		// As with a network, the answer may have begun at the same time.
		cancel()
		_ = reader.Close()
		<-done
		return nil, ctx.Err()
	}
	length := int64(-1)
	if n, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil {
		length = n
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: &answerBody{PipeReader: reader, cancel: cancel, done: done}, ContentLength: length, Request: req,
	}, nil
}

// answerBody is the body of an answer that is being made.
type answerBody struct {
	*io.PipeReader

	cancel context.CancelFunc
	done   <-chan struct{}
}

// Close ends the handler, and returns when it has ended.
func (b *answerBody) Close() error {
	b.cancel()
	err := b.PipeReader.Close()
	<-b.done
	return err
}

// answer is a http.ResponseWriter into a pipe.
type answer struct {
	header http.Header
	body   *io.PipeWriter

	once  sync.Once
	begun chan struct{}
	// status and sent are set before begun is closed, and not changed after it.
	status int
	sent   http.Header
}

// serve runs the handler. A handler that gives up, as net/http knows it, is told
// to the reader of the body.
func (w *answer) serve(handler http.Handler, r *http.Request) (err error) {
	defer func() {
		w.WriteHeader(http.StatusOK)
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler { //nolint:errorlint // net/http compares the panic value itself
				panic(v)
			}
			err = io.ErrUnexpectedEOF
		}
	}()
	handler.ServeHTTP(w, r)
	return nil
}

func (w *answer) Header() http.Header { return w.header }

func (w *answer) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	})
}

func (w *answer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// Flush lets what is written be read at once.
func (w *answer) Flush() { w.WriteHeader(http.StatusOK) }
