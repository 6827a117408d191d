package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/redistest"
	"logsift/domain"
)

func TestLogsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	ways := map[string]func(t *testing.T, logs *redisstore.LogRepository, batches []domain.BatchID){
		"batches that are deleted": func(t *testing.T, logs *redisstore.LogRepository, batches []domain.BatchID) {
			t.Helper()
			require.NoError(t, logs.DeleteBatches(t.Context(), batches...))
		},
		"entries and analyses that are purged": func(t *testing.T, logs *redisstore.LogRepository, _ []domain.BatchID) {
			t.Helper()
			n, err := logs.PurgeLogs(t.Context(), 0, 10_000)
			require.NoError(t, err)
			require.Equal(t, 1530, n)
			n, err = logs.PurgeAnalyses(t.Context(), 0, 10_000)
			require.NoError(t, err)
			require.Equal(t, 4, n)
		},
	}
	for name, remove := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			logs := w.Open(t).LogRepository
			var batches []domain.BatchID
			for i, size := range []int{1500, 10, 20, 0} {
				batch := uuid.New()
				batches = append(batches, batch)
				_, err := logs.SaveLogs(t.Context(), batch, storetest.LogLines(size)...)
				require.NoError(t, err)
				if i != 1 {
					_, err = logs.CloseBatch(t.Context(), batch)
					require.NoError(t, err)
				}
				require.NoError(t, logs.SaveAnalysis(t.Context(), batch, storetest.Result(i)))
			}
			rdb := storetest.Raw(t, w.Server)
			pattern := "{" + w.Namespace + ":logs}:*"
			keys, err := rdb.Keys(t.Context(), pattern).Result()
			require.NoError(t, err)
			require.Len(t, keys, 11, "eight keys and the lists of three batches")
			remove(t, logs, batches)
			keys, err = rdb.Keys(t.Context(), pattern).Result()
			require.NoError(t, err)
			require.Empty(t, keys)
		})
	}
}

func TestLogsSurviveAKilledServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	logs := openLogs(t, server.URL(), redisstore.Config{CallTimeout: 400 * time.Millisecond, IOTimeout: 200 * time.Millisecond})
	closed, open, entries := uuid.New(), uuid.New(), storetest.LogLines(20)
	_, err := logs.SaveLogs(t.Context(), closed, entries[:15]...)
	require.NoError(t, err)
	_, err = logs.SaveLogs(t.Context(), open, entries[15:]...)
	require.NoError(t, err)
	ids, err := logs.CloseBatch(t.Context(), closed)
	require.NoError(t, err)
	require.NoError(t, logs.SaveAnalysis(t.Context(), closed, storetest.Result(3)))
	before, err := logs.GetLogs(t.Context(), ids...)
	require.NoError(t, err)
	revision, err := logs.SaveDocument(t.Context(), domain.Document{Key: "key", Data: []byte("learned")}, time.Hour)
	require.NoError(t, err)

	server.Kill(t)
	began := time.Now()
	_, err = logs.SaveLogs(t.Context(), open, storetest.LogLines(1)...)
	require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	_, err = logs.ListLogs(t.Context(), domain.LogFilter{})
	require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	_, err = logs.GetAnalysis(t.Context(), closed)
	require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	_, err = logs.SaveLogs(t.Context(), open)
	require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	_, err = logs.LoadDocuments(t.Context(), "key")
	require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	// Nobody knows of a save that failed so whether it was, or will be, carried out.
	_, err = logs.SaveDocument(t.Context(), domain.Document{Key: "unknown"}, 0)
	require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	require.Less(t, time.Since(began), 20*time.Second, "each call is bounded")

	server.Restart(t)
	again, err := logs.CloseBatch(t.Context(), closed)
	require.NoError(t, err)
	require.Equal(t, ids, again)
	after, err := logs.GetLogs(t.Context(), ids...)
	require.NoError(t, err)
	require.Equal(t, before, after)
	_, err = logs.GetAnalysis(t.Context(), closed)
	require.NoError(t, err)
	states, err := logs.LoadDocuments(t.Context(), "key")
	require.NoError(t, err)
	require.Equal(t, []domain.Document{{Key: "key", Revision: revision, Data: []byte("learned")}}, states)
	n, err := logs.SaveLogs(t.Context(), open, storetest.LogLines(1)...)
	require.NoError(t, err)
	require.Equal(t, 6, n)
}

func TestAFullServerRefusesEntriesWholeAndLetsOldOnesGo(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--maxmemory", "6mb", "--maxmemory-policy", "noeviction")
	logs := openLogs(t, server.URL(), redisstore.Config{})
	batch := uuid.New()
	var err error
	var refused []domain.LogEntry
	stored := 0
	for range 1000 {
		entries := storetest.LogLines(3)
		for i := range entries {
			entries[i].Message = strings.Repeat("m", 10_000)
		}
		n, saveErr := logs.SaveLogs(t.Context(), batch, entries...)
		if err = saveErr; err != nil {
			refused = entries
			break
		}
		stored = n
	}
	require.ErrorIs(t, err, domain.ErrStoreFull)
	got, err := logs.GetLogs(t.Context(), refused[0].ID, refused[1].ID, refused[2].ID)
	require.NoError(t, err)
	require.Empty(t, got)

	ids, err := logs.CloseBatch(t.Context(), batch)
	require.NoError(t, err, "what is stored can be analysed")
	require.Len(t, ids, stored)
	n, err := logs.PurgeLogs(t.Context(), 0, 3)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.NoError(t, logs.DeleteBatches(t.Context(), batch))
	_, err = logs.SaveLogs(t.Context(), uuid.New(), storetest.LogLines(3)...)
	require.NoError(t, err)
}

func TestADamagedRecordIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	logs := w.Open(t).LogRepository
	rdb := storetest.Raw(t, w.Server)
	batch, entries := uuid.New(), storetest.LogLines(3)
	_, err := logs.SaveLogs(t.Context(), batch, entries...)
	require.NoError(t, err)
	require.NoError(t, logs.SaveAnalysis(t.Context(), batch, storetest.Result(1)))
	key := "{" + w.Namespace + ":logs}:entries"
	id := entries[1].ID
	record, err := rdb.HGet(t.Context(), key, string(id[:])).Result()
	require.NoError(t, err)

	for name, damaged := range map[string]string{
		"too short":            record[:20],
		"of another version":   "\x09" + record[1:],
		"with a wrong length":  record[:34] + "\xff\xff\x03" + record[35:],
		"with too many values": record[:38] + "\xff\x7f" + record[39:],
	} {
		require.NoError(t, rdb.HSet(t.Context(), key, string(id[:]), damaged).Err())
		_, err = logs.GetLogs(t.Context(), id)
		require.ErrorIs(t, err, domain.ErrCorruptRecord, name)
		require.ErrorContains(t, err, id.String())
	}
	require.NoError(t, rdb.HDel(t.Context(), key, string(id[:])).Err())
	page, err := logs.ListLogs(t.Context(), domain.LogFilter{})
	require.NoError(t, err)
	require.Len(t, page.Logs, 2, "an entry without its record is passed over")

	analyses := "{" + w.Namespace + ":logs}:analyses"
	record, err = rdb.HGet(t.Context(), analyses, string(batch[:])).Result()
	require.NoError(t, err)
	for name, damaged := range map[string]string{
		"cut in an anomaly":  record[:30],
		"cut in a size":      record[:15],
		"with a wrong size":  record[:13] + "\xff\xff\xff\xff" + record[17:],
		"with another count": record[:9] + "\x00\x00\x00\x05" + record[13:],
	} {
		require.NoError(t, rdb.HSet(t.Context(), analyses, string(batch[:]), damaged).Err())
		_, err = logs.GetAnalysis(t.Context(), batch)
		require.ErrorIs(t, err, domain.ErrCorruptRecord, name)
		_, err = logs.ListAnomalies(t.Context(), domain.AnomalyFilter{})
		require.ErrorIs(t, err, domain.ErrCorruptRecord, name)
		require.ErrorContains(t, err, batch.String())
	}

	n, err := logs.PurgeLogs(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.NoError(t, logs.DeleteBatches(t.Context(), batch), "what is damaged can be removed")
}

// TestDeletingCostsOnlyWhatItDeletes counts commands instead of time.
func TestDeletingCostsOnlyWhatItDeletes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	logs := openLogs(t, server.URL(), redisstore.Config{})
	rdb := storetest.Raw(t, server)
	measure := func() int {
		batch := uuid.New()
		_, err := logs.SaveLogs(t.Context(), batch, storetest.LogLines(5)...)
		require.NoError(t, err)
		require.NoError(t, rdb.ConfigResetStat(t.Context()).Err())
		require.NoError(t, logs.DeleteBatches(t.Context(), batch))
		return cost(t, rdb)
	}
	measure() // loads the script
	few := measure()
	for range 5 {
		_, err := logs.SaveLogs(t.Context(), uuid.New(), storetest.LogLines(1000)...)
		require.NoError(t, err)
	}
	require.Equal(t, few, measure())
}

// cost is how many commands the server has run since its statistics were reset.
func cost(t *testing.T, rdb *redis.Client) (sum int) {
	t.Helper()
	for name, n := range calls(t, rdb) {
		if !strings.HasPrefix(name, "config") {
			sum += n
		}
	}
	return sum
}

// TestTheHistoryOfOneAnomalyCostsOnlyWhatItHas counts commands instead of time.
func TestTheHistoryOfOneAnomalyCostsOnlyWhatItHas(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	logs := openLogs(t, server.URL(), redisstore.Config{})
	rdb := storetest.Raw(t, server)
	save := func(id string, n int) {
		for range n {
			r := storetest.Result(3)
			r.Anomalies[1].ID = id
			require.NoError(t, logs.SaveAnalysis(t.Context(), uuid.New(), r))
		}
	}
	measure := func() int {
		require.NoError(t, rdb.ConfigResetStat(t.Context()).Err())
		page, err := logs.ListAnomalies(t.Context(), domain.AnomalyFilter{ID: "rare"})
		require.NoError(t, err)
		require.Len(t, page.Anomalies, 2)
		return cost(t, rdb)
	}
	save("rare", 2)
	measure() // loads the script
	few := measure()
	save("frequent", 600)
	require.Equal(t, few, measure())
}
