package portstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// mustSaveDocument saves data under the key and returns the revision.
func mustSaveDocument(t *testing.T, r ports.LogRepository, key string, revision int64, data string, ttl time.Duration) int64 {
	t.Helper()
	next, err := r.SaveDocument(t.Context(), domain.Document{Key: key, Revision: revision, Data: []byte(data)}, ttl)
	require.NoError(t, err)
	return next
}

// mustLoadDocuments returns the documents of the keys, after looking at what must hold
// for any.
func mustLoadDocuments(t *testing.T, r ports.LogRepository, keys ...string) []domain.Document {
	t.Helper()
	documents, err := r.LoadDocuments(t.Context(), keys...)
	require.NoError(t, err)
	require.Len(t, documents, len(keys))
	for i, s := range documents {
		require.Equal(t, keys[i], s.Key)
		if s.Revision == 0 {
			require.Empty(t, s.Data)
		}
	}
	return documents
}

// requireState checks what is stored under a key; revision 0 is nothing.
func requireState(t *testing.T, r ports.LogRepository, key string, revision int64, data string) {
	t.Helper()
	got := mustLoadDocuments(t, r, key)[0]
	require.Equal(t, revision, got.Revision, "revision of %q", key)
	require.True(t, data == string(got.Data), "data of %q: %d bytes, want %d", key, len(got.Data), len(data))
}

var documentCases = []storeCase{
	{
		name:    "gives back what was saved",
		promise: "SaveDocument stores the document; LoadDocuments returns the documents of the keys",
		run: func(t *testing.T, h *storeTest) {
			all := make([]byte, 256)
			for i := range all {
				all[i] = byte(i)
			}
			for i, data := range []string{"", "text", "\x00", string(all), strings.Repeat("long ", 10_000)} {
				key := fmt.Sprint("key ", i)
				revision := mustSaveDocument(t, h.Logs, key, 0, data, 0)
				require.Positive(t, revision)
				requireState(t, h.Logs, key, revision, data)
			}
		},
	},
	{
		name:    "keeps the largest documents",
		promise: "a document has up to domain.MaxDocumentData bytes",
		run: func(t *testing.T, h *storeTest) {
			var keys, want []string
			var revisions []int64
			for i := range 3 {
				data := strings.Repeat(strconv.Itoa(i), domain.MaxDocumentData)
				keys, want = append(keys, fmt.Sprint("large ", i)), append(want, data)
				revisions = append(revisions, mustSaveDocument(t, h.Logs, keys[i], 0, data, 0))
			}
			want[2] = strings.Repeat("\xff", domain.MaxDocumentData)
			revisions[2] = mustSaveDocument(t, h.Logs, keys[2], revisions[2], want[2], time.Hour)
			for i, got := range mustLoadDocuments(t, h.Logs, keys...) {
				require.Equal(t, revisions[i], got.Revision)
				require.True(t, want[i] == string(got.Data), "the bytes of document %d", i)
			}
		},
	},
	{
		name:    "gives nothing for a key that has nothing",
		promise: "A key that has nothing gives Revision 0 and no Data",
		run: func(t *testing.T, h *storeTest) {
			requireState(t, h.Logs, "absent", 0, "")
			mustSaveDocument(t, h.Logs, "other", 0, "data", 0)
			requireState(t, h.Logs, "absent", 0, "")
			require.Empty(t, mustLoadDocuments(t, h.Logs))
		},
	},
	{
		name:    "loads many keys in their order, each as often as it is named",
		promise: "LoadDocuments returns one document for each key, in the order of the arguments",
		run: func(t *testing.T, h *storeTest) {
			const stored = 600
			revisions := map[string]int64{}
			var keys []string
			for i := range stored {
				key := fmt.Sprint("key ", i*7919%stored)
				if i%3 > 0 {
					revisions[key] = mustSaveDocument(t, h.Logs, key, 0, "of "+key, 0)
				}
				keys = append(keys, key)
				if i%4 == 0 {
					keys = append(keys, "key 0", key, "absent")
				}
			}
			for i, s := range mustLoadDocuments(t, h.Logs, keys...) {
				require.Equal(t, revisions[keys[i]], s.Revision)
				if s.Revision > 0 {
					require.Equal(t, "of "+keys[i], string(s.Data))
				}
			}
		},
	},
	{
		name:    "gives each save a higher revision",
		promise: "A revision is above all that the key had before",
		run: func(t *testing.T, h *storeTest) {
			last := int64(0)
			for i := range 30 {
				data := fmt.Sprint("save ", i/2) // the same data is a save too
				next := mustSaveDocument(t, h.Logs, "key", last, data, 0)
				require.Greater(t, next, last)
				requireState(t, h.Logs, "key", next, data)
				if last = next; i%10 == 0 {
					h.Advance(time.Minute)
				}
			}
		},
	},
	{
		name:    "changes nothing if the revision is another",
		promise: "SaveDocument stores the document if the stored one still has its Revision; otherwise it changes nothing, and the error is domain.ErrDocumentConflict",
		run: func(t *testing.T, h *storeTest) {
			conflict := func(key string, revision int64) {
				got, err := h.Logs.SaveDocument(t.Context(), domain.Document{Key: key, Revision: revision, Data: []byte("lost")}, time.Minute)
				require.ErrorIs(t, err, domain.ErrDocumentConflict)
				require.ErrorContains(t, err, key)
				require.Zero(t, got)
			}
			conflict("absent", 1)
			requireState(t, h.Logs, "absent", 0, "")
			first := mustSaveDocument(t, h.Logs, "key", 0, "first", 0)
			second := mustSaveDocument(t, h.Logs, "key", first, "second", 0)
			other := mustSaveDocument(t, h.Logs, "other", 0, "other", 0)
			for _, revision := range []int64{0, first, second + 1, second - 1, 1 << 40, 1 << 62} {
				if revision != second {
					conflict("key", revision)
				}
			}
			h.Advance(time.Hour) // the time to live of what was refused does not count
			requireState(t, h.Logs, "key", second, "second")
			requireState(t, h.Logs, "other", other, "other")
			mustSaveDocument(t, h.Logs, "key", second, "third", 0)
		},
	},
	{
		name:    "forgets a document when its time is over",
		promise: "The document expires ttl after this save, by the store's clock, if ttl is not 0",
		run: func(t *testing.T, h *storeTest) {
			short := mustSaveDocument(t, h.Logs, "short", 0, "a", time.Minute)
			long := mustSaveDocument(t, h.Logs, "long", 0, "b", time.Hour)
			forever := mustSaveDocument(t, h.Logs, "forever", 0, "c", 0)
			longest := mustSaveDocument(t, h.Logs, "longest", 0, "d", 1<<63-1)
			h.Advance(50 * time.Second)
			requireState(t, h.Logs, "short", short, "a")
			h.Advance(10 * time.Second)
			requireState(t, h.Logs, "short", 0, "")
			h.Advance(58 * time.Minute)
			requireState(t, h.Logs, "long", long, "b")
			h.Advance(time.Minute)
			got := mustLoadDocuments(t, h.Logs, "short", "long", "forever")
			require.Equal(t, []int64{0, 0, forever}, []int64{got[0].Revision, got[1].Revision, got[2].Revision})
			h.Advance(20 * 365 * 24 * time.Hour)
			requireState(t, h.Logs, "forever", forever, "c")
			requireState(t, h.Logs, "longest", longest, "d")
		},
	},
	{
		name:    "counts the time to live from the last save",
		promise: "The document expires ttl after this save; the ttl of an earlier save no longer counts",
		run: func(t *testing.T, h *storeTest) {
			longer := mustSaveDocument(t, h.Logs, "longer", 0, "a", time.Minute)
			endless := mustSaveDocument(t, h.Logs, "endless", 0, "a", time.Minute)
			shorter := mustSaveDocument(t, h.Logs, "shorter", 0, "a", 0)
			h.Advance(40 * time.Second)
			longer = mustSaveDocument(t, h.Logs, "longer", longer, "b", time.Minute)
			endless = mustSaveDocument(t, h.Logs, "endless", endless, "b", 0)
			shorter = mustSaveDocument(t, h.Logs, "shorter", shorter, "b", 2*time.Minute)
			h.Advance(50 * time.Second)
			requireState(t, h.Logs, "longer", longer, "b")
			h.Advance(10 * time.Second)
			requireState(t, h.Logs, "longer", 0, "")
			requireState(t, h.Logs, "shorter", shorter, "b")
			h.Advance(time.Hour)
			requireState(t, h.Logs, "shorter", 0, "")
			requireState(t, h.Logs, "endless", endless, "b")
		},
	},
	{
		name:    "starts again after a document expired, and never with a revision that was there",
		promise: "no key is given a revision twice, not even after its document expired",
		run: func(t *testing.T, h *storeTest) {
			seen := map[int64]bool{}
			for round := range 4 {
				last := int64(0)
				for range 3 {
					last = mustSaveDocument(t, h.Logs, "key", last, fmt.Sprint("round ", round), time.Minute)
					require.False(t, seen[last], "revision %d of round %d was there before", last, round)
					seen[last] = true
				}
				h.Advance(time.Minute)
				_, err := h.Logs.SaveDocument(t.Context(), domain.Document{Key: "key", Revision: last}, time.Minute)
				require.ErrorIs(t, err, domain.ErrDocumentConflict, "what expired has revision 0")
				if round == 2 { // whatever the store does to what expired
					mustPurgeAnalyses(t, h.Logs, 0, 100)
				}
			}
			for old := range seen {
				_, err := h.Logs.SaveDocument(t.Context(), domain.Document{Key: "key", Revision: old, Data: []byte("late")}, 0)
				require.ErrorIs(t, err, domain.ErrDocumentConflict)
			}
			requireState(t, h.Logs, "key", 0, "")
		},
	},
	{
		name:    "lets one of those win that save at the same time",
		promise: "SaveDocument stores the document in one step if the stored one still has its Revision",
		run:     savesDocumentsAtOnce,
	},
	{
		name:    "adds up what many add at the same time",
		promise: "SaveDocument stores the document in one step if the stored one still has its Revision",
		run:     addsUpDocuments,
	},
	{
		name:    "takes keys of any bytes",
		promise: "A key is any bytes, and the store makes no difference between them",
		run: func(t *testing.T, h *storeTest) {
			keys := []string{
				" ", "a", "A", "a ", " a", "a\x00", "a\x00b", "\x00", "\xff", "\xc3\x28", "a:b", "a:b:c", "state:a", "{a}", "}{", "{b}a", "a*", "a?", "[a]", `\`, `"'`,
				"a%", "a_", "ключ", "клЮч", "\u00e9", "e\u0301", "\n", "a\r\nb", "x'00'", "123", strings.Repeat("k", domain.MaxDocumentKey), strings.Repeat("k", domain.MaxDocumentKey-1),
				strings.Repeat("\xff", domain.MaxDocumentKey),
			}
			revisions := make([]int64, len(keys))
			for i, key := range keys {
				revisions[i] = mustSaveDocument(t, h.Logs, key, 0, fmt.Sprint("data ", i), 0)
			}
			for i, s := range mustLoadDocuments(t, h.Logs, keys...) {
				require.Equal(t, revisions[i], s.Revision, "key %q", keys[i])
				require.Equal(t, fmt.Sprint("data ", i), string(s.Data), "key %q", keys[i])
			}
		},
	},
	{
		name:    "keeps documents apart from logs and analyses",
		promise: "PurgeLogs, PurgeAnalyses and DeleteBatches remove no document that has not expired",
		run: func(t *testing.T, h *storeTest) {
			batch := domain.BatchID{1}
			key := batch.String()
			revision := mustSaveDocument(t, h.Logs, key, 0, "learned", 24*time.Hour)
			mustSave(t, h.Logs, batch, newLog("line"))
			mustSaveAnalysis(t, h.Logs, batch, newAnalysis("one", 2))
			h.Advance(time.Hour)
			mustPurge(t, h.Logs, 0, 100)
			mustPurgeAnalyses(t, h.Logs, 0, 100)
			require.NoError(t, h.Logs.DeleteBatches(t.Context(), batch))
			requireState(t, h.Logs, key, revision, "learned")
		},
	},
	{
		name:    "shares no memory of documents with its callers",
		promise: "States that go in and come out are copies; neither side keeps them",
		run: func(t *testing.T, h *storeTest) {
			data := []byte("learned")
			revision, err := h.Logs.SaveDocument(t.Context(), domain.Document{Key: "key", Data: data}, 0)
			require.NoError(t, err)
			copy(data, "changed")
			for range 2 {
				got := mustLoadDocuments(t, h.Logs, "key", "key")
				for _, s := range got {
					require.Equal(t, domain.Document{Key: "key", Revision: revision, Data: []byte("learned")}, s)
				}
				copy(got[0].Data, "changed")
				require.Equal(t, "learned", string(got[1].Data))
			}
		},
	},
	{
		name:    "shows the same documents to another process, and keeps them over a restart",
		promise: "All methods may be called by any number of processes; what was acknowledged is not lost",
		run: func(t *testing.T, h *storeTest) {
			other := h.other(t).Logs
			first := mustSaveDocument(t, h.Logs, "key", 0, "first", 0)
			requireState(t, other, "key", first, "first")
			second := mustSaveDocument(t, other, "key", first, "second", time.Hour)
			require.ErrorIs(t, errOf(h.Logs.SaveDocument(t.Context(), domain.Document{Key: "key", Revision: first}, 0)), domain.ErrDocumentConflict)
			restarted := h.restarted(t).Logs
			requireState(t, restarted, "key", second, "second")
			h.Advance(time.Hour)
			requireState(t, restarted, "key", 0, "")
			third := mustSaveDocument(t, restarted, "key", 0, "third", 0)
			require.NotContains(t, []int64{first, second}, third)
		},
	},
}

// savesDocumentsAtOnce has callers save one revision at the same time.
func savesDocumentsAtOnce(t *testing.T, h *storeTest) {
	const callers, rounds = 8, 20
	revision := int64(0)
	for round := range rounds {
		revisions := make([]int64, callers)
		errs := atOnce(callers, func(i int) (err error) {
			document := domain.Document{Key: "key", Revision: revision, Data: fmt.Appendf(nil, "caller %d of round %d", i, round)}
			revisions[i], err = h.Logs.SaveDocument(t.Context(), document, 0)
			return err
		})
		winner := -1
		for i, err := range errs {
			if err == nil {
				require.Equal(t, -1, winner, "callers %d and %d both saved revision %d", winner, i, revision)
				winner = i
				continue
			}
			require.ErrorIs(t, err, domain.ErrDocumentConflict)
		}
		require.NotEqual(t, -1, winner, "nobody saved")
		require.Greater(t, revisions[winner], revision)
		revision = revisions[winner]
		requireState(t, h.Logs, "key", revision, fmt.Sprintf("caller %d of round %d", winner, round))
	}
}

// addsUpDocuments has callers add to a number, each until it has won some times.
func addsUpDocuments(t *testing.T, h *storeTest) {
	const callers, wins = 6, 15
	add := func(ctx context.Context) error {
		for {
			got, err := h.Logs.LoadDocuments(ctx, "sum")
			if err != nil {
				return err
			}
			n, _ := strconv.Atoi(string(got[0].Data))
			next := domain.Document{Key: "sum", Revision: got[0].Revision, Data: strconv.AppendInt(nil, int64(n+1), 10)}
			if _, err = h.Logs.SaveDocument(ctx, next, time.Hour); !errors.Is(err, domain.ErrDocumentConflict) {
				return err
			}
		}
	}
	require.NoError(t, errors.Join(atOnce(callers, func(int) (err error) {
		for range wins {
			err = errors.Join(err, add(t.Context()))
		}
		return err
	})...))
	got := mustLoadDocuments(t, h.Logs, "sum")[0]
	require.True(t, bytes.Equal(strconv.AppendInt(nil, callers*wins, 10), got.Data), "the sum is %s", got.Data)
}
