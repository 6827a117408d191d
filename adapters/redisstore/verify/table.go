package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/adapters/redisstore/internal/server"
	"logsift/domain"
)

var repairTableScript = layout.LoadScript("verify/repair_table")

// storedTable is the table of ready lists as it is stored.
type storedTable struct {
	// epoch and layout are those of meta.
	epoch, layout string
	// fields are those of the table: numbers by names of ready lists, since when queues are
	// paused, and what is there for earlier versions of the program.
	fields map[string]string
}

func (s storedTable) empty() bool { return s.epoch == "" && s.layout == "" && len(s.fields) == 0 }

// loadTable reads the table of ready lists as far as it can be read.
func (c *queueCheck) loadTable() error {
	_, err := c.readTable()
	return err
}

// readTable reads the table of ready lists, and returns it as it is stored.
func (c *queueCheck) readTable() (storedTable, error) {
	stored, err := c.storedTable()
	if err != nil {
		return stored, fmt.Errorf("read the lanes: %w", err)
	}
	c.epoch = stored.epoch
	c.names, c.number = nil, map[string]int{}
	for name, text := range stored.fields {
		n, _, ok := layout.ListNumber(text)
		if !ok || !isList(name) {
			continue
		}
		for len(c.names) <= n {
			c.names = append(c.names, "")
		}
		c.names[n], c.number[name] = name, n
	}
	c.readyKeys = max(c.readyKeys, len(c.names))
	return stored, nil
}

// isList reports whether a field of the table has the form of a ready list's name.
func isList(field string) bool { return strings.Count(field, "|") == 1 }

// foreignTable reports whether a key that the table of ready lists is in holds something
// else.
func (c *queueCheck) foreignTable() bool { return c.foreign[c.keys.Lanes] || c.foreign[c.keys.Meta] }

// storedTable reads both keys of the table in one step, but not one that holds
// something else.
func (c *queueCheck) storedTable() (storedTable, error) {
	ctx, cancel := c.client.Bound(c.ctx)
	defer cancel()
	known, fields := &redis.SliceCmd{}, &redis.MapStringStringCmd{}
	_, err := c.client.Redis.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		if !c.foreign[c.keys.Meta] {
			known = pipe.HMGet(ctx, c.keys.Meta, server.FieldEpoch, server.FieldLayout)
		}
		if !c.foreign[c.keys.Lanes] {
			fields = pipe.HGetAll(ctx, c.keys.Lanes)
		}
		return nil
	})
	if err != nil {
		return storedTable{}, c.client.Translate(ctx, err)
	}
	return storedTable{epoch: layout.TextAt(known.Val(), 0), layout: layout.TextAt(known.Val(), 1), fields: fields.Val()}, nil
}

// tableProblem says what is wrong with the table of ready lists of a queue of so many
// partitions, "" for nothing. A table of an earlier layout is not wrong: whoever uses
// the queue brings it to the present one.
func tableProblem(stored storedTable, partitions int) string {
	if stored.empty() {
		return ""
	}
	byNumber := map[int]string{}
	for name, text := range stored.fields {
		if queue := layout.PausedQueue(name); queue != "" {
			if domain.ValidateName("queue", queue) != nil || !isPauseTime(text) {
				return fmt.Sprintf("queue %.80q is paused since %.20q", queue, text)
			}
			continue
		}
		if name == layout.FirstEpoch || name == layout.FirstCount {
			continue
		}
		n, _, ok := layout.ListNumber(text)
		if !ok || !isList(name) {
			return fmt.Sprintf("lane %.80q has number %.20q", name, text)
		}
		if other, ok := byNumber[n]; ok {
			return fmt.Sprintf("lanes %.80q and %.80q both have number %d", min(name, other), max(name, other), n)
		}
		byNumber[n] = name
	}
	_, lists, ok := layout.SplitLayout(cmp.Or(stored.layout, stored.fields[layout.FirstCount]))
	if !ok || lists != len(byNumber) {
		return fmt.Sprintf("it says that there are %.20q lanes, and there are %d", stored.layout, len(byNumber))
	}
	epoch := cmp.Or(stored.epoch, stored.fields[layout.FirstEpoch])
	if epoch == "" {
		return "it has no generation"
	}
	if partitions > 1 && layout.EpochPartitions(epoch) != partitions {
		return fmt.Sprintf("its generation, %.80q, is not for %d partitions", epoch, partitions)
	}
	return ""
}

// ready lists checks the table of ready lists. Nobody can enqueue or claim while it is
// damaged. A table that is lost or damaged is made anew from the records.
func (c *queueCheck) lists() error {
	populated := false // there were tasks before the newest look
	for range 5 {
		stored, err := c.readTable()
		if err != nil {
			return err
		}
		if c.lost = c.foreignTable(); c.lost {
			return nil
		}
		if version, _, ok := layout.SplitLayout(stored.layout); ok && version > layout.Version {
			return c.client.LaterLayout(version)
		}
		problem := tableProblem(stored, c.client.Config.Partitions)
		if problem == "" && !stored.empty() {
			return c.pauses()
		}
		if problem == "" {
			// No ready lists and no tasks is a new queue.
			ctx, cancel := c.client.Bound(c.ctx)
			n, err := c.client.Redis.HLen(ctx, c.keys.Tasks).Result()
			cancel()
			if err != nil {
				return fmt.Errorf("count the tasks: %w", c.client.Translate(ctx, err))
			}
			if n == 0 {
				return nil
			}
			if !populated {
				// Lanes are stored before tasks, and so may have come meanwhile.
				populated = true
				continue
			}
			problem = "it is gone, and there are tasks"
		}
		f := domain.Finding{Kind: KindLanesDamaged, Place: c.keys.Lanes, Detail: problem}
		if !c.req.Repair {
			c.lost = true
			c.report(f)
			return nil
		}
		recorded, err := c.recordedLists()
		if err != nil {
			return err
		}
		done, err := c.replaceTable(stored, mendedTable(stored.fields, recorded))
		if err != nil {
			return err
		}
		if done {
			f.Action = "made anew from itself and the records"
			c.report(f)
			return c.loadTable()
		}
	}
	return server.ErrTableChanges
}

// isPauseTime reports whether a text can be when a pause began.
func isPauseTime(text string) bool {
	at, err := strconv.ParseInt(text, 10, 64)
	return err == nil && !layout.MicroTime(at).IsZero()
}

// pauses compares which queues are paused here with the first partition, which
// counts. They differ after a pause or its end that reached a part of the partitions
// only, and then a person must say what is right.
func (c *queueCheck) pauses() error {
	first := layout.NewQueueKeys(c.client.Config.Namespace, 0).Lanes
	if c.keys.Lanes == first || c.foreign[first] {
		return nil
	}
	var differing []string
	// A change that is under way is soon over.
	for range 3 {
		here, err := c.pausedIn(c.keys.Lanes)
		if err != nil {
			return err
		}
		there, err := c.pausedIn(first)
		if err != nil {
			return err
		}
		differing = slices.DeleteFunc(slices.Concat(here, there), func(queue string) bool {
			return slices.Contains(here, queue) && slices.Contains(there, queue)
		})
		if len(differing) == 0 {
			return nil
		}
	}
	for _, queue := range differing {
		c.report(domain.Finding{
			Kind: KindLanesDamaged, Place: c.keys.Lanes,
			Detail: fmt.Sprintf("queue %.80q is paused in a part of the partitions only: pause it, or resume it, once more", queue),
		})
	}
	return nil
}

// pausedIn returns the queues that a table of ready lists says to be paused, by name.
func (c *queueCheck) pausedIn(key string) ([]string, error) {
	ctx, cancel := c.client.Bound(c.ctx)
	defer cancel()
	fields, err := c.client.Redis.HGetAll(ctx, key).Result()
	if err != nil {
		return nil, fmt.Errorf("read the paused queues: %w", c.client.Translate(ctx, err))
	}
	var out []string
	for name := range fields {
		if queue := layout.PausedQueue(name); queue != "" {
			out = append(out, queue)
		}
	}
	slices.Sort(out)
	return out, nil
}

// recordedLists asks the records for the names of ready lists.
func (c *queueCheck) recordedLists() (map[int]string, error) {
	out := map[int]string{}
	err := c.records(c.keys.Tasks, func(page []rawRecord) error {
		for _, r := range page {
			f := c.facts(r)
			if _, known := out[f.ownList]; f.problem == "" && f.ownList <= layout.MaxReadyLists && !known {
				out[f.ownList] = f.queue
			}
		}
		return nil
	})
	return out, err
}

// mendedTable makes a table that holds all ready lists of a damaged one, each with its
// number where that can be, and those that the records tell of. It returns their
// numbers by name.
func mendedTable(fields map[string]string, recorded map[int]string) map[string]int {
	taken, out := map[int]bool{}, map[string]int{}
	place := func(n int, name string) {
		if _, placed := out[name]; !placed && !taken[n] && n >= 0 && n <= layout.MaxReadyLists {
			taken[n], out[name] = true, n
		}
	}
	var names []string
	for name := range fields {
		if isList(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	// Where two ready lists have one number, the records know whose it is.
	for _, agreed := range []bool{true, false} {
		for _, name := range names {
			if n, _, ok := layout.ListNumber(fields[name]); ok && (!agreed || recorded[n] == name) {
				place(n, name)
			}
		}
	}
	for n, name := range recorded {
		place(n, name)
	}
	for _, name := range names {
		for n := range layout.MaxReadyLists {
			place(n, name)
		}
	}
	return out
}

// replaceTable stores a new table in the place of the old one, with an epoch
// that tells the clients. It reports false if the old one has changed.
func (c *queueCheck) replaceTable(old storedTable, lists map[string]int) (bool, error) {
	args := []any{old.epoch, old.layout, len(old.fields)}
	for name, value := range old.fields {
		args = append(args, name, value)
	}
	args = append(args, layout.NewEpoch(c.client.Config.Partitions), layout.JoinLayout(len(lists)), layout.FirstCount, layout.NoCount)
	for name, n := range lists {
		args = append(args, name, n)
	}
	now, err := c.now(c.keys.Lanes)
	if err != nil {
		return false, err
	}
	for name, value := range old.fields {
		// A pause whose time is damaged goes on.
		if queue := layout.PausedQueue(name); queue != "" && domain.ValidateName("queue", queue) == nil {
			if !isPauseTime(value) {
				value = strconv.FormatInt(now, 10)
			}
			args = append(args, name, value)
		}
	}
	done, err := c.client.Run(c.ctx, repairTableScript, c.keys.ForTable(), args...)
	return done == int64(1), err
}

// addList gives a queue and type a ready list, as an enqueue would.
func (c *queueCheck) addList(name string) error {
	if c.foreignTable() {
		return nil
	}
	// If there is no room for it, the finding is not mended.
	if _, _, err := c.client.CallTable(c.ctx, &c.keys, "", name); err != nil {
		return err
	}
	return c.loadTable()
}
