package verify

import (
	"crypto/sha1" //nolint:gosec // What Redis offers to compare records by; nobody is kept out by it.
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/adapters/redisstore/internal/server"
	"logsift/domain"
	"logsift/ports"
)

var (
	verifyTasksScript     = layout.LoadScript("verify/tasks")
	verifyMembersScript   = layout.LoadScript("verify/members")
	verifyLeftoversScript = layout.LoadScript("verify/leftovers")
	verifyUniqueScript    = layout.LoadScript("verify/unique")
	verifyUntilScript     = layout.LoadScript("verify/unique_until")
	verifyFinishedScript  = layout.LoadScript("verify/finished")
	verifyTerminalScript  = layout.LoadScript("verify/terminal")
	verifyMetaScript      = layout.LoadScript("verify/meta")
	verifyCountsScript    = layout.LoadScript("verify/counts")
	repairUniqueScript    = layout.LoadScript("verify/repair_unique")
	repairFinishedScript  = layout.LoadScript("verify/repair_finished")
)

// queueCheck checks the queue.
type queueCheck struct {
	*check
	keys layout.QueueKeys
	// epoch is that of the ready lists as it is stored; names are the ready lists by number (""
	// where none is known), number the reverse.
	epoch  string
	names  []string
	number map[string]int
	// lost is whether the ready lists cannot be known, so that records are believed.
	lost bool
	// readyKeys is how many ready keys there are to look at.
	readyKeys int
	// grouped is whether a task with a group was seen.
	grouped bool
	// highest is the highest sequence number that was seen.
	highest float64
}

func (c *queueCheck) run() error {
	k := &c.keys
	if err := c.keyTypes(k.Types(), k.Tasks, k.State); err != nil {
		return err
	}
	if c.foreign[k.Tasks] || c.foreign[k.State] {
		return nil
	}
	for _, step := range []func() error{
		c.lists, c.readyTypes, c.tasks, c.members, c.leftovers, c.uniqueKeys, c.workflows, c.finished, c.meta, c.counts, c.limits, c.groups,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// at returns the key, or that of nothing if it is foreign.
func (c *queueCheck) at(key string) string {
	if c.foreign[key] {
		return c.keys.Absent
	}
	return key
}

// all are the keys of queue/keys.lua.
func (c *queueCheck) all(more ...string) []string {
	ready := make([]string, c.readyKeys)
	for i := range ready {
		ready[i] = c.keys.Ready(i)
	}
	keys := c.keys.All(ready)
	for i := range keys {
		keys[i] = c.at(keys[i])
	}
	return append(keys, more...)
}

// place makes the place of a script's finding a key.
func (c *queueCheck) place(part string) string { return c.keys.Prefix + part }

// readyTypes finds the ready keys, those of no ready list too, and checks their types.
func (c *queueCheck) readyTypes() error {
	c.readyKeys = len(c.names)
	prefix := c.keys.Prefix + "ready:"
	return c.scanKeys(prefix, func(key string) error {
		n, err := strconv.Atoi(strings.TrimPrefix(key, prefix))
		if err != nil || n < 0 || n > layout.MaxReadyLists || key != c.keys.Ready(n) {
			action, err := c.moveAside(key, "")
			c.report(domain.Finding{Kind: KindKeyUnknown, Place: key, Detail: "it is the index of no lane", Action: action})
			return err
		}
		c.readyKeys = max(c.readyKeys, n+1)
		return c.keyType(key, "zset", nil)
	})
}

// taskFacts is what the client tells scripts/verify/tasks.lua of a task.
type taskFacts struct {
	name          string
	size          int
	sha, problem  string
	list, ownList int
	priority      int
	scheduled     float64
	expires       float64
	retention     float64
	// uniqueKey is the unique key that it holds in some states, and waiting whether only
	// until it is claimed.
	uniqueKey string
	waiting   bool
	queue     string
}

// facts reads a record as scripts/verify/tasks.lua wants it.
func (c *queueCheck) facts(r rawRecord) taskFacts {
	f := taskFacts{name: r.name, size: r.size, list: -1, ownList: -1}
	if r.size < 0 {
		return f
	}
	if len(r.record) == r.size {
		sum := sha1.Sum([]byte(r.record)) //nolint:gosec // See the import.
		f.sha = hex.EncodeToString(sum[:])
	}
	task, problem := readTask(r)
	if f.problem = problem; problem != "" {
		return f
	}
	c.grouped = c.grouped || task.Group != ""
	f.ownList = int(binary.BigEndian.Uint16([]byte(r.record[1:3])))
	f.priority, f.scheduled = int(task.Priority), headTime(r.record)
	f.uniqueKey, f.waiting = heldKey(task), task.UniqueWhile == domain.UniqueWhileWaiting
	f.expires, f.retention = layout.Times(r.record)
	f.queue = layout.ListName(task.Queue, task.Type)
	if n, ok := c.number[f.queue]; ok {
		f.list = n
	}
	if c.lost {
		f.list = f.ownList
	}
	return f
}

// heldKey is the unique key that a task holds in some states, "" for none. One that it
// holds for a time is not its own any more: the task may be gone before.
func heldKey(t *domain.Task) string {
	if t.UniqueFor > 0 {
		return ""
	}
	return t.UniqueKey
}

// headTime is the scheduled time of a record's head.
func headTime(record string) float64 {
	return math.Float64frombits(binary.BigEndian.Uint64([]byte(record[4:12])))
}

// readTask decodes a record and says why it cannot be one.
func readTask(r rawRecord) (*domain.Task, string) {
	id := idOf(r.name)
	switch {
	case id == uuid.Nil:
		return nil, fmt.Sprintf("its id, %.80q, is none", r.name)
	case len(r.record) != r.size:
		return nil, fmt.Sprintf("its record has %d bytes, more than any may", r.size)
	}
	t := &domain.Task{ID: id}
	if err := layout.DecodeRecord(t, r.record); err != nil {
		_, problem, _ := strings.Cut(err.Error(), domain.ErrCorruptRecord.Error()+": ")
		return nil, problem
	}
	if at := headTime(r.record); at != 0 {
		ahead := float64(domain.MaxScheduleAhead.Microseconds())
		if math.IsNaN(at) || at < -ahead || at > 0 && (layout.MicroTime(int64(at)).Year() < 2000 || layout.MicroTime(int64(at)).Year() > 2100) {
			return nil, "its record has a time that cannot be"
		}
	}
	var invalid *domain.ValidationError
	if err := t.ValidateStored(); errors.As(err, &invalid) {
		return nil, "its record is damaged: " + err.Error()
	}
	return t, ""
}

// tasks pages through the records.
func (c *queueCheck) tasks() error {
	return c.records(c.keys.Tasks, func(page []rawRecord) error {
		c.summary.Tasks += int64(len(page))
		facts := make([]taskFacts, len(page))
		for i, r := range page {
			facts[i] = c.facts(r)
			if facts[i].problem == "" && facts[i].list < 0 {
				// A ready list that is new since the check began.
				if err := c.loadTable(); err != nil {
					return err
				}
				facts[i] = c.facts(r)
			}
			facts[i].sha = ""
		}
		reply, err := c.judge(facts, "scan")
		if err != nil {
			return err
		}
		var suspects []string
		for i := 0; i+4 < len(reply); i += 5 {
			if id := layout.TextAt(reply, i); layout.TextAt(reply, i+1) != "moved" && !slices.Contains(suspects, id) {
				suspects = append(suspects, id)
			}
		}
		return c.suspects(suspects)
	})
}

// judge calls scripts/verify/tasks.lua and returns its findings.
func (c *queueCheck) judge(facts []taskFacts, mode string) ([]any, error) {
	reply, err := c.fresh(func() ([]any, error) {
		args := []any{
			c.client.Offset(), c.epoch, c.readyKeys, mode, c.keys.Wake,
			ports.MaxLease.Microseconds(), quarantineBytes, quarantineRecords,
		}
		for i := range facts {
			f := &facts[i]
			args = append(args, f.name, f.size, f.sha, f.problem, f.list, f.ownList, f.priority,
				micros(f.scheduled), f.uniqueKey, f.waiting, micros(f.expires), micros(f.retention))
		}
		return c.call(verifyTasksScript, c.all(c.at(c.keys.Quarantine)), args...)
	})
	if err != nil {
		return nil, err
	}
	seq, err := strconv.ParseFloat(layout.TextAt(reply, 0), 64)
	if err != nil {
		return nil, fmt.Errorf("redis script %s: sequence number: %w", verifyTasksScript.Name, err)
	}
	c.highest = max(c.highest, seq)
	return reply[1:], nil
}

// micros writes a time for a script.
func micros(us float64) string { return strconv.FormatFloat(us, 'f', -1, 64) }

// fresh runs a script with the ready lists that are known, and again with those that are
// stored while they turn out to be others.
func (c *queueCheck) fresh(run func() ([]any, error)) ([]any, error) {
	for range 5 {
		reply, err := run()
		if err != nil || !layout.IsStale(reply) {
			return reply, err
		}
		if err := c.loadTable(); err != nil {
			return nil, err
		}
	}
	return nil, server.ErrTableChanges
}

// suspects looks at tasks in all places, tells what is wrong and mends it if it
// may.
func (c *queueCheck) suspects(ids []string) error {
	// A script looks at each task in each ready list.
	step := max(1, min(100, 20_000/(c.readyKeys+50)))
	for part := range slices.Chunk(ids, step) {
		for range 3 {
			moved, err := c.suspectsOnce(part)
			if err != nil {
				return err
			}
			// A record that is another one by now is read again.
			if part = moved; len(part) == 0 {
				break
			}
		}
	}
	return nil
}

func (c *queueCheck) suspectsOnce(ids []string) (moved []string, err error) {
	facts := make([]taskFacts, len(ids))
	for i, id := range ids {
		r, err := c.record(c.keys.Tasks, id)
		if err != nil {
			return nil, err
		}
		facts[i] = c.facts(r)
		if f := &facts[i]; c.req.Repair && f.size >= 0 && f.problem == "" && f.list < 0 {
			if err := c.addList(f.queue); err != nil {
				return nil, err
			}
			facts[i] = c.facts(r)
		}
	}
	mode := "check"
	if c.req.Repair {
		mode = "repair"
	}
	reply, err := c.judge(facts, mode)
	if err != nil {
		return nil, err
	}
	for i := 0; i+4 < len(reply); i += 5 {
		if layout.TextAt(reply, i+1) == "moved" {
			moved = append(moved, layout.TextAt(reply, i))
		} else if !c.unsure(layout.TextAt(reply, i+2)) {
			c.findings(reply[i:i+5], c.place)
		}
	}
	return moved, nil
}

// unsure reports whether nothing can be said about a place, since its key is
// foreign.
func (c *queueCheck) unsure(part string) bool {
	pending := part == "scheduled" || strings.HasPrefix(part, "ready:")
	return c.foreign[c.place(part)] || pending && c.foreign[c.keys.Scheduled]
}

// members pages through the indexes.
func (c *queueCheck) members() error {
	k := &c.keys
	indexes := map[string]string{
		k.Active: "2", k.Completed: "3", k.Failed: "4", k.Retrying: "5", k.Cancelled: "6",
		k.Scheduled: "scheduled", k.Due: "due", k.Expiring: "expiring", k.Kept: "kept",
	}
	for list := range c.readyKeys {
		indexes[k.Ready(list)] = "ready:" + strconv.Itoa(list)
	}
	for _, key := range slices.Sorted(maps.Keys(indexes)) {
		what := indexes[key]
		if c.foreign[key] || what == "due" && (c.foreign[k.Scheduled] || c.foreign[k.Retrying]) {
			continue
		}
		keys := []string{k.Tasks, k.State, c.at(k.Scheduled), c.at(k.Retrying), key}
		err := c.pages(verifyMembersScript, keys, []any{what}, func(reply []any) error {
			return c.suspects(texts(reply))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func texts(reply []any) []string {
	out := make([]string, len(reply))
	for i := range reply {
		out[i] = layout.TextAt(reply, i)
	}
	return out
}

// leftovers pages through what belongs to tasks.
func (c *queueCheck) leftovers() error {
	k := &c.keys
	for _, part := range []string{k.State, k.Results, k.Errors, k.UniqueOf} {
		if c.foreign[part] {
			continue
		}
		args := []any{strings.TrimPrefix(part, k.Prefix), c.mode()}
		err := c.pages(verifyLeftoversScript, []string{k.Tasks, part}, args, func(reply []any) error {
			damaged, _ := layout.IntAt(reply, 0)
			rest := texts(reply[1:])
			for _, id := range rest[:damaged] {
				c.report(domain.Finding{
					Kind: KindErrorsCorrupt, ID: idOf(id), Place: part,
					Detail: "its kept errors are damaged", Action: c.done("cut off where they cannot be read"),
				})
			}
			return c.suspects(rest[damaged:])
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// uniqueKeys pages through the unique keys.
func (c *queueCheck) uniqueKeys() error {
	k := &c.keys
	if c.foreign[k.Unique] || c.foreign[k.UniqueOf] {
		return nil
	}
	if c.foreign[k.UniqueUntil] {
		return nil
	}
	keys := []string{k.Tasks, k.State, k.Unique, k.UniqueOf, k.UniqueUntil}
	err := c.pages(verifyUntilScript, []string{k.Unique, k.UniqueUntil}, []any{c.mode()}, func(reply []any) error {
		for _, key := range texts(reply) {
			c.report(domain.Finding{
				Kind: KindUniqueStray, Place: k.UniqueUntil,
				Detail: fmt.Sprintf("unique key %.80q is held for a time by nobody", key), Action: c.done("removed"),
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.pages(verifyUniqueScript, keys, nil, func(reply []any) error {
		for i := 0; i+1 < len(reply); i += 2 {
			key, holder := layout.TextAt(reply, i), layout.TextAt(reply, i+1)
			r, err := c.record(k.Tasks, holder)
			if err != nil {
				return err
			}
			recordKey := ""
			if t, problem := readTask(r); problem == "" {
				recordKey = heldKey(t)
			}
			why, err := c.client.Run(c.ctx, repairUniqueScript, keys, key, holder, r.size, recordKey, c.mode())
			if err != nil {
				return err
			}
			if text, _ := why.(string); text != "" {
				c.report(domain.Finding{
					Kind: KindUniqueStray, ID: idOf(holder), Place: k.Unique,
					Detail: fmt.Sprintf("unique key %.80q: %s", key, text), Action: c.done("freed"),
				})
			}
		}
		return nil
	})
}

// finished checks that the retention will find every finished task. What finishes
// while this runs is not looked at.
func (c *queueCheck) finished() error {
	k := &c.keys
	if c.foreign[k.FinList] || c.foreign[k.Dead] {
		return nil
	}
	before, err := c.now(k.FinList)
	if err != nil {
		return err
	}
	ctx, cancel := c.client.Bound(c.ctx)
	defer cancel()
	n := int64(0)
	for _, list := range []string{k.FinList, k.Dead} {
		some, err := c.client.Redis.LLen(ctx, list).Result()
		if err != nil {
			return fmt.Errorf("count finished tasks: %w", c.client.Translate(ctx, err))
		}
		n += some
	}
	for i, set := range newMemberSets(n) {
		for _, list := range []string{k.FinList, k.Dead} {
			if err := c.readFinished(list, set, i == 0); err != nil {
				return err
			}
		}
		add := func(reply []any) error {
			var missing []any
			for _, entry := range texts(reply) {
				if set.lacks(entry) {
					missing = append(missing, entry)
				}
			}
			return c.addFinished(missing)
		}
		if err := c.pages(verifyTerminalScript, []string{k.State, c.at(k.Nodes)}, []any{before}, add); err != nil {
			return err
		}
		if err := c.pages(verifyWorkflowEndsScript, []string{c.at(k.Workflows), k.Meta}, []any{before}, add); err != nil {
			return err
		}
	}
	return nil
}

// readFinished puts the entries of a list into the set.
func (c *queueCheck) readFinished(list string, set *memberSet, report bool) error {
	pos, last := "0", ""
	for {
		reply, err := c.call(verifyFinishedScript, []string{list}, c.client.Offset(), pos, last, 4*layout.PageSize, c.mode())
		if err != nil {
			return err
		}
		if len(reply) <= 3 {
			return nil
		}
		next, _ := layout.IntAt(reply, 0)
		bad, _ := layout.IntAt(reply, 2)
		pos, last = strconv.FormatInt(next, 10), layout.TextAt(reply, 1)
		for i, entry := range texts(reply[3:]) {
			if i >= int(bad) {
				set.add(entry)
			} else if report {
				c.report(domain.Finding{
					Kind: KindFinishedInvalid, Place: list,
					Detail: "an entry is of the future, and holds up those behind it", Action: c.done("removed"),
				})
			}
		}
	}
}

// addFinished decides about entries that seem to be missing.
func (c *queueCheck) addFinished(entries []any) error {
	if len(entries) == 0 {
		return nil
	}
	k := &c.keys
	reply, err := c.call(repairFinishedScript, []string{k.Tasks, k.State, k.FinList, k.Meta}, append([]any{c.mode()}, entries...)...)
	if err != nil {
		return err
	}
	for _, entry := range texts(reply) {
		c.report(domain.Finding{
			Kind: KindFinishedMissing, ID: idOf(entry[:16]), Place: k.FinList,
			Detail: "it is finished, and not listed to be removed one day", Action: c.done("listed"),
		})
	}
	return nil
}

// meta checks the newest sequence number.
func (c *queueCheck) meta() error {
	k := &c.keys
	if c.foreign[k.Meta] {
		return nil
	}
	reply, err := c.call(verifyMetaScript, []string{k.Meta}, strconv.FormatFloat(c.highest, 'f', 0, 64), c.mode())
	if err != nil {
		return err
	}
	if len(reply) > 0 {
		c.report(domain.Finding{
			Kind: KindSequenceBehind, Place: k.Meta,
			Detail: fmt.Sprintf("the newest sequence number is %.40q, below one in use, or none", layout.TextAt(reply, 0)), Action: c.done("set to the highest in use"),
		})
	}
	return nil
}

// counts compares the statistics with the number of records, which holds at every
// moment. What was found before explains a difference.
func (c *queueCheck) counts() error {
	if c.summary.Findings > 0 {
		return nil
	}
	reply, err := c.fresh(func() ([]any, error) {
		return c.call(verifyCountsScript, c.all(), c.epoch, c.readyKeys)
	})
	if err != nil {
		return err
	}
	indexed, _ := layout.IntAt(reply, 0)
	records, _ := layout.IntAt(reply, 1)
	if indexed != records {
		c.report(domain.Finding{
			Kind: KindCountsDiffer, Place: c.keys.Tasks,
			Detail: fmt.Sprintf("the statistics count %d tasks, and there are %d", indexed, records),
		})
	}
	return nil
}
