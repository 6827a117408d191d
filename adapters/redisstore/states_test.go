package redisstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
)

func TestRedisRemovesStatesThatExpire(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	save := func(revision int64, ttl time.Duration) int64 {
		next, err := p.Logs.SaveDocument(t.Context(), domain.Document{Key: "key", Revision: revision, Data: []byte("data")}, ttl)
		require.NoError(t, err)
		return next
	}
	left := func() int64 { return p.Do(t, "PTTL", p.LogKey("state:key")).(int64) }
	revision := save(0, time.Minute)
	require.Greater(t, left(), int64(50_000))
	require.LessOrEqual(t, left(), int64(60_000))
	revision = save(revision, 0)
	require.Equal(t, int64(-1), left(), "it stays")
	save(revision, time.Nanosecond)
	require.Eventually(t, func() bool { return p.Do(t, "EXISTS", p.LogKey("state:key")) == int64(0) }, 10*time.Second, 5*time.Millisecond)
	require.Positive(t, save(0, 0))
}

func TestADamagedStateIsNamedAndHarmsNoOther(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	for _, key := range []string{"good", "bad"} {
		_, err := p.Logs.SaveDocument(t.Context(), domain.Document{Key: key, Data: []byte("data")}, 0)
		require.NoError(t, err)
	}
	good, err := p.Logs.LoadDocuments(t.Context(), "good")
	require.NoError(t, err)
	for name, harm := range map[string][]any{
		"empty":               {"SET", p.LogKey("state:bad"), ""},
		"cut":                 {"SET", p.LogKey("state:bad"), "\x01cut"},
		"of another version":  {"SET", p.LogKey("state:bad"), "\x09" + strings.Repeat("\x01", 40)},
		"without a revision":  {"SET", p.LogKey("state:bad"), "\x01" + strings.Repeat("\x00", 40)},
		"of a huge revision":  {"SET", p.LogKey("state:bad"), "\x01" + strings.Repeat("\xff", 40)},
		"of a type that none": {"RPUSH", p.LogKey("state:bad"), "x"},
	} {
		p.Do(t, "DEL", p.LogKey("state:bad"))
		p.Do(t, harm...)
		_, err := p.Logs.LoadDocuments(t.Context(), "good", "bad")
		require.ErrorIs(t, err, domain.ErrCorruptRecord, name)
		require.ErrorContains(t, err, `"bad"`)
		_, err = p.Logs.SaveDocument(t.Context(), domain.Document{Key: "bad"}, 0)
		require.ErrorIs(t, err, domain.ErrCorruptRecord, name)
		got, err := p.Logs.LoadDocuments(t.Context(), "good")
		require.NoError(t, err)
		require.Equal(t, good, got)
	}
}

func TestAFullServerKeepsTheStateThatItHas(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--maxmemory", "8mb", "--maxmemory-policy", "noeviction")
	logs := openLogs(t, server.URL(), redisstore.Config{})
	revision, err := logs.SaveDocument(t.Context(), domain.Document{Key: "key", Data: []byte("kept")}, 0)
	require.NoError(t, err)
	for i := 0; err == nil; i++ {
		require.Less(t, i, 100)
		_, err = logs.SaveDocument(t.Context(), domain.Document{Key: fmt.Sprint("filler ", i), Data: make([]byte, 1<<20)}, 0)
	}
	require.ErrorIs(t, err, domain.ErrStoreFull)
	_, err = logs.SaveDocument(t.Context(), domain.Document{Key: "key", Revision: revision, Data: make([]byte, domain.MaxDocumentData)}, 0)
	require.ErrorIs(t, err, domain.ErrStoreFull)
	got, err := logs.LoadDocuments(t.Context(), "key")
	require.NoError(t, err)
	require.Equal(t, []domain.Document{{Key: "key", Revision: revision, Data: []byte("kept")}}, got)
}

// TestASaveWhoseReplyIsLostSavesOnce puts a line before the server that cuts the
// connection instead of passing the reply to a save on: go-redis repeats it.
func TestASaveWhoseReplyIsLostSavesOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	line := startLine(t, server, 0)
	logs := openLogs(t, line.url, redisstore.Config{})
	revision := int64(0)
	for i := range 5 {
		cut := line.cuts.Load()
		if i > 0 { // the first loads the script
			line.armed.Store(true)
		}
		next, err := logs.SaveDocument(t.Context(), domain.Document{Key: "key", Revision: revision, Data: fmt.Append(nil, i)}, time.Hour)
		require.NoError(t, err)
		require.Greater(t, next, revision)
		revision = next
		if i > 0 {
			require.Equal(t, cut+1, line.cuts.Load(), "a reply was lost")
		}
		got, err := logs.LoadDocuments(t.Context(), "key")
		require.NoError(t, err)
		require.Equal(t, []domain.Document{{Key: "key", Revision: revision, Data: fmt.Append(nil, i)}}, got)
	}
}
