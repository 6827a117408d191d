package server_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"logsift/adapters/httpapi/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a server on a port of its own until the test ends.
func serve(t *testing.T, handler http.Handler, cfg server.Config) (s *server.Server, addr string, served <-chan error) {
	t.Helper()
	cfg.Addr = "127.0.0.1:0"
	s = server.New(handler, cfg)
	a, err := s.Listen(t.Context())
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	t.Cleanup(func() { require.NoError(t, s.Shutdown(context.WithoutCancel(t.Context()))) })
	return s, a.String(), done
}

// dial connects from an address of this machine and sends text.
func dial(t *testing.T, from, addr, text string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	return conn
}

// local is where most clients of the tests are.
const local = "127.0.0.1"

// get is a request without a body.
func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }

// answer reads the next answer of a connection.
func answer(t *testing.T, conn net.Conn) (status int, body string) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode, string(raw)
}

func TestServer(t *testing.T) {
	t.Parallel()
	t.Run("it serves, and ends without an error", func(t *testing.T) {
		t.Parallel()
		told := make(chan struct{}, 2) // the test's own clean-up shuts down too
		s, addr, served := serve(t, http.NotFoundHandler(), server.Config{OnShutdown: func() { told <- struct{}{} }})
		status, _ := answer(t, dial(t, local, addr, get("/")))
		require.Equal(t, http.StatusNotFound, status)
		require.NoError(t, s.Shutdown(t.Context()))
		require.NoError(t, <-served)
		<-told
	})
	t.Run("an address that is taken is named", func(t *testing.T) {
		t.Parallel()
		_, addr, _ := serve(t, http.NotFoundHandler(), server.Config{})
		_, err := server.New(http.NotFoundHandler(), server.Config{Addr: addr}).Listen(t.Context())
		require.ErrorContains(t, err, addr)
	})
	t.Run("it listens once, before it serves, and gives the port back though nothing was served", func(t *testing.T) {
		t.Parallel()
		s := server.New(http.NotFoundHandler(), server.Config{Addr: "127.0.0.1:0"})
		require.Error(t, s.Serve())
		addr, err := s.Listen(t.Context())
		require.NoError(t, err)
		_, err = s.Listen(t.Context())
		require.Error(t, err)
		require.NoError(t, s.Shutdown(t.Context()))
		_, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", addr.String())
		require.Error(t, err)
		require.NoError(t, s.Serve())
	})
	t.Run("a shutdown does not wait for what has not arrived", func(t *testing.T) {
		t.Parallel()
		entered, goOn := make(chan struct{}, 3), make(chan struct{})
		s, addr, served := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			entered <- struct{}{}
			if _, err := io.ReadAll(r.Body); err != nil {
				return
			}
			<-goOn
			w.WriteHeader(http.StatusNoContent)
		}), server.Config{})
		working := dial(t, local, addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nwhole")
		<-entered
		for _, part := range []string{"Content-Length: 4\r\n\r\nha", "Transfer-Encoding: chunked\r\n\r\n2\r\nha"} {
			dial(t, local, addr, "POST / HTTP/1.1\r\nHost: x\r\n"+part)
			<-entered
		}
		dial(t, local, addr, "POST / HTTP/1.1\r\nHos")
		stopped := make(chan error, 1)
		begun := time.Now()
		go func() { stopped <- s.Shutdown(t.Context()) }()
		select {
		case err := <-stopped:
			require.NoError(t, err)
			require.Fail(t, "the request that has arrived was cut")
		case <-time.After(1500 * time.Millisecond):
		}
		close(goOn)
		require.NoError(t, <-stopped)
		require.Less(t, time.Since(begun), 5*time.Second)
		require.NoError(t, <-served)
		status, _ := answer(t, working)
		require.Equal(t, http.StatusNoContent, status)
	})
	t.Run("a shutdown waits for a request, but no longer than its context", func(t *testing.T) {
		t.Parallel()
		entered, ended := make(chan struct{}), make(chan struct{})
		s, addr, _ := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
			close(ended)
		}), server.Config{})
		dial(t, local, addr, get("/"))
		<-entered
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.ErrorIs(t, s.Shutdown(ctx), context.DeadlineExceeded)
		<-ended
	})
}
