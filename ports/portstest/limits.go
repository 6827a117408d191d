package portstest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/ports"
)

func ofKey(key string) func(*domain.Task) { return func(t *domain.Task) { t.Key = key } }

// ofKeys is a rule for each key of the default queue, of typeLimit one for the type of
// new tasks, and of queueLimit one for their queue.
func ofKeys(concurrency int) domain.Limit {
	return domain.Limit{Name: "keys", Scope: domain.LimitKey, Queue: domain.DefaultQueue, Concurrency: concurrency}
}

func typeLimit(concurrency int) domain.Limit {
	return domain.Limit{Name: "type", Scope: domain.LimitType, Type: "work", Concurrency: concurrency}
}

func queueLimit(concurrency int) domain.Limit {
	return domain.Limit{Name: "queue", Scope: domain.LimitQueue, Queue: domain.DefaultQueue, Concurrency: concurrency}
}

// keyLimit is the limit of one key.
func keyLimit(key string, concurrency int) domain.Limit {
	return domain.Limit{Name: "key-" + key, Scope: domain.LimitKey, Queue: domain.DefaultQueue, Key: key, Concurrency: concurrency}
}

// withRate gives a limit a rate in the place of its concurrency.
func withRate(l domain.Limit, count, burst int, per time.Duration) domain.Limit {
	l.Concurrency, l.Rate = 0, domain.Rate{Count: count, Burst: burst, Per: per}
	return l
}

func overtake(l domain.Limit) domain.Limit {
	l.Retries = domain.RetriesOvertake
	return l
}

// limit sets limits. A store of several parts keeps those of keys alone: it skips the case
// for others.
func (q *storeTest) limit(t *testing.T, limits ...domain.Limit) {
	t.Helper()
	for _, l := range limits {
		if l.Scope != domain.LimitKey && q.Partition != nil {
			t.Skip("a store of several parts keeps no such limit")
		}
		require.NoError(t, q.Limits.SetLimit(t.Context(), l))
	}
}

// scopes are limits of each scope. All are of tasks with the key "a".
func (q *storeTest) scopes(n int) []domain.Limit {
	out := []domain.Limit{overtakes(ofKeys(n)), overtakes(keyLimit("a", n))}
	if q.Partition == nil {
		out = append(out, typeLimit(n), queueLimit(n))
	}
	return out
}

// overtakes is overtake for a limit that runs one at a time.
func overtakes(l domain.Limit) domain.Limit {
	if l.Ordered() {
		l = overtake(l)
	}
	return l
}

func (q *storeTest) unlimit(t *testing.T, name string) {
	t.Helper()
	require.NoError(t, q.Limits.DeleteLimit(t.Context(), name))
}

func (q *storeTest) listLimits(t *testing.T) []domain.LimitUse {
	t.Helper()
	got, err := q.Limits.ListLimits(t.Context())
	require.NoError(t, err)
	return got
}

// addOf enqueues n tasks of a key in one call.
func (q *storeTest) addOf(t *testing.T, n int, key string, change ...func(*domain.Task)) []*domain.Task {
	t.Helper()
	return q.addMany(t, n, append(slices.Clone(change), ofKey(key))...)
}

func (q *storeTest) complete(t *testing.T, tasks ...*domain.Task) {
	t.Helper()
	for _, task := range tasks {
		q.update(t, complete(task, ""))
	}
}

// requireClaims requires that a claim for many gives these tasks, in whatever order.
func (q *storeTest) requireClaims(t *testing.T, want ...*domain.Task) []*domain.Task {
	t.Helper()
	got := q.claim(t, 100)
	require.ElementsMatch(t, idsOf(want), idsOf(got))
	return got
}

func limitNames(list []domain.LimitUse) []string {
	return each(list, func(l *domain.LimitUse) string { return l.Name })
}

var limitCases = []storeCase{
	{
		name:    "gives back every field of a limit",
		promise: "SetLimit stores the limit, in place of that of the same name; ListLimits returns the limits by name.",
		run: func(t *testing.T, q *storeTest) {
			require.Empty(t, q.listLimits(t))
			odd := keyLimit("ä b", 3)
			odd.Name = "odd"
			all := []domain.Limit{
				overtake(ofKeys(1)), odd,
				{Name: "both", Scope: domain.LimitKey, Queue: otherQueue, Concurrency: domain.MaxConcurrency, Rate: domain.Rate{Count: 7, Per: 1500 * time.Millisecond, Burst: 9}},
			}
			if q.Partition == nil {
				all = append(all, queueLimit(4), withRate(typeLimit(0), domain.MaxRateCount, 0, domain.MaxRatePer))
			}
			q.limit(t, all...)
			slices.SortFunc(all, func(a, b domain.Limit) int { return cmp.Compare(a.Name, b.Name) })
			for _, h := range q.handles(t, 1) {
				list := (&storeTest{Store: h}).listLimits(t)
				require.Equal(t, all, each(list, func(l *domain.LimitUse) domain.Limit { return l.Limit }))
			}
			moved := keyLimit("c", 2)
			moved.Name = "keys"
			q.limit(t, moved)
			list := q.listLimits(t)
			require.Len(t, list, len(all))
			require.Contains(t, list, domain.LimitUse{Limit: moved})
		},
	},
	{
		name:    "no two limits are of the same tasks",
		promise: "SetLimit: domain.ErrLimitExists, a limit of another name is of the same tasks.",
		run: func(t *testing.T, q *storeTest) {
			for _, l := range q.scopes(2) {
				q.limit(t, l)
				other := l
				other.Name, other.Concurrency = "other", 3
				require.ErrorIs(t, q.Limits.SetLimit(t.Context(), other), domain.ErrLimitExists)
			}
			require.Len(t, q.listLimits(t), len(q.scopes(2)))
		},
	},
	{
		name:    "a limit is deleted once",
		promise: "DeleteLimit removes the limit, or domain.ErrLimitNotFound.",
		run: func(t *testing.T, q *storeTest) {
			q.limit(t, ofKeys(1), keyLimit("a", 2))
			q.unlimit(t, "keys")
			require.Equal(t, []string{"key-a"}, limitNames(q.listLimits(t)))
			require.ErrorIs(t, q.Limits.DeleteLimit(t.Context(), "keys"), domain.ErrLimitNotFound)
			other := ofKeys(2)
			other.Name = "other"
			q.limit(t, other)
		},
	},
	{
		name:    "keeps so many limits and no more",
		promise: "SetLimit: a *domain.ValidationError for name if there are MaxLimits others.",
		run: func(t *testing.T, q *storeTest) {
			require.NoError(t, errors.Join(atOnce(4, func(i int) error {
				for n := i; n < ports.MaxLimits; n += 4 {
					if err := q.Limits.SetLimit(t.Context(), keyLimit(strconv.Itoa(n), 2)); err != nil {
						return err
					}
				}
				return nil
			})...))
			requireField(t, q.Limits.SetLimit(t.Context(), ofKeys(1)), "name")
			q.limit(t, keyLimit("7", 5))
			require.Len(t, q.listLimits(t), ports.MaxLimits)
			q.unlimit(t, "key-7")
			q.limit(t, ofKeys(1))
		},
	},
	{
		name:    "tells how much of a limit is used",
		promise: "ListLimits returns the limits by name, with their use at one moment.",
		run: func(t *testing.T, q *storeTest) {
			use := func(name string, running, waiting int64) {
				t.Helper()
				for _, l := range q.listLimits(t) {
					if l.Name == name {
						require.Equal(t, [2]int64{running, waiting}, [2]int64{l.Running, l.Waiting}, name)
						return
					}
				}
				require.Fail(t, "there is no limit", name)
			}
			q.limit(t, ofKeys(1), keyLimit("c", 2))
			use("keys", 0, 0)
			q.addOf(t, 4, "a")
			q.addOf(t, 3, "b")
			q.addOf(t, 4, "c")
			q.add(t)
			q.add(t, ofKey("a"), withDelay(time.Hour))
			claimed := q.claim(t, 10)
			require.Len(t, claimed, 1+1+2+1)
			use("keys", 2, 3+2)
			use("key-c", 2, 2)
			for _, task := range claimed {
				if task.Key == "a" {
					q.update(t, retry(task, time.Minute))
				}
			}
			use("keys", 2, 3+2)
			q.Advance(2 * lease)
			require.Equal(t, 4, q.reap(t))
			q.promote(t)
			use("keys", 2, 3+2)
			use("key-c", 0, 2)
			if q.Partition == nil {
				q.limit(t, typeLimit(1), queueLimit(9))
				use("type", 0, 0)
				q.claimOne(t)
				use("type", 1, 0)
				use("queue", 1, 0)
			}
		},
	},
	{
		name:    "keeps limits and what is used of them over a restart",
		promise: "LimitKeeper keeps limits, to which every claim of every process keeps.",
		run: func(t *testing.T, q *storeTest) {
			q.limit(t, ofKeys(1), withRate(keyLimit("b", 0), 1, 0, 24*time.Hour))
			a, b := q.addOf(t, 2, "a"), q.addOf(t, 2, "b")
			first := q.requireClaims(t, a[0], b[0])
			for _, task := range first {
				if task.Key == "a" {
					q.update(t, retry(task, time.Hour))
				} else {
					q.complete(t, task)
				}
			}
			again := q.restarted(t)
			require.Empty(t, again.claim(t, 10))
			again.Advance(2 * time.Hour)
			again.requireClaims(t, a[0])
			again.unlimit(t, "key-b")
			again.requireClaims(t, b[1])
		},
	},
	{
		name:    "ends a call of limits whose context has ended",
		promise: "A call ends soon after its context, with the context's error wrapped.",
		run: func(t *testing.T, q *storeTest) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.ErrorIs(t, q.Limits.SetLimit(ctx, ofKeys(1)), context.Canceled)
			require.ErrorIs(t, q.Limits.DeleteLimit(ctx, "keys"), context.Canceled)
			require.ErrorIs(t, errOf(q.Limits.ListLimits(ctx)), context.Canceled)
			require.Empty(t, q.listLimits(t))
		},
	},
}

func badLimitRequests() []badRequest {
	set := func(field string, change func(l *domain.Limit)) badRequest {
		return badRequest{"SetLimit", field, func(ctx context.Context, s *Store) error {
			l := ofKeys(1)
			change(&l)
			return s.Limits.SetLimit(ctx, l)
		}}
	}
	out := []badRequest{
		set("name", func(l *domain.Limit) { l.Name = "" }),
		set("scope", func(l *domain.Limit) { l.Scope = "all" }),
		set("queue", func(l *domain.Limit) { l.Queue = "{}" }),
		set("type", func(l *domain.Limit) { l.Type = "work" }),
		set("key", func(l *domain.Limit) { l.Key = "\xff" }),
		set("concurrency", func(l *domain.Limit) { l.Concurrency = 0 }),
		set("concurrency", func(l *domain.Limit) { l.Concurrency = domain.MaxConcurrency + 1 }),
		set("retries", func(l *domain.Limit) { l.Retries = "often" }),
		set("rate.count", func(l *domain.Limit) { l.Rate = domain.Rate{Count: -1, Per: time.Minute} }),
		set("rate.per_seconds", func(l *domain.Limit) { l.Rate = domain.Rate{Count: 1} }),
		set("rate.burst", func(l *domain.Limit) { l.Rate = domain.Rate{Count: 1, Per: time.Minute, Burst: -1} }),
		{"DeleteLimit", "name", func(ctx context.Context, s *Store) error { return s.Limits.DeleteLimit(ctx, "{a}") }},
	}
	return out
}
