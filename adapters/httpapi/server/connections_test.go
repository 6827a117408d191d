package server_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/server"
)

// ask sends a request over the connection and reports whether there was an answer.
func ask(t *testing.T, conn net.Conn, path string) bool {
	t.Helper()
	if _, err := io.WriteString(conn, get(path)); err != nil {
		return false
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return false
	}
	require.NoError(t, res.Body.Close())
	return true
}

func TestIdleConnectionsMakeRoomForOthers(t *testing.T) {
	t.Parallel()
	_, addr, _ := serve(t, http.NotFoundHandler(), server.Config{MaxConnections: 4})
	silent, idle := dial(t, local, addr, ""), dial(t, local, addr, "")
	for range 3 {
		require.True(t, ask(t, idle, "/"))
	}
	// The server may learn that a connection is idle after its client has read the answer,
	// so others come until both are closed.
	for _, conn := range []net.Conn{silent, idle} {
		for closed := false; !closed; {
			require.True(t, ask(t, dial(t, local, addr, ""), "/"))
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Millisecond)))
			_, err := conn.Read(make([]byte, 1))
			closed = err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
}

func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	_, addr, _ := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/work" {
			entered <- struct{}{}
			<-leave
		}
	}), server.Config{MaxConnections: 4})
	var work sync.WaitGroup
	defer work.Wait()
	begin := func(from string) {
		conn := dial(t, from, addr, "")
		work.Go(func() { ask(t, conn, "/work") })
		<-entered
	}
	for range 3 {
		begin(local)
	}
	require.False(t, ask(t, dial(t, local, addr, ""), "/"), "an address has three quarters of the room")
	begin("127.0.0.2")
	late := dial(t, "127.0.0.3", addr, "")
	answered := make(chan bool)
	go func() { answered <- ask(t, late, "/") }()
	select {
	case <-answered:
		require.Fail(t, "all the room is taken by connections at work")
	case <-time.After(50 * time.Millisecond):
	}
	close(leave)
	require.True(t, <-answered)
}
