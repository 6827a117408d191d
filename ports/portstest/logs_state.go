package portstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// mustSaveState saves data under the key and returns the revision.
func mustSaveState(t *testing.T, r ports.LogRepository, key string, revision int64, data string, ttl time.Duration) int64 {
	t.Helper()
	next, err := r.SaveState(t.Context(), domain.State{Key: key, Revision: revision, Data: []byte(data)}, ttl)
	require.NoError(t, err)
	return next
}

// mustLoadStates returns the states of the keys, after looking at what must hold
// for any.
func mustLoadStates(t *testing.T, r ports.LogRepository, keys ...string) []domain.State {
	t.Helper()
	states, err := r.LoadStates(t.Context(), keys...)
	require.NoError(t, err)
	require.Len(t, states, len(keys))
	for i, s := range states {
		require.Equal(t, keys[i], s.Key)
		if s.Revision == 0 {
			require.Empty(t, s.Data)
		}
	}
	return states
}

// requireState checks what is stored under a key; revision 0 is nothing.
func requireState(t *testing.T, r ports.LogRepository, key string, revision int64, data string) {
	t.Helper()
	got := mustLoadStates(t, r, key)[0]
	require.Equal(t, revision, got.Revision, "revision of %q", key)
	require.True(t, data == string(got.Data), "data of %q: %d bytes, want %d", key, len(got.Data), len(data))
}

var logStateCases = []logCase{
	{
		name:    "gives back what was saved",
		promise: "SaveState stores the state; LoadStates returns the states of the keys",
		run: func(t *testing.T, h LogHarness) {
			all := make([]byte, 256)
			for i := range all {
				all[i] = byte(i)
			}
			for i, data := range []string{"", "text", "\x00", string(all), strings.Repeat("long ", 10_000)} {
				key := fmt.Sprint("key ", i)
				revision := mustSaveState(t, h.Repository, key, 0, data, 0)
				require.Positive(t, revision)
				requireState(t, h.Repository, key, revision, data)
			}
		},
	},
	{
		name:    "keeps the largest states",
		promise: "a state has up to domain.MaxStateData bytes",
		run: func(t *testing.T, h LogHarness) {
			var keys, want []string
			var revisions []int64
			for i := range 3 {
				data := strings.Repeat(strconv.Itoa(i), domain.MaxStateData)
				keys, want = append(keys, fmt.Sprint("large ", i)), append(want, data)
				revisions = append(revisions, mustSaveState(t, h.Repository, keys[i], 0, data, 0))
			}
			want[2] = strings.Repeat("\xff", domain.MaxStateData)
			revisions[2] = mustSaveState(t, h.Repository, keys[2], revisions[2], want[2], time.Hour)
			for i, got := range mustLoadStates(t, h.Repository, keys...) {
				require.Equal(t, revisions[i], got.Revision)
				require.True(t, want[i] == string(got.Data), "the bytes of state %d", i)
			}
		},
	},
	{
		name:    "gives nothing for a key that has nothing",
		promise: "A key that has nothing gives Revision 0 and no Data",
		run: func(t *testing.T, h LogHarness) {
			requireState(t, h.Repository, "absent", 0, "")
			mustSaveState(t, h.Repository, "other", 0, "data", 0)
			requireState(t, h.Repository, "absent", 0, "")
			require.Empty(t, mustLoadStates(t, h.Repository))
		},
	},
	{
		name:    "loads many keys in their order, each as often as it is named",
		promise: "LoadStates returns one state for each key, in the order of the arguments",
		run: func(t *testing.T, h LogHarness) {
			const stored = 600
			revisions := map[string]int64{}
			var keys []string
			for i := range stored {
				key := fmt.Sprint("key ", i*7919%stored)
				if i%3 > 0 {
					revisions[key] = mustSaveState(t, h.Repository, key, 0, "of "+key, 0)
				}
				keys = append(keys, key)
				if i%4 == 0 {
					keys = append(keys, "key 0", key, "absent")
				}
			}
			for i, s := range mustLoadStates(t, h.Repository, keys...) {
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
		run: func(t *testing.T, h LogHarness) {
			last := int64(0)
			for i := range 30 {
				data := fmt.Sprint("save ", i/2) // the same data is a save too
				next := mustSaveState(t, h.Repository, "key", last, data, 0)
				require.Greater(t, next, last)
				requireState(t, h.Repository, "key", next, data)
				if last = next; i%10 == 0 {
					h.Advance(time.Minute)
				}
			}
		},
	},
	{
		name:    "changes nothing if the revision is another",
		promise: "SaveState stores the state if the stored one still has its Revision; otherwise it changes nothing, and the error is domain.ErrStateConflict",
		run: func(t *testing.T, h LogHarness) {
			conflict := func(key string, revision int64) {
				got, err := h.Repository.SaveState(t.Context(), domain.State{Key: key, Revision: revision, Data: []byte("lost")}, time.Minute)
				require.ErrorIs(t, err, domain.ErrStateConflict)
				require.ErrorContains(t, err, key)
				require.Zero(t, got)
			}
			conflict("absent", 1)
			requireState(t, h.Repository, "absent", 0, "")
			first := mustSaveState(t, h.Repository, "key", 0, "first", 0)
			second := mustSaveState(t, h.Repository, "key", first, "second", 0)
			other := mustSaveState(t, h.Repository, "other", 0, "other", 0)
			for _, revision := range []int64{0, first, second + 1, second - 1, 1 << 40, 1 << 62} {
				if revision != second {
					conflict("key", revision)
				}
			}
			h.Advance(time.Hour) // the time to live of what was refused does not count
			requireState(t, h.Repository, "key", second, "second")
			requireState(t, h.Repository, "other", other, "other")
			mustSaveState(t, h.Repository, "key", second, "third", 0)
		},
	},
	{
		name:    "forgets a state when its time is over",
		promise: "The state expires ttl after this save, by the store's clock, if ttl is not 0",
		run: func(t *testing.T, h LogHarness) {
			short := mustSaveState(t, h.Repository, "short", 0, "a", time.Minute)
			long := mustSaveState(t, h.Repository, "long", 0, "b", time.Hour)
			forever := mustSaveState(t, h.Repository, "forever", 0, "c", 0)
			longest := mustSaveState(t, h.Repository, "longest", 0, "d", 1<<63-1)
			h.Advance(50 * time.Second)
			requireState(t, h.Repository, "short", short, "a")
			h.Advance(10 * time.Second)
			requireState(t, h.Repository, "short", 0, "")
			h.Advance(58 * time.Minute)
			requireState(t, h.Repository, "long", long, "b")
			h.Advance(time.Minute)
			got := mustLoadStates(t, h.Repository, "short", "long", "forever")
			require.Equal(t, []int64{0, 0, forever}, []int64{got[0].Revision, got[1].Revision, got[2].Revision})
			h.Advance(20 * 365 * 24 * time.Hour)
			requireState(t, h.Repository, "forever", forever, "c")
			requireState(t, h.Repository, "longest", longest, "d")
		},
	},
	{
		name:    "counts the time to live from the last save",
		promise: "The state expires ttl after this save; the ttl of an earlier save no longer counts",
		run: func(t *testing.T, h LogHarness) {
			longer := mustSaveState(t, h.Repository, "longer", 0, "a", time.Minute)
			endless := mustSaveState(t, h.Repository, "endless", 0, "a", time.Minute)
			shorter := mustSaveState(t, h.Repository, "shorter", 0, "a", 0)
			h.Advance(40 * time.Second)
			longer = mustSaveState(t, h.Repository, "longer", longer, "b", time.Minute)
			endless = mustSaveState(t, h.Repository, "endless", endless, "b", 0)
			shorter = mustSaveState(t, h.Repository, "shorter", shorter, "b", 2*time.Minute)
			h.Advance(50 * time.Second)
			requireState(t, h.Repository, "longer", longer, "b")
			h.Advance(10 * time.Second)
			requireState(t, h.Repository, "longer", 0, "")
			requireState(t, h.Repository, "shorter", shorter, "b")
			h.Advance(time.Hour)
			requireState(t, h.Repository, "shorter", 0, "")
			requireState(t, h.Repository, "endless", endless, "b")
		},
	},
	{
		name:    "starts again after a state expired, and never with a revision that was there",
		promise: "no key is given a revision twice, not even after its state expired",
		run: func(t *testing.T, h LogHarness) {
			seen := map[int64]bool{}
			for round := range 4 {
				last := int64(0)
				for range 3 {
					last = mustSaveState(t, h.Repository, "key", last, fmt.Sprint("round ", round), time.Minute)
					require.False(t, seen[last], "revision %d of round %d was there before", last, round)
					seen[last] = true
				}
				h.Advance(time.Minute)
				_, err := h.Repository.SaveState(t.Context(), domain.State{Key: "key", Revision: last}, time.Minute)
				require.ErrorIs(t, err, domain.ErrStateConflict, "what expired has revision 0")
				if round == 2 { // whatever the store does to what expired
					_, err := h.Repository.PurgeAnalyses(t.Context(), 0, 100)
					require.NoError(t, err)
				}
			}
			for old := range seen {
				_, err := h.Repository.SaveState(t.Context(), domain.State{Key: "key", Revision: old, Data: []byte("late")}, 0)
				require.ErrorIs(t, err, domain.ErrStateConflict)
			}
			requireState(t, h.Repository, "key", 0, "")
		},
	},
	{
		name:    "lets one of those win that save at the same time",
		promise: "SaveState stores the state in one step if the stored one still has its Revision",
		run:     savesStatesAtOnce,
	},
	{
		name:    "adds up what many add at the same time",
		promise: "SaveState stores the state in one step if the stored one still has its Revision",
		run:     addsUpStates,
	},
	{
		name:    "takes keys of any bytes",
		promise: "A key is any bytes, and the store makes no difference between them",
		run: func(t *testing.T, h LogHarness) {
			keys := []string{
				" ", "a", "A", "a ", " a", "a\x00", "a\x00b", "\x00", "\xff", "\xc3\x28", "a:b", "a:b:c", "state:a", "{a}", "}{", "{b}a", "a*", "a?", "[a]", `\`, `"'`,
				"a%", "a_", "ключ", "клЮч", "\u00e9", "e\u0301", "\n", "a\r\nb", "x'00'", "123", strings.Repeat("k", domain.MaxStateKey), strings.Repeat("k", domain.MaxStateKey-1),
				strings.Repeat("\xff", domain.MaxStateKey),
			}
			revisions := make([]int64, len(keys))
			for i, key := range keys {
				revisions[i] = mustSaveState(t, h.Repository, key, 0, fmt.Sprint("data ", i), 0)
			}
			for i, s := range mustLoadStates(t, h.Repository, keys...) {
				require.Equal(t, revisions[i], s.Revision, "key %q", keys[i])
				require.Equal(t, fmt.Sprint("data ", i), string(s.Data), "key %q", keys[i])
			}
		},
	},
	{
		name:    "refuses what breaks a limit, by the name of the field",
		promise: "A *domain.ValidationError tells of a limit that is broken, or a ttl below 0",
		run: func(t *testing.T, h LogHarness) {
			long := strings.Repeat("k", domain.MaxStateKey+1)
			for _, c := range []struct {
				field string
				state domain.State
				ttl   time.Duration
			}{
				{"key", domain.State{Data: []byte("data")}, 0},
				{"key", domain.State{Key: long}, 0},
				{"revision", domain.State{Key: "key", Revision: -1}, 0},
				{"data", domain.State{Key: "key", Data: make([]byte, domain.MaxStateData+1)}, 0},
				{"ttl", domain.State{Key: "key"}, -1},
			} {
				_, err := h.Repository.SaveState(t.Context(), c.state, c.ttl)
				requireField(t, err, c.field)
			}
			for _, key := range []string{"", long} {
				_, err := h.Repository.LoadStates(t.Context(), "key", key)
				requireField(t, err, "key")
			}
			requireState(t, h.Repository, "key", 0, "")
		},
	},
	{
		name:    "keeps states apart from logs and analyses",
		promise: "PurgeLogs, PurgeAnalyses and DeleteBatches remove no state that has not expired",
		run: func(t *testing.T, h LogHarness) {
			batch := domain.BatchID{1}
			key := batch.String()
			revision := mustSaveState(t, h.Repository, key, 0, "learned", 24*time.Hour)
			mustSave(t, h.Repository, batch, newLog("line"))
			mustSaveAnalysis(t, h.Repository, batch, newAnalysis("one", 2))
			h.Advance(time.Hour)
			_, err := h.Repository.PurgeLogs(t.Context(), 0, 100)
			require.NoError(t, err)
			_, err = h.Repository.PurgeAnalyses(t.Context(), 0, 100)
			require.NoError(t, err)
			require.NoError(t, h.Repository.DeleteBatches(t.Context(), batch))
			requireState(t, h.Repository, key, revision, "learned")
		},
	},
	{
		name:    "shares no memory of states with its callers",
		promise: "States that go in and come out are copies; neither side keeps them",
		run: func(t *testing.T, h LogHarness) {
			data := []byte("learned")
			revision, err := h.Repository.SaveState(t.Context(), domain.State{Key: "key", Data: data}, 0)
			require.NoError(t, err)
			copy(data, "changed")
			for range 2 {
				got := mustLoadStates(t, h.Repository, "key", "key")
				for _, s := range got {
					require.Equal(t, domain.State{Key: "key", Revision: revision, Data: []byte("learned")}, s)
				}
				copy(got[0].Data, "changed")
				require.Equal(t, "learned", string(got[1].Data))
			}
		},
	},
	{
		name:    "ends a call for states whose context has ended",
		promise: "A call ends soon after its context, with the context's error wrapped",
		run: func(t *testing.T, h LogHarness) {
			revision := mustSaveState(t, h.Repository, "key", 0, "kept", 0)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := h.Repository.LoadStates(ctx, "key")
			require.ErrorIs(t, err, ctx.Err())
			_, err = h.Repository.SaveState(ctx, domain.State{Key: "key", Revision: revision, Data: []byte("late")}, 0)
			require.ErrorIs(t, err, ctx.Err())
			requireState(t, h.Repository, "key", revision, "kept")
		},
	},
	{
		name:    "shows the same states to another process, and keeps them over a restart",
		promise: "All methods may be called by any number of processes; what was acknowledged is not lost",
		run: func(t *testing.T, h LogHarness) {
			if h.Reopen == nil || h.Restart == nil {
				t.Skip("one process only, or nothing is kept over a restart")
			}
			other := h.Reopen(t)
			first := mustSaveState(t, h.Repository, "key", 0, "first", 0)
			requireState(t, other, "key", first, "first")
			second := mustSaveState(t, other, "key", first, "second", time.Hour)
			_, err := h.Repository.SaveState(t.Context(), domain.State{Key: "key", Revision: first}, 0)
			require.ErrorIs(t, err, domain.ErrStateConflict)
			restarted := h.Restart(t)
			requireState(t, restarted, "key", second, "second")
			h.Advance(time.Hour)
			requireState(t, restarted, "key", 0, "")
			third := mustSaveState(t, restarted, "key", 0, "third", 0)
			require.NotContains(t, []int64{first, second}, third)
		},
	},
}

// savesStatesAtOnce has callers save one revision at the same time.
func savesStatesAtOnce(t *testing.T, h LogHarness) {
	const callers, rounds = 8, 20
	revision := int64(0)
	for round := range rounds {
		var saving sync.WaitGroup
		revisions, errs := make([]int64, callers), make([]error, callers)
		for i := range callers {
			saving.Go(func() {
				state := domain.State{Key: "key", Revision: revision, Data: fmt.Appendf(nil, "caller %d of round %d", i, round)}
				revisions[i], errs[i] = h.Repository.SaveState(t.Context(), state, 0)
			})
		}
		saving.Wait()
		winner := -1
		for i, err := range errs {
			if err == nil {
				require.Equal(t, -1, winner, "callers %d and %d both saved revision %d", winner, i, revision)
				winner = i
				continue
			}
			require.ErrorIs(t, err, domain.ErrStateConflict)
		}
		require.NotEqual(t, -1, winner, "nobody saved")
		require.Greater(t, revisions[winner], revision)
		revision = revisions[winner]
		requireState(t, h.Repository, "key", revision, fmt.Sprintf("caller %d of round %d", winner, round))
	}
}

// addsUpStates has callers add to a number, each until it has won some times.
func addsUpStates(t *testing.T, h LogHarness) {
	const callers, wins = 6, 15
	add := func(ctx context.Context) error {
		for {
			got, err := h.Repository.LoadStates(ctx, "sum")
			if err != nil {
				return err
			}
			n, _ := strconv.Atoi(string(got[0].Data))
			next := domain.State{Key: "sum", Revision: got[0].Revision, Data: strconv.AppendInt(nil, int64(n+1), 10)}
			if _, err = h.Repository.SaveState(ctx, next, time.Hour); !errors.Is(err, domain.ErrStateConflict) {
				return err
			}
		}
	}
	var adding sync.WaitGroup
	errs := make([]error, callers)
	for i := range callers {
		adding.Go(func() {
			for range wins {
				errs[i] = errors.Join(errs[i], add(t.Context()))
			}
		})
	}
	adding.Wait()
	require.NoError(t, errors.Join(errs...))
	got := mustLoadStates(t, h.Repository, "sum")[0]
	require.True(t, bytes.Equal(strconv.AppendInt(nil, callers*wins, 10), got.Data), "the sum is %s", got.Data)
}
