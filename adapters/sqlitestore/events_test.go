package sqlitestore

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// write changes the store behind its back.
func write(t *testing.T, db *DB, queries ...string) {
	t.Helper()
	require.NoError(t, db.writer.do(t.Context(), "write", func(tx *transaction) error {
		for _, query := range queries {
			if _, err := tx.exec(query); err != nil {
				return err
			}
		}
		return nil
	}))
}

func TestEventsThatCannotBeReadAreLost(t *testing.T) {
	t.Parallel()
	db, _ := openIn(t, filepath.Join(t.TempDir(), "store.db"))
	queue := db.TaskQueue
	read := func(after string) domain.TaskEventPage {
		page, err := queue.ReadTaskEvents(t.Context(), ports.EventRequest{After: after, Max: ports.MaxEvents})
		require.NoError(t, err)
		return page
	}
	enqueue := func() {
		_, err := queue.Enqueue(t.Context(), domain.NewTask(uuid.New(), "test", nil))
		require.NoError(t, err)
	}
	begin := read("").Next
	enqueue()
	enqueue()
	write(t, db, "UPDATE event SET task = x'00' WHERE no = (SELECT max(no) FROM event)")
	page := read(begin)
	require.True(t, page.Lost)
	require.Empty(t, page.Events, "none is told that would be told again")
	enqueue()
	require.Len(t, read(page.Next).Events, 1, "what follows is told")
}

// TestAFileFromBeforeEventsIsBroughtUpToDate takes from a file what its version 3 did
// not have, and works on with it.
func TestAFileFromBeforeEventsIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	old, _ := openIn(t, path)
	newest := count(t, old, "PRAGMA user_version")
	task := domain.NewTask(uuid.New(), "test", []byte(`{"n":1}`))
	_, err := old.Enqueue(t.Context(), task)
	require.NoError(t, err)
	write(t, old, append(withoutHeads,
		"ALTER TABLE contents DROP COLUMN trace",
		"DROP TABLE event", "DROP TABLE event_log", "DROP TABLE pause", "DROP TABLE scheduler",
		"PRAGMA user_version = 3")...)
	require.NoError(t, old.Close())

	db, _ := openIn(t, path)
	require.Equal(t, newest, count(t, db, "PRAGMA user_version"))
	queue := db.TaskQueue
	page, err := queue.ReadTaskEvents(t.Context(), ports.EventRequest{Max: 1})
	require.NoError(t, err)
	require.NoError(t, queue.PauseQueue(t.Context(), task.Queue))
	request := ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute}
	claimed, err := queue.Dequeue(t.Context(), request)
	require.NoError(t, err)
	require.Empty(t, claimed)
	require.NoError(t, queue.ResumeQueue(t.Context(), task.Queue))
	claimed, err = queue.Dequeue(t.Context(), request)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	require.True(t, task.SameContents(claimed[0]))
	require.Empty(t, claimed[0].TraceParent)
	page, err = queue.ReadTaskEvents(t.Context(), ports.EventRequest{After: page.Next, Max: 1})
	require.NoError(t, err)
	require.Len(t, page.Events, 1)
	require.Equal(t, domain.TaskStatusProcessing, page.Events[0].To)
}
