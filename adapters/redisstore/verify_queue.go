package redisstore

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

	"logsift/domain"
	"logsift/ports"
)

var (
	verifyTasksScript     = loadScript("verify_tasks")
	verifyMembersScript   = loadScript("verify_members")
	verifyLeftoversScript = loadScript("verify_leftovers")
	verifyUniqueScript    = loadScript("verify_unique")
	verifyFinishedScript  = loadScript("verify_finished")
	verifyTerminalScript  = loadScript("verify_terminal")
	verifyMetaScript      = loadScript("verify_meta")
	verifyCountsScript    = loadScript("verify_counts")
	repairUniqueScript    = loadScript("repair_unique")
	repairFinishedScript  = loadScript("repair_finished")
)

// queueCheck checks the queue.
type queueCheck struct {
	*check
	keys queueKeys
	// generation and count are the lanes' as they are stored, names the lanes by
	// number ("" where none is known), number the reverse.
	generation, count string
	names             []string
	number            map[string]int
	// lost is whether the lanes cannot be known, so that records are believed.
	lost bool
	// readyKeys is how many ready keys there are to look at.
	readyKeys int
	// highest is the highest sequence number that was seen.
	highest float64
}

// types are the types of the keys, but for the ready ones.
func (k *queueKeys) types() map[string]string {
	return map[string]string{
		k.tasks: "hash", k.state: "hash", k.results: "hash", k.errors: "hash", k.unique: "hash", k.uniqueOf: "hash",
		k.meta: "hash", k.lanes: "hash", k.quarantine(): "hash",
		k.active: "zset", k.scheduled: "zset", k.retrying: "zset", k.due: "zset",
		k.completed: "zset", k.failed: "zset", k.cancelled: "zset", k.finList: "list", k.events: "stream",
	}
}

// quarantine holds records that cannot be read.
func (k *queueKeys) quarantine() string { return k.prefix + "quarantine" }

// absent is the name of a key that never is: it stands for a foreign one.
func (k *queueKeys) absent() string { return k.prefix + "absent" }

func (c *queueCheck) run() error {
	k := &c.keys
	if err := c.keyTypes(k.types(), k.tasks, k.state); err != nil {
		return err
	}
	if c.foreign[k.tasks] || c.foreign[k.state] {
		return nil
	}
	for _, step := range []func() error{
		c.lanes, c.readyTypes, c.tasks, c.members, c.leftovers, c.uniqueKeys, c.finished, c.meta, c.counts,
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
		return c.keys.absent()
	}
	return key
}

// all are the keys of scripts/keys.lua.
func (c *queueCheck) all(more ...string) []string {
	ready := make([]string, c.readyKeys)
	for i := range ready {
		ready[i] = c.keys.ready(i)
	}
	keys := c.keys.all(ready)
	for i := range keys {
		keys[i] = c.at(keys[i])
	}
	return append(keys, more...)
}

// place makes the place of a script's finding a key.
func (c *queueCheck) place(part string) string { return c.keys.prefix + part }

// readyTypes finds the ready keys, those of no lane too, and checks their types.
func (c *queueCheck) readyTypes() error {
	c.readyKeys = len(c.names)
	prefix := c.keys.prefix + "ready:"
	return c.scanKeys(prefix, func(key string) error {
		n, err := strconv.Atoi(strings.TrimPrefix(key, prefix))
		if err != nil || n < 0 || n >= maxLanes || key != c.keys.ready(n) {
			action, err := c.moveAside(key, "")
			c.tell(domain.Finding{Kind: domain.FindingKeyUnknown, Place: key, Detail: "it is the index of no lane", Action: action})
			return err
		}
		c.readyKeys = max(c.readyKeys, n+1)
		return c.keyType(key, "zset", nil)
	})
}

// taskFacts is what the client tells verify_tasks.lua of a task.
type taskFacts struct {
	name          string
	size          int
	sha, problem  string
	lane, ownLane int
	priority      int
	scheduled     float64
	uniqueKey     string
	queue         string
}

// facts reads a record as verify_tasks.lua wants it.
func (c *queueCheck) facts(r rawRecord) taskFacts {
	f := taskFacts{name: r.name, size: r.size, lane: -1, ownLane: -1}
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
	f.ownLane = int(binary.BigEndian.Uint16([]byte(r.record[1:3])))
	f.priority, f.scheduled, f.uniqueKey = int(task.Priority), headTime(r.record), task.UniqueKey
	f.queue = laneName(task.Queue, task.Type)
	if n, ok := c.number[f.queue]; ok {
		f.lane = n
	}
	if c.lost {
		f.lane = f.ownLane
	}
	return f
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
	if err := decodeRecord(t, r.record); err != nil {
		_, problem, _ := strings.Cut(err.Error(), domain.ErrCorruptRecord.Error()+": ")
		return nil, problem
	}
	if at := headTime(r.record); at != 0 {
		ahead := float64(domain.MaxScheduleAhead.Microseconds())
		if math.IsNaN(at) || at < -ahead || at > 0 && (microTime(int64(at)).Year() < 2000 || microTime(int64(at)).Year() > 2100) {
			return nil, "its record has a time that cannot be"
		}
	}
	var invalid *domain.ValidationError
	if err := t.Validate(); errors.As(err, &invalid) {
		return nil, "its record is damaged: " + err.Error()
	}
	return t, ""
}

// tasks pages through the records.
func (c *queueCheck) tasks() error {
	return c.records(c.keys.tasks, func(page []rawRecord) error {
		c.summary.Tasks += int64(len(page))
		facts := make([]taskFacts, len(page))
		for i, r := range page {
			facts[i] = c.facts(r)
			if facts[i].problem == "" && facts[i].lane < 0 {
				// A lane that is new since the check began.
				if err := c.loadLanes(); err != nil {
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
			if id := textAt(reply, i); textAt(reply, i+1) != "moved" && !slices.Contains(suspects, id) {
				suspects = append(suspects, id)
			}
		}
		return c.suspects(suspects)
	})
}

// judge calls verify_tasks.lua and returns its findings.
func (c *queueCheck) judge(facts []taskFacts, mode string) ([]any, error) {
	reply, err := c.fresh(func() ([]any, error) {
		args := []any{
			c.client.offset(), c.generation, c.count, c.readyKeys, mode, c.keys.wake,
			ports.MaxLease.Microseconds(), quarantineBytes, quarantineRecords,
		}
		for i := range facts {
			f := &facts[i]
			args = append(args, f.name, f.size, f.sha, f.problem, f.lane, f.ownLane, f.priority,
				strconv.FormatFloat(f.scheduled, 'f', -1, 64), f.uniqueKey)
		}
		return c.call(verifyTasksScript, c.all(c.at(c.keys.quarantine())), args...)
	})
	if err != nil {
		return nil, err
	}
	seq, err := strconv.ParseFloat(textAt(reply, 0), 64)
	if err != nil {
		return nil, fmt.Errorf("redis script verify_tasks: sequence number: %w", err)
	}
	c.highest = max(c.highest, seq)
	return reply[1:], nil
}

// fresh runs a script with the lanes that are known, and again with those that are
// stored while they turn out to be others.
func (c *queueCheck) fresh(run func() ([]any, error)) ([]any, error) {
	for range 5 {
		reply, err := run()
		if err != nil || !isStale(reply) {
			return reply, err
		}
		if err := c.loadLanes(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: the lanes of the queue keep changing", domain.ErrStoreUnavailable)
}

// suspects looks at tasks in all places, tells what is wrong and mends it if it
// may.
func (c *queueCheck) suspects(ids []string) error {
	// A script looks at each task in each lane.
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
		r, err := c.record(c.keys.tasks, id)
		if err != nil {
			return nil, err
		}
		facts[i] = c.facts(r)
		if f := &facts[i]; c.req.Repair && f.size >= 0 && f.problem == "" && f.lane < 0 {
			if err := c.addLane(f.queue); err != nil {
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
		if textAt(reply, i+1) == "moved" {
			moved = append(moved, textAt(reply, i))
		} else if !c.unsure(textAt(reply, i+2)) {
			c.findings(reply[i:i+5], c.place)
		}
	}
	return moved, nil
}

// unsure reports whether nothing can be said about a place, since its key is
// foreign.
func (c *queueCheck) unsure(part string) bool {
	pending := part == "scheduled" || strings.HasPrefix(part, "ready:")
	return c.foreign[c.place(part)] || pending && c.foreign[c.keys.scheduled]
}

// members pages through the indexes.
func (c *queueCheck) members() error {
	k := &c.keys
	indexes := map[string]string{
		k.active: "2", k.completed: "3", k.failed: "4", k.retrying: "5", k.cancelled: "6",
		k.scheduled: "scheduled", k.due: "due",
	}
	for lane := range c.readyKeys {
		indexes[k.ready(lane)] = "ready:" + strconv.Itoa(lane)
	}
	for _, key := range slices.Sorted(maps.Keys(indexes)) {
		what := indexes[key]
		if c.foreign[key] || what == "due" && (c.foreign[k.scheduled] || c.foreign[k.retrying]) {
			continue
		}
		keys := []string{k.tasks, k.state, c.at(k.scheduled), c.at(k.retrying), key}
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
		out[i] = textAt(reply, i)
	}
	return out
}

// leftovers pages through what belongs to tasks.
func (c *queueCheck) leftovers() error {
	k := &c.keys
	for _, part := range []string{k.state, k.results, k.errors, k.uniqueOf} {
		if c.foreign[part] {
			continue
		}
		args := []any{strings.TrimPrefix(part, k.prefix), c.mode()}
		err := c.pages(verifyLeftoversScript, []string{k.tasks, part}, args, func(reply []any) error {
			damaged, _ := intAt(reply, 0)
			rest := texts(reply[1:])
			for _, id := range rest[:damaged] {
				c.tell(domain.Finding{
					Kind: domain.FindingErrorsCorrupt, ID: idOf(id), Place: part,
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
	if c.foreign[k.unique] || c.foreign[k.uniqueOf] {
		return nil
	}
	keys := []string{k.tasks, k.state, k.unique, k.uniqueOf}
	return c.pages(verifyUniqueScript, keys, nil, func(reply []any) error {
		for i := 0; i+1 < len(reply); i += 2 {
			key, holder := textAt(reply, i), textAt(reply, i+1)
			r, err := c.record(k.tasks, holder)
			if err != nil {
				return err
			}
			recordKey := ""
			if t, problem := readTask(r); problem == "" {
				recordKey = t.UniqueKey
			}
			why, err := c.client.run(c.ctx, repairUniqueScript, keys, key, holder, r.size, recordKey, c.mode())
			if err != nil {
				return err
			}
			if text, _ := why.(string); text != "" {
				c.tell(domain.Finding{
					Kind: domain.FindingUniqueStray, ID: idOf(holder), Place: k.unique,
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
	if c.foreign[k.finList] {
		return nil
	}
	before, err := c.now(k.finList)
	if err != nil {
		return err
	}
	ctx, cancel := c.client.bound(c.ctx)
	defer cancel()
	n, err := c.client.rdb.LLen(ctx, k.finList).Result()
	if err != nil {
		return fmt.Errorf("count finished tasks: %w", c.client.translate(ctx, err))
	}
	for i, set := range newMemberSets(n) {
		if err := c.readFinished(set, i == 0); err != nil {
			return err
		}
		err := c.pages(verifyTerminalScript, []string{k.state}, []any{before}, func(reply []any) error {
			var missing []any
			for _, entry := range texts(reply) {
				if set.lacks(entry) {
					missing = append(missing, entry)
				}
			}
			return c.addFinished(missing)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readFinished puts the entries of the list into the set.
func (c *queueCheck) readFinished(set *memberSet, report bool) error {
	pos, last := "0", ""
	for {
		reply, err := c.call(verifyFinishedScript, []string{c.keys.finList}, c.client.offset(), pos, last, 4*pageSize, c.mode())
		if err != nil {
			return err
		}
		if len(reply) <= 3 {
			return nil
		}
		next, _ := intAt(reply, 0)
		bad, _ := intAt(reply, 2)
		pos, last = strconv.FormatInt(next, 10), textAt(reply, 1)
		for i, entry := range texts(reply[3:]) {
			if i >= int(bad) {
				set.add(entry)
			} else if report {
				c.tell(domain.Finding{
					Kind: domain.FindingFinishedInvalid, Place: c.keys.finList,
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
	reply, err := c.call(repairFinishedScript, []string{k.tasks, k.state, k.finList}, append([]any{c.mode()}, entries...)...)
	if err != nil {
		return err
	}
	for _, entry := range texts(reply) {
		c.tell(domain.Finding{
			Kind: domain.FindingFinishedMissing, ID: idOf(entry[:16]), Place: k.finList,
			Detail: "it is finished, and not listed to be removed one day", Action: c.done("listed"),
		})
	}
	return nil
}

// meta checks the newest sequence number.
func (c *queueCheck) meta() error {
	k := &c.keys
	if c.foreign[k.meta] {
		return nil
	}
	reply, err := c.call(verifyMetaScript, []string{k.meta}, strconv.FormatFloat(c.highest, 'f', 0, 64), c.mode())
	if err != nil {
		return err
	}
	if len(reply) > 0 {
		c.tell(domain.Finding{
			Kind: domain.FindingSequenceBehind, Place: k.meta,
			Detail: fmt.Sprintf("the newest sequence number is %.40q, below one in use, or none", textAt(reply, 0)), Action: c.done("set to the highest in use"),
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
		return c.call(verifyCountsScript, c.all(), c.generation, c.count, c.readyKeys)
	})
	if err != nil {
		return err
	}
	indexed, _ := intAt(reply, 0)
	records, _ := intAt(reply, 1)
	if indexed != records {
		c.tell(domain.Finding{
			Kind: domain.FindingCountsDiffer, Place: c.keys.tasks,
			Detail: fmt.Sprintf("the statistics count %d tasks, and there are %d", indexed, records),
		})
	}
	return nil
}
