package server_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/server"
)

func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	t.Run("a head that does not come", func(t *testing.T) {
		t.Parallel()
		_, addr, _ := serve(t, http.NotFoundHandler(), server.Config{ReadHeaderTimeout: 20 * time.Millisecond})
		_, err := io.ReadAll(dial(t, local, addr, "GET / HTTP/1.1\r\nHost:"))
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server ends the connection, by a reset where it has not read all")
	})
	t.Run("a body that does not come is told so", func(t *testing.T) {
		t.Parallel()
		_, addr, _ := serve(t, apitest.New(httpapi.Config{BodyPause: 20 * time.Millisecond}).API.Handler(), server.Config{})
		// Shippers of OTLP and Loki drop what got 408.
		for path, want := range map[string]int{"/api/v1/queue/tasks": 408, "/api/v1/logs": 408, "/v1/logs": 503, "/loki/api/v1/push": 503, "/_bulk": 503} {
			status, body := answer(t, dial(t, local, addr, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"))
			require.Equal(t, want, status, path)
			require.Contains(t, body, "the body did not arrive in time")
		}
	})
	t.Run("a connection that is idle", func(t *testing.T) {
		t.Parallel()
		_, addr, _ := serve(t, http.NotFoundHandler(), server.Config{IdleTimeout: 20 * time.Millisecond})
		answer, err := io.ReadAll(dial(t, local, addr, get("/")))
		require.NoError(t, err)
		require.Contains(t, string(answer), "404 Not Found")
	})
	t.Run("a head that is too large", func(t *testing.T) {
		t.Parallel()
		_, addr, _ := serve(t, http.NotFoundHandler(), server.Config{})
		conn := dial(t, local, addr, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", server.DefaultMaxHeaderBytes+4096)+"\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, res.StatusCode)
	})
}

func TestABodyMustKeepArriving(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{BodyPause: 100 * time.Millisecond})
	_, addr, _ := serve(t, w.API.Handler(), server.Config{})
	const head = "POST /api/v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: "
	status, _ := answer(t, dial(t, local, addr, head+"1000000\r\n\r\n"+strings.Repeat("x\n", 200_000)))
	require.Equal(t, http.StatusRequestTimeout, status, "what came at first gives no time for later")
	// One that arrives has all the time that its request takes.
	w.Logs.Wait = func(ctx context.Context) {
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
		}
		require.NoError(t, ctx.Err())
	}
	status, _ = answer(t, dial(t, local, addr, head+"2\r\n\r\nx\n"))
	require.Equal(t, http.StatusAccepted, status)
}

// until asks for /quick, which must be answered, until ended tells of an end.
func until[T any](t *testing.T, addr string, ended <-chan T) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	for {
		res, err := client.Get("http://" + addr + "/quick")
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusNotFound, res.StatusCode, "others are served meanwhile")
		select {
		case <-ended:
			return
		default:
		}
	}
}

func TestOthersAreServedBesideSlowClients(t *testing.T) {
	t.Parallel()
	_, addr, _ := serve(t, apitest.New(httpapi.Config{BodyPause: 300 * time.Millisecond}).API.Handler(), server.Config{
		ReadHeaderTimeout: 200 * time.Millisecond, WriteTimeout: time.Second,
	})
	// Each of these sends its next byte just in time to never be idle, and none ends.
	var slow sync.WaitGroup
	for i := range 100 {
		text := "GET /healthz HTTP/1.1\r\nX-Slow: "
		if i%2 == 0 {
			text = "POST /api/v1/queue/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
		}
		conn := dial(t, local, addr, text)
		slow.Go(func() {
			ticks := time.NewTicker(20 * time.Millisecond)
			defer ticks.Stop()
			var err error
			for err == nil {
				<-ticks.C
				_, err = io.WriteString(conn, " ")
			}
		})
	}
	done := make(chan struct{})
	go func() { defer close(done); slow.Wait() }()
	until(t, addr, done)
}

// longAnswer is more than the buffers of sockets hold.
const longAnswer = 10_000_000

// longAnswers gives one at /long. The end of each, whole or not, is told by a value of
// ended.
func longAnswers() (handler http.Handler, ended <-chan struct{}) {
	done := make(chan struct{}, 100)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/long" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, strings.Repeat("x", longAnswer))
		done <- struct{}{}
	}), done
}

// readLong reads what comes of a long answer, which may be nothing if the time is over
// before the answer is made.
func readLong(conn net.Conn) (read int64, err error) {
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }() // its error is that of the read
	return io.Copy(io.Discard, res.Body)
}

func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	handler, ended := longAnswers()
	_, addr, _ := serve(t, handler, server.Config{WriteTimeout: 500 * time.Millisecond})
	var stuck [3]net.Conn
	for i := range stuck {
		stuck[i] = dial(t, local, addr, get("/long"))
	}
	for range stuck {
		until(t, addr, ended)
	}
	for _, conn := range stuck {
		read, err := readLong(conn)
		require.Error(t, err, "the connection ends within the answer")
		require.Less(t, read, int64(longAnswer))
	}
}

func TestAClientThatReadsLateGetsAllWithinTheTime(t *testing.T) {
	t.Parallel()
	handler, ended := longAnswers()
	_, addr, _ := serve(t, handler, server.Config{})
	conn := dial(t, local, addr, get("/long"))
	select {
	case <-ended:
		require.Fail(t, "the answer fits into the buffers of the sockets, so that nobody waits for this client")
	case <-time.After(200 * time.Millisecond):
	}
	read, err := readLong(conn)
	require.NoError(t, err)
	require.EqualValues(t, longAnswer, read)
	<-ended
}
