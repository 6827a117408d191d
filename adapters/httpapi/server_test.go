package httpapi_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
)

// serve runs a server on a port of its own until the test ends.
func serve(t *testing.T, handler http.Handler, cfg httpapi.ServerConfig) (s *httpapi.Server, addr string, served <-chan error) {
	t.Helper()
	cfg.Addr = "127.0.0.1:0"
	s = httpapi.NewServer(handler, cfg)
	a, err := s.Listen(t.Context())
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	t.Cleanup(func() { require.NoError(t, s.Shutdown(context.WithoutCancel(t.Context()))) })
	return s, a.String(), done
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return conn
}

func TestServer(t *testing.T) {
	t.Parallel()
	t.Run("it serves, and ends without an error", func(t *testing.T) {
		t.Parallel()
		s, addr, served := serve(t, newWorld(httpapi.Config{}).api.Handler(), httpapi.ServerConfig{})
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		res, err := (&http.Client{Transport: transport}).Get("http://" + addr + "/healthz")
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.NoError(t, s.Shutdown(t.Context()))
		require.NoError(t, <-served)
	})
	t.Run("an address that is taken is named", func(t *testing.T) {
		t.Parallel()
		_, addr, _ := serve(t, http.NotFoundHandler(), httpapi.ServerConfig{})
		_, err := httpapi.NewServer(http.NotFoundHandler(), httpapi.ServerConfig{Addr: addr}).Listen(t.Context())
		require.ErrorContains(t, err, addr)
	})
	t.Run("it listens once, and before it serves", func(t *testing.T) {
		t.Parallel()
		s := httpapi.NewServer(http.NotFoundHandler(), httpapi.ServerConfig{Addr: "127.0.0.1:0"})
		require.Error(t, s.Serve())
		_, err := s.Listen(t.Context())
		require.NoError(t, err)
		_, err = s.Listen(t.Context())
		require.Error(t, err)
		require.NoError(t, s.Shutdown(t.Context()))
	})
	t.Run("a shutdown gives the port back even if nothing was served", func(t *testing.T) {
		t.Parallel()
		s := httpapi.NewServer(http.NotFoundHandler(), httpapi.ServerConfig{Addr: "127.0.0.1:0"})
		addr, err := s.Listen(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Shutdown(t.Context()))
		_, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", addr.String())
		require.Error(t, err)
		require.NoError(t, s.Serve())
	})
	t.Run("a shutdown waits for a request, but no longer than its context", func(t *testing.T) {
		t.Parallel()
		entered, ended := make(chan struct{}), make(chan struct{})
		s, addr, _ := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
			close(ended)
		}), httpapi.ServerConfig{})
		_, err := io.WriteString(dial(t, addr), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		<-entered
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.ErrorIs(t, s.Shutdown(ctx), context.DeadlineExceeded)
		<-ended
	})
}

func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	api := newWorld(httpapi.Config{}).api.Handler()
	t.Run("a head that does not come", func(t *testing.T) {
		t.Parallel()
		_, addr, _ := serve(t, api, httpapi.ServerConfig{ReadHeaderTimeout: 20 * time.Millisecond})
		conn := dial(t, addr)
		_, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost:")
		require.NoError(t, err)
		_, err = io.ReadAll(conn)
		require.NoError(t, err, "the server ends the connection")
	})
	t.Run("a body that does not come is told so", func(t *testing.T) {
		t.Parallel()
		_, addr, _ := serve(t, api, httpapi.ServerConfig{ReadTimeout: 20 * time.Millisecond})
		for _, head := range []string{"POST " + tasksPath, "POST " + logsPath} {
			conn := dial(t, addr)
			_, err := io.WriteString(conn, head+" HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
			require.NoError(t, err)
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, http.StatusRequestTimeout, res.StatusCode)
			require.Contains(t, string(body), "body-timeout")
		}
	})
	t.Run("a connection that is idle", func(t *testing.T) {
		t.Parallel()
		_, addr, _ := serve(t, api, httpapi.ServerConfig{IdleTimeout: 20 * time.Millisecond})
		conn := dial(t, addr)
		_, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Contains(t, string(answer), "200 OK")
	})
	t.Run("a head that is too large", func(t *testing.T) {
		t.Parallel()
		_, addr, _ := serve(t, api, httpapi.ServerConfig{})
		conn := dial(t, addr)
		_, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", httpapi.DefaultMaxHeaderBytes+4096)+"\r\n\r\n")
		require.NoError(t, err)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, res.StatusCode)
	})
}
