// Package verify looks for broken invariants of the tasks and logs in Redis, and mends them.
package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/adapters/redisstore/internal/server"
	"logsift/domain"
	"logsift/ports"
)

// Verifier is a ports.StoreVerifier on Redis, for the queue and the logs of the
// client's namespace.
//
// It pages through every key. What a page holds is compared with all other places
// by one script, so that a step of the queue is seen before it or after it, never
// in its midst; what looks wrong is looked at again, wherever it may be, by the
// script that also mends it. The places of a task are mended as its state says,
// where there is no state as its index says, and without either it is PENDING. A
// table of ready lists that is lost took with it which queues were paused.
//
// A record that cannot be read is copied to the hash "quarantine" of the queue or
// the logs, which nothing empties: version (1 byte), time of the copy (8, a
// double), size of the record (4) and of the reason (2), the reason, and at most
// 64 KiB of the record; at most 1000 records are kept, that of a state of an
// analyser as "state:KEY". The task itself becomes FAILED and goes with the
// retention. A key of a wrong type is renamed to
// "aside:NAME", and what should be in it is made anew from the rest; where that
// cannot be, since it held the records or the states, it is left for a person.
type Verifier struct{ client *server.Client }

var _ ports.StoreVerifier = (*Verifier)(nil)

// New returns the verifier of the client's namespace.
func New(client *server.Client) *Verifier { return &Verifier{client: client} }

var (
	verifyPageScript = layout.LoadScript("verify/page")
	repairKeyScript  = layout.LoadScript("verify/repair_key")
)

const (
	// largestRecord is more than any record can have.
	largestRecord = 3 * domain.MaxPayload
	// reportedLimit is how many findings are remembered, not to be told twice.
	reportedLimit = 100_000
	// Bounds of the quarantine.
	quarantineBytes   = 64 << 10
	quarantineRecords = 1000
)

// Verify does not report what a repair did if Redis lost the reply to it: the call is
// repeated then, and finds nothing any more.
func (v *Verifier) Verify(ctx context.Context, req ports.VerifyRequest) (domain.VerifySummary, error) {
	c := &check{client: v.client, ctx: ctx, req: req, foreign: map[string]bool{}, reported: map[string]bool{}}
	var steps []func() error
	for i := range v.client.Config.Partitions {
		queue := &queueCheck{check: c, keys: layout.NewQueueKeys(v.client.Config.Namespace, i)}
		steps = append(steps, queue.run)
	}
	logs := &logsCheck{check: c, keys: layout.NewLogKeys(v.client.Config.Namespace)}
	for _, step := range append(steps, logs.run, c.schedulers, c.schedules) {
		if err := step(); err != nil {
			return c.summary, fmt.Errorf("verify: %w", err)
		}
	}
	return c.summary, nil
}

// schedulers checks that schedulers can tell of themselves; what they told is soon made
// anew.
func (c *check) schedulers() error {
	keys := layout.NewSchedulerKeys(c.client.Config.Namespace)
	return c.keyTypes(keys.Types())
}

// check is one run of Verify. It is used by one goroutine.
type check struct {
	client *server.Client
	// ctx is that of Verify, for as long as that runs.
	ctx     context.Context //nolint:containedctx // A check is one call, spread over many methods.
	req     ports.VerifyRequest
	summary domain.VerifySummary
	// foreign are the keys that hold another type than they should.
	foreign map[string]bool
	// reported are the findings about one thing that were reported, by kind and id.
	reported map[string]bool
}

// report reports a finding.
func (c *check) report(f domain.Finding) {
	c.summary.Findings++
	if f.Repaired() {
		c.summary.Repaired++
	}
	if c.req.Report != nil {
		c.req.Report(f)
	}
}

// progress tells how far the check is.
func (c *check) progress() {
	if c.req.Progress != nil {
		c.req.Progress(c.summary)
	}
}

// mode is the argument of scripts that mend what they find, or only look.
func (c *check) mode() string {
	if c.req.Repair {
		return "repair"
	}
	return ""
}

// done is the action of a finding, if repairs are asked for.
func (c *check) done(action string) string {
	if c.req.Repair {
		return action
	}
	return ""
}

// idOf is a member as an id, uuid.Nil if it is none.
func idOf(member string) uuid.UUID {
	id, err := uuid.FromBytes([]byte(member))
	if err != nil {
		return uuid.Nil
	}
	return id
}

// call runs a script that replies with an array.
func (c *check) call(s *layout.Script, keys []string, args ...any) ([]any, error) {
	return c.client.RunSlice(c.ctx, s, keys, args...)
}

// pages calls a script for page after page of a key: its reply begins with the
// next cursor and the bytes that it has read, by which the next page is sized.
func (c *check) pages(s *layout.Script, keys []string, args []any, each func(reply []any) error) error {
	cursor, size := "0", layout.MinPage
	for {
		reply, err := c.call(s, keys, append([]any{cursor, size}, args...)...)
		if err != nil {
			return err
		}
		bytes, ok := layout.IntAt(reply, 1)
		if cursor = layout.TextAt(reply, 0); cursor == "" || !ok {
			return fmt.Errorf("redis script %s: reply without a cursor", s.Name)
		}
		if err := each(reply[2:]); err != nil {
			return err
		}
		c.progress()
		if cursor == "0" {
			return nil
		}
		size = layout.NextPage(size, bytes)
	}
}

// rawRecord is a field of a hash of records.
type rawRecord struct {
	name string
	size int
	// record is "" where it is larger than any record.
	record string
}

// records pages through a hash of records.
func (c *check) records(key string, each func(page []rawRecord) error) error {
	return c.pages(verifyPageScript, []string{key}, []any{largestRecord}, func(reply []any) error {
		page := make([]rawRecord, 0, len(reply)/3)
		for i := 0; i+2 < len(reply); i += 3 {
			size, _ := layout.IntAt(reply, i+1)
			page = append(page, rawRecord{layout.TextAt(reply, i), int(size), layout.TextAt(reply, i+2)})
		}
		if len(page) == 0 {
			return nil
		}
		return each(page)
	})
}

// record reads one record; its size is -1 if there is none.
func (c *check) record(key, name string) (rawRecord, error) {
	out := rawRecord{name: name, size: -1}
	ctx, cancel := c.client.Bound(c.ctx)
	defer cancel()
	size, err := c.client.Redis.HStrLen(ctx, key, name).Result()
	if err != nil {
		return out, fmt.Errorf("read a record: %w", c.client.Translate(ctx, err))
	}
	if size > largestRecord {
		out.size = int(size)
		return out, nil
	}
	values, err := c.client.Redis.HMGet(ctx, key, name).Result()
	if err != nil {
		return out, fmt.Errorf("read a record: %w", c.client.Translate(ctx, err))
	}
	if text, ok := values[0].(string); ok {
		out.size, out.record = len(text), text
	}
	return out, nil
}

// findings tells those of a script's reply: id, kind, place, detail and action of
// each. place makes the place of a script a key.
func (c *check) findings(reply []any, place func(string) string) {
	for i := 0; i+4 < len(reply); i += 5 {
		// What is not mended is met again wherever else it shows.
		key := layout.TextAt(reply, i+1) + layout.TextAt(reply, i)
		if c.reported[key] {
			continue
		}
		if len(c.reported) < reportedLimit {
			c.reported[key] = true
		}
		c.report(domain.Finding{
			ID: idOf(layout.TextAt(reply, i)), Kind: layout.TextAt(reply, i+1),
			Place: place(layout.TextAt(reply, i+2)), Detail: printableID(layout.TextAt(reply, i)) + layout.TextAt(reply, i+3), Action: layout.TextAt(reply, i+4),
		})
	}
}

// printableID is what a finding must say of a member that is no id.
func printableID(member string) string {
	if len(member) == 16 {
		return ""
	}
	return fmt.Sprintf("member %.80q: ", member)
}

// keyTypes checks the types of keys, and moves foreign ones aside if it may. What
// is foreign still is in c.foreign then. Those that cannot be made anew are kept.
func (c *check) keyTypes(want map[string]string, kept ...string) error {
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if err := c.keyType(key, want[key], kept); err != nil {
			return err
		}
	}
	return nil
}

func (c *check) keyType(key, want string, kept []string) error {
	ctx, cancel := c.client.Bound(c.ctx)
	defer cancel()
	found, err := c.client.Redis.Type(ctx, key).Result()
	if err != nil {
		return fmt.Errorf("type of %s: %w", key, c.client.Translate(ctx, err))
	}
	if found == want || found == "none" {
		return nil
	}
	f := domain.Finding{Kind: KindKeyType, Place: key, Detail: "it is a " + found + " and should be a " + want}
	if slices.Contains(kept, key) {
		f.Detail += "; restore it, for nothing can be checked without it"
		c.foreign[key] = true
		c.report(f)
		return nil
	}
	if f.Action, err = c.moveAside(key, want); err != nil {
		return err
	}
	c.foreign[key] = !f.Repaired()
	c.report(f)
	return nil
}

// moveAside renames a key, unless it has this type, and returns what it did.
func (c *check) moveAside(key, unless string) (string, error) {
	if !c.req.Repair {
		return "", nil
	}
	tag, name, _ := strings.Cut(key, "}:")
	for n := 1; n < 100; n++ {
		to := tag + "}:aside:" + name
		if n > 1 {
			to += ":" + strconv.Itoa(n)
		}
		moved, err := c.client.Run(c.ctx, repairKeyScript, []string{key, to}, unless)
		if err != nil {
			return "", err
		}
		switch moved {
		case int64(1):
			return "renamed to " + to, nil
		case int64(-1):
			return "gone by itself", nil
		}
	}
	return "", fmt.Errorf("%w: key %s cannot be moved aside: remove what was moved aside before", domain.ErrStoreUnavailable, key)
}

// scanKeys calls each with every key that begins with the prefix.
func (c *check) scanKeys(prefix string, each func(key string) error) error {
	scan := func(ctx context.Context, rdb redis.Cmdable) error {
		pattern := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(prefix) + "*"
		var cursor uint64
		for {
			ctx, cancel := c.client.Bound(ctx)
			keys, next, err := rdb.Scan(ctx, cursor, pattern, 1000).Result()
			cancel()
			if err != nil {
				return fmt.Errorf("list the keys: %w", c.client.Translate(ctx, err))
			}
			for _, key := range keys {
				if err := each(key); err != nil {
					return err
				}
			}
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	}
	// All keys share a slot, but only its node knows them.
	node, err := c.nodeOf(prefix)
	if err != nil {
		return err
	}
	return scan(c.ctx, node)
}

// nodeOf is the server that holds a key.
func (c *check) nodeOf(key string) (redis.Cmdable, error) {
	cluster, ok := c.client.Redis.(*redis.ClusterClient)
	if !ok {
		return c.client.Redis, nil
	}
	node, err := cluster.MasterForKey(c.ctx, key)
	if err != nil {
		return nil, fmt.Errorf("find the node of %s: %w", key, c.client.Translate(c.ctx, err))
	}
	return node, nil
}

// now is the time of the server that holds a key, in microseconds.
func (c *check) now(key string) (int64, error) {
	ctx, cancel := c.client.Bound(c.ctx)
	defer cancel()
	node, err := c.nodeOf(key)
	if err != nil {
		return 0, err
	}
	now, err := node.Time(ctx).Result()
	if err != nil {
		return 0, fmt.Errorf("time of redis: %w", c.client.Translate(ctx, err))
	}
	offset, err := strconv.ParseInt(c.client.Offset(), 10, 64)
	return now.UnixMicro() + offset, err
}
