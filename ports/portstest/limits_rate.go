package portstest

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

// rateCases are the promises of how many tasks begin in a time.
var rateCases = []storeCase{
	{
		name:    "no more begin in a time than a limit says",
		promise: "Each claim that is granted takes a token. Time is the store's.",
		run: func(t *testing.T, q *storeTest) {
			for _, l := range q.scopes(0) {
				l = withRate(l, 6, 3, time.Hour)
				q.limit(t, l)
				q.addOf(t, 30, "a")
				took := func(after time.Duration) int {
					q.Advance(after)
					got := q.claim(t, 100)
					q.complete(t, got...)
					return len(got)
				}
				require.Equal(t, 3, took(0), l.Name)
				require.Zero(t, took(9*time.Minute), l.Name)
				require.Equal(t, 1, took(2*time.Minute), l.Name)
				require.Zero(t, took(0), l.Name)
				require.Equal(t, 2, took(20*time.Minute), l.Name)
				require.Equal(t, 3, took(10*time.Hour), "no more than the burst")
				l.Rate.Burst = 0
				q.limit(t, l)
				require.Equal(t, 6, took(0), "another rate begins with a full bucket of its count")
				l.Concurrency = 2
				q.limit(t, overtakes(l))
				require.Zero(t, took(0), "the same rate goes on")
				require.Equal(t, 2, took(50*time.Minute), "both kinds at once")
				require.Equal(t, 2, took(0), "both kinds at once")
				q.unlimit(t, l.Name)
				q.complete(t, q.claim(t, 100)...)
			}
		},
	},
	{
		name:    "a clock that is set back holds no rate up",
		promise: "Where the clock is set back by more than a minute, the bucket counts as full.",
		run: func(t *testing.T, q *storeTest) {
			for _, l := range q.scopes(0) {
				q.limit(t, withRate(l, 6, 3, time.Hour))
				q.addOf(t, 10, "a")
				q.complete(t, q.claim(t, 100)...)
				q.Advance(-5 * time.Hour)
				q.addOf(t, 1, "a")
				got := q.claim(t, 100)
				require.Len(t, got, 3, l.Name)
				q.complete(t, got...)
				q.Advance(11 * time.Minute)
				got = q.claim(t, 100)
				require.Len(t, got, 1, l.Name)
				q.complete(t, got...)
				q.unlimit(t, l.Name)
				q.complete(t, q.claim(t, 100)...)
			}
		},
	},
	{
		name:    "each key has tokens of its own",
		promise: "A limit of keys is a rule for each key that a task of the queue has.",
		run: func(t *testing.T, q *storeTest) {
			q.limit(t, withRate(ofKeys(0), 2, 0, time.Hour))
			a, b := q.addOf(t, 5, "a"), q.addOf(t, 5, "b")
			q.requireClaims(t, a[0], a[1], b[0], b[1])
			q.Advance(31 * time.Minute)
			q.requireClaims(t, a[2], b[2])
			q.unlimit(t, "keys")
			q.requireClaims(t, a[3], a[4], b[3], b[4])
		},
	},
	{
		name:    "a claim that waits is woken by the next token",
		promise: "A claim that waits is woken when the next token comes.",
		run: func(t *testing.T, q *storeTest) {
			handles := q.handles(t, 1)
			for i, l := range q.scopes(0) {
				q.limit(t, withRate(l, 3, 1, time.Second))
				q.addOf(t, 2, "a")
				first := q.claimOne(t)
				begin := time.Now()
				got, err := handles[i%len(handles)].Queue.Dequeue(soonContext(t), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease, Wait: time.Minute})
				require.NoError(t, err)
				require.Len(t, got, 1, l.Name)
				require.Less(t, time.Since(begin), soon)
				require.GreaterOrEqual(t, got[0].StartedAt.Sub(first.StartedAt), 333*time.Millisecond, "never early")
				q.unlimit(t, l.Name)
			}
			// When the claim began to wait, no token was to come.
			l := ofKeys(1)
			l.Rate = domain.Rate{Count: 3, Burst: 1, Per: time.Second}
			q.limit(t, l)
			before := q.add(t, ofKey("b"))
			behind := q.add(t, ofKey("b"), withType("other"))
			done := make(chan []*domain.Task, 1)
			ctx := soonContext(t)
			go func() {
				got, _ := q.Queue.Dequeue(ctx, ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: lease, Wait: time.Minute, Types: []domain.TaskType{"other"}})
				done <- got
			}()
			<-time.After(50 * time.Millisecond)
			q.complete(t, q.requireClaims(t, before)...)
			begin := time.Now()
			require.Equal(t, []domain.TaskID{behind.ID}, idsOf(<-done))
			require.Less(t, time.Since(begin), soon)
		},
	},
	{
		name:    "a repeat of a claim takes neither slots nor tokens, and no token comes back",
		promise: "A repeat of a claim takes no token. No token comes back, also not that of a task that was given back.",
		run: func(t *testing.T, q *storeTest) {
			for _, l := range q.scopes(3) {
				l.Rate = domain.Rate{Count: 4, Per: time.Hour}
				q.limit(t, l)
				q.addOf(t, 8, "a")
				id := uuid.New()
				first := q.claimAs(t, id, 2)
				require.Len(t, first, 2)
				for range 3 {
					require.ElementsMatch(t, idsOf(first), idsOf(q.claimAs(t, id, 2)))
				}
				third := q.claim(t, 10)
				require.Len(t, third, 1, "the third slot")
				require.NoError(t, q.Queue.ReleaseTask(t.Context(), *third[0].Lease))
				again := q.claim(t, 10)
				require.Len(t, again, 1, "the fourth token")
				q.complete(t, append(first, again...)...)
				require.Empty(t, q.claim(t, 10), "three slots, and no token")
				q.unlimit(t, l.Name)
				q.complete(t, q.claim(t, 10)...)
			}
		},
	},
}
