package httpapi_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/domain"
)

// A page of logs that no buffers of sockets hold.
const (
	longPage    = 200
	longMessage = 50_000
)

// longAnswers is an API whose list of logs is long. Each answer to it, whole or not,
// is told by a value of ended.
func longAnswers() (api http.Handler, ended <-chan struct{}) {
	w := newWorld(httpapi.Config{})
	message := strings.Repeat("x", longMessage)
	for range longPage {
		w.logs.page.Logs = append(w.logs.page.Logs, domain.LogEntry{
			ID: uuid.New(), Timestamp: now, ReceivedAt: now, Level: domain.LogLevelInfo, Message: message,
		})
	}
	done := make(chan struct{}, 100)
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path == logsPath {
			defer func() { done <- struct{}{} }()
		}
		w.api.Handler().ServeHTTP(out, r)
	}), done
}

// askForLogs asks for the list, and reads nothing.
func askForLogs(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn := dial(t, addr)
	_, err := io.WriteString(conn, "GET "+logsPath+" HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	return conn
}

// readLogs reads what comes of the list, which may be nothing if the time is over
// before the answer is made.
func readLogs(t *testing.T, conn net.Conn) (read, promised int64, err error) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, longPage * longMessage, err
	}
	defer func() { _ = res.Body.Close() }() // its error is that of the read
	require.Equal(t, http.StatusOK, res.StatusCode)
	read, err = io.Copy(io.Discard, res.Body)
	return read, res.ContentLength, err
}

func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	api, ended := longAnswers()
	_, addr, _ := serve(t, api, httpapi.ServerConfig{WriteTimeout: 500 * time.Millisecond})
	const count = 3
	stuck := make([]net.Conn, count)
	for i := range stuck {
		stuck[i] = askForLogs(t, addr)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	for cut := 0; cut < count; {
		res, err := client.Get("http://" + addr + "/healthz")
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode, "others are served meanwhile")
		select {
		case <-ended:
			cut++
		default:
		}
	}
	for _, conn := range stuck {
		read, promised, err := readLogs(t, conn)
		require.Error(t, err, "the connection ends within the answer")
		require.Less(t, read, promised)
	}
}

func TestAClientThatReadsLateGetsAllWithinTheTime(t *testing.T) {
	t.Parallel()
	api, ended := longAnswers()
	_, addr, _ := serve(t, api, httpapi.ServerConfig{})
	conn := askForLogs(t, addr)
	select {
	case <-ended:
		require.Fail(t, "the answer fits into the buffers of the sockets, so that nobody waits for this client")
	case <-time.After(200 * time.Millisecond):
	}
	read, promised, err := readLogs(t, conn)
	require.NoError(t, err)
	require.Equal(t, promised, read)
	require.Greater(t, read, int64(longPage*longMessage))
	<-ended
}
