package redisstore_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
)

func TestRedisRemovesStatesThatExpire(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	save := func(revision int64, ttl time.Duration) int64 {
		next, err := p.logs.SaveState(t.Context(), domain.State{Key: "key", Revision: revision, Data: []byte("data")}, ttl)
		require.NoError(t, err)
		return next
	}
	left := func() int64 { return p.do(t, "PTTL", p.logKey("state:key")).(int64) }
	revision := save(0, time.Minute)
	require.Greater(t, left(), int64(50_000))
	require.LessOrEqual(t, left(), int64(60_000))
	revision = save(revision, 0)
	require.Equal(t, int64(-1), left(), "it stays")
	save(revision, time.Nanosecond)
	require.Eventually(t, func() bool { return p.do(t, "EXISTS", p.logKey("state:key")) == int64(0) }, 10*time.Second, 5*time.Millisecond)
	require.Positive(t, save(0, 0))
}

func TestADamagedStateIsNamedAndHarmsNoOther(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	for _, key := range []string{"good", "bad"} {
		_, err := p.logs.SaveState(t.Context(), domain.State{Key: key, Data: []byte("data")}, 0)
		require.NoError(t, err)
	}
	good, err := p.logs.LoadStates(t.Context(), "good")
	require.NoError(t, err)
	for name, harm := range map[string][]any{
		"empty":               {"SET", p.logKey("state:bad"), ""},
		"cut":                 {"SET", p.logKey("state:bad"), "\x01cut"},
		"of another version":  {"SET", p.logKey("state:bad"), "\x09" + strings.Repeat("\x01", 40)},
		"without a revision":  {"SET", p.logKey("state:bad"), "\x01" + strings.Repeat("\x00", 40)},
		"of a huge revision":  {"SET", p.logKey("state:bad"), "\x01" + strings.Repeat("\xff", 40)},
		"of a type that none": {"RPUSH", p.logKey("state:bad"), "x"},
	} {
		p.do(t, "DEL", p.logKey("state:bad"))
		p.do(t, harm...)
		_, err := p.logs.LoadStates(t.Context(), "good", "bad")
		require.ErrorIs(t, err, domain.ErrCorruptRecord, name)
		require.ErrorContains(t, err, `"bad"`)
		_, err = p.logs.SaveState(t.Context(), domain.State{Key: "bad"}, 0)
		require.ErrorIs(t, err, domain.ErrCorruptRecord, name)
		got, err := p.logs.LoadStates(t.Context(), "good")
		require.NoError(t, err)
		require.Equal(t, good, got)
	}
}

func TestAFullServerKeepsTheStateThatItHas(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--maxmemory", "8mb", "--maxmemory-policy", "noeviction")
	logs := openLogs(t, server, redisstore.Config{})
	revision, err := logs.SaveState(t.Context(), domain.State{Key: "key", Data: []byte("kept")}, 0)
	require.NoError(t, err)
	for i := 0; err == nil; i++ {
		require.Less(t, i, 100)
		_, err = logs.SaveState(t.Context(), domain.State{Key: fmt.Sprint("filler ", i), Data: make([]byte, 1<<20)}, 0)
	}
	require.ErrorIs(t, err, domain.ErrStoreFull)
	_, err = logs.SaveState(t.Context(), domain.State{Key: "key", Revision: revision, Data: make([]byte, domain.MaxStateData)}, 0)
	require.ErrorIs(t, err, domain.ErrStoreFull)
	got, err := logs.LoadStates(t.Context(), "key")
	require.NoError(t, err)
	require.Equal(t, []domain.State{{Key: "key", Revision: revision, Data: []byte("kept")}}, got)
}

// TestASaveWhoseReplyIsLostSavesOnce puts a relay before the server that cuts the
// connection instead of passing the reply to a save on: go-redis repeats it.
func TestASaveWhoseReplyIsLostSavesOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	relay := newRelay(t, server.Addr())
	client, err := redisstore.Open(t.Context(), redisstore.Config{URL: "redis://" + relay.addr + "/0"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	logs := redisstore.NewLogRepository(client)
	revision := int64(0)
	for i := range 5 {
		cut := relay.cuts.Load()
		if i > 0 { // the first loads the script
			relay.armed.Store(true)
		}
		next, err := logs.SaveState(t.Context(), domain.State{Key: "key", Revision: revision, Data: fmt.Append(nil, i)}, time.Hour)
		require.NoError(t, err)
		require.Greater(t, next, revision)
		revision = next
		if i > 0 {
			require.Equal(t, cut+1, relay.cuts.Load(), "a reply was lost")
		}
		got, err := logs.LoadStates(t.Context(), "key")
		require.NoError(t, err)
		require.Equal(t, []domain.State{{Key: "key", Revision: revision, Data: fmt.Append(nil, i)}}, got)
	}
}

// relay passes bytes between clients and a server.
type relay struct {
	addr string
	// armed has the next reply be lost, with its connection.
	armed atomic.Bool
	// cuts counts the replies that were lost.
	cuts atomic.Int64
}

func newRelay(t *testing.T, server string) *relay {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{addr: listener.Addr().String()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.serve(listener, server)
	}()
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		<-done
	})
	return r
}

// serve relays connections until the listener is closed, and all of them are.
func (r *relay) serve(listener net.Listener, server string) {
	var passing sync.WaitGroup
	defer passing.Wait()
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		upstream, err := net.Dial("tcp", server)
		if err != nil {
			_ = client.Close()
			continue
		}
		end := func() { _, _ = client.Close(), upstream.Close() }
		passing.Go(func() {
			defer end()
			_, _ = io.Copy(upstream, client)
		})
		passing.Go(func() {
			defer end()
			buffer := make([]byte, 64<<10)
			for {
				n, err := upstream.Read(buffer)
				if r.armed.CompareAndSwap(true, false) {
					r.cuts.Add(1)
					return
				}
				if _, writeErr := client.Write(buffer[:n]); err != nil || writeErr != nil {
					return
				}
			}
		})
	}
}
