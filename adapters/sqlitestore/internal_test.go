package sqlitestore

import (
	"os"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func TestEachCommitIsSynced(t *testing.T) {
	t.Parallel()
	for synchronous, want := range map[Synchronous]int64{"": 2, SynchronousFull: 2, SynchronousNormal: 1} {
		db, _ := openStore(t, Config{Synchronous: synchronous})
		require.NoError(t, db.writer.do(t.Context(), "look", func(tx *transaction) error {
			for pragma, want := range map[string]int64{"synchronous": want, "fullfsync": 1} {
				got, _, err := tx.number("PRAGMA " + pragma)
				require.NoError(t, err)
				require.Equal(t, want, got, "%s of a store opened with %q", pragma, synchronous)
			}
			return nil
		}))
	}
}

// The faults of this file are made on the writer's own connection: no other one
// can bring them about for every user that runs the tests, root included.
func TestWriterFaults(t *testing.T) {
	t.Parallel()
	pragma := func(t *testing.T, db *DB, query string) {
		t.Helper()
		require.NoError(t, db.writer.do(t.Context(), "prepare", func(tx *transaction) error {
			// Outside of the kept statements: each runs once.
			return db.writer.plain(query)
		}))
	}
	task := func(size int) *domain.Task {
		return domain.NewTask(uuid.New(), "test", make([]byte, size))
	}

	t.Run("a full disk refuses what does not fit and takes what does", func(t *testing.T) {
		t.Parallel()
		db, path := openStore(t, Config{})
		queue := db.TaskQueue
		// In pages of 4 KiB.
		pragma(t, db, "PRAGMA max_page_count = 100")
		large, small := task(domain.MaxPayload), task(10)
		_, err := queue.Enqueue(t.Context(), large)
		require.ErrorIs(t, err, domain.ErrStoreFull)
		log, err := os.Stat(path + "-wal")
		require.NoError(t, err)
		require.Zero(t, log.Size(), "the write-ahead log gives back what it took")
		_, err = queue.Enqueue(t.Context(), small)
		require.NoError(t, err)
		_, err = queue.GetTask(t.Context(), large.ID)
		require.ErrorIs(t, err, domain.ErrTaskNotFound)
		stats, err := queue.GetQueueStats(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(1), stats.Total())
	})

	t.Run("an operation that fails does not spoil those that share its transaction", func(t *testing.T) {
		t.Parallel()
		db, _ := openStore(t, Config{})
		op := func(query string) *operation {
			return &operation{done: make(chan struct{}), run: func(tx *transaction) error {
				_, err := tx.exec(query)
				return err
			}}
		}
		good, bad, late := op("INSERT INTO result (seq, data) VALUES (1, x'01')"), op("INSERT INTO result (seq, data) VALUES (2, NULL)"),
			op("INSERT INTO result (seq, data) VALUES (3, x'03')")
		db.writer.mu.Lock()
		db.writer.queue = append(db.writer.queue, good, bad, late)
		db.writer.mu.Unlock()
		db.writer.signal()
		for _, op := range []*operation{good, bad, late} {
			<-op.done
		}
		require.NoError(t, good.err)
		require.Error(t, bad.err)
		require.NoError(t, late.err)
		require.NoError(t, db.read(t.Context(), "count", func(s *statements) error {
			n, _, err := s.number("SELECT count(*) FROM result")
			require.Equal(t, int64(2), n)
			return err
		}))
	})

	t.Run("a file that has become read-only says so", func(t *testing.T) {
		t.Parallel()
		db, _ := openStore(t, Config{})
		pragma(t, db, "PRAGMA query_only = 1")
		_, err := db.Enqueue(t.Context(), task(10))
		require.ErrorIs(t, err, domain.ErrStoreReadOnly)
	})
}
