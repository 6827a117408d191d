package server

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore/internal/layout"
)

// roundTrips answers calls of scripts with their first argument, a millisecond later, and
// notes what came together.
type roundTrips struct {
	mu        sync.Mutex // guards the fields below
	came      []string
	forgotten bool
	takes     time.Duration // a millisecond if 0
}

func (r *roundTrips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r *roundTrips) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return r.answer(ctx, cmd) }
}

func (r *roundTrips) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { return r.answer(ctx, cmds...) }
}

type unknownScriptError struct{ error }

func (unknownScriptError) RedisError() {}

func (r *roundTrips) answer(ctx context.Context, cmds ...redis.Cmder) error {
	var names []string
	for _, cmd := range cmds {
		names = append(names, cmd.Args()[3].(string))
	}
	r.mu.Lock()
	r.came = append(r.came, strings.Join(names, "+"))
	r.mu.Unlock()
	select {
	case <-time.After(max(r.takes, time.Millisecond)):
	case <-ctx.Done():
		for _, cmd := range cmds {
			cmd.SetErr(ctx.Err())
		}
		return ctx.Err()
	}
	for i, cmd := range cmds {
		if r.forgotten && cmd.Name() == "evalsha" {
			cmd.SetErr(unknownScriptError{errors.New("NOSCRIPT")})
			continue
		}
		cmd.(*redis.Cmd).SetVal("answer to " + names[i])
	}
	return cmds[0].Err()
}

func TestPipeline(t *testing.T) {
	t.Parallel()
	type world struct {
		*Pipeline

		trips *roundTrips
		all   sync.WaitGroup
		began time.Time
	}
	script := layout.LoadScript("queue/ready")
	call := func(name string) *Call {
		c := &Call{Script: script, Args: []any{name}, Limit: time.Second, Claims: strings.HasPrefix(name, "claim")}
		if strings.HasPrefix(name, "large") {
			c.Bytes = maxTogether + 1
		}
		return c
	}
	answered := func(t *testing.T, name string, reply any, err error) {
		t.Helper()
		if err != nil || reply != "answer to "+name {
			t.Errorf("%s: %v, %v", name, reply, err)
		}
	}
	// after has f called after so many milliseconds.
	after := func(w *world, ms int, f func()) {
		w.all.Go(func() {
			<-time.After(time.Duration(ms) * time.Millisecond)
			f()
		})
	}
	join := func(t *testing.T, w *world, ms, at int, name string) {
		t.Helper()
		after(w, ms, func() {
			reply, err := w.Join(t.Context(), call(name), w.began.Add(time.Duration(at)*time.Millisecond))
			answered(t, name, reply, err)
		})
	}
	run := func(t *testing.T, w *world, ms int, name string) {
		t.Helper()
		after(w, ms, func() {
			reply, err := w.Run(t.Context(), call(name))
			answered(t, name, reply, err)
		})
	}
	follow := func(t *testing.T, w *world, ms int, name string) {
		t.Helper()
		after(w, ms, func() {
			reply, err := w.Follow(t.Context(), call(name), 50*time.Millisecond)
			answered(t, name, reply, err)
		})
	}
	for _, c := range []struct {
		promise string
		do      func(*testing.T, *world)
		came    []string
		took    int // milliseconds
	}{
		{"a claim that waits is sent behind the next call, and so is a report", func(t *testing.T, w *world) {
			t.Helper()
			join(t, w, 0, 100, "claim")
			follow(t, w, 1, "report")
			run(t, w, 5, "enqueue")
		}, []string{"report+enqueue+claim"}, 6},
		{"a claim that nobody takes along is sent at its time", func(t *testing.T, w *world) {
			t.Helper()
			join(t, w, 0, 10, "claim")
			follow(t, w, 1, "report")
		}, []string{"report+claim"}, 11},
		{"a claim whose time has come is sent at once", func(t *testing.T, w *world) {
			t.Helper()
			join(t, w, 1, 0, "claim")
		}, []string{"claim"}, 2},
		{"a claim does not wait for what was sent before it came", func(t *testing.T, w *world) {
			t.Helper()
			run(t, w, 0, "enqueue")
			join(t, w, 3, 100, "claim")
			join(t, w, 6, 10, "claim 2")
		}, []string{"enqueue", "claim", "claim 2"}, 11},
		{"a report is sent at once if no claim waits", func(t *testing.T, w *world) {
			t.Helper()
			follow(t, w, 1, "report")
		}, []string{"report"}, 2},
		{"a claim that is given up is not sent, and holds no report up for long", func(t *testing.T, w *world) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
			t.Cleanup(cancel)
			after(w, 0, func() {
				if _, err := w.Join(ctx, call("claim"), w.began.Add(time.Hour)); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
			follow(t, w, 1, "report")
		}, []string{"report"}, 52},
		{"a call that is given up on its way takes nothing else with it", func(t *testing.T, w *world) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 5500*time.Microsecond)
			t.Cleanup(cancel)
			join(t, w, 0, 100, "claim")
			after(w, 5, func() {
				if _, err := w.Run(ctx, call("enqueue")); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		}, []string{"enqueue+claim", "claim"}, 6},
		{"a claim on its way is waited for", func(t *testing.T, w *world) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 5500*time.Microsecond)
			t.Cleanup(cancel)
			after(w, 0, func() {
				reply, err := w.Join(ctx, call("claim"), w.began.Add(5*time.Millisecond))
				answered(t, "claim", reply, err)
			})
		}, []string{"claim"}, 6},
		{"a large call is sent alone", func(t *testing.T, w *world) {
			t.Helper()
			join(t, w, 0, 10, "claim")
			follow(t, w, 1, "large report")
			run(t, w, 3, "large enqueue")
		}, []string{"large report", "large enqueue", "claim"}, 11},
		{"calls that are sent together have the time of all of them", func(t *testing.T, w *world) {
			t.Helper()
			w.trips.takes = 1500 * time.Millisecond
			join(t, w, 0, 100, "claim")
			run(t, w, 1, "enqueue")
		}, []string{"enqueue+claim"}, 1501},
		{"a script that the server does not know is sent as text", func(t *testing.T, w *world) {
			t.Helper()
			w.trips.forgotten = true
			join(t, w, 0, 100, "claim")
			run(t, w, 1, "enqueue")
		}, []string{"enqueue+claim", "enqueue", "enqueue", "claim", "claim"}, 6},
	} {
		t.Run(c.promise, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &world{trips: &roundTrips{}, began: time.Now()}
				rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
				rdb.AddHook(w.trips)
				w.Pipeline = NewPipeline(&Client{Redis: rdb})
				c.do(t, w)
				w.all.Wait()
				require.Equal(t, c.came, w.trips.came)
				require.Equal(t, time.Duration(c.took)*time.Millisecond, time.Since(w.began).Truncate(time.Millisecond))
				require.NoError(t, rdb.Close())
			})
		})
	}
}
