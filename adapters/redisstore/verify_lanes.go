package redisstore

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"logsift/domain"
)

var repairLanesScript = loadScript("repair_lanes")

// Fields of meta that tell of the table of lanes.
const (
	laneGeneration = "generation"
	laneCount      = "lanes"
)

// storedLanes is the table of lanes as it is stored.
type storedLanes struct {
	generation, count string
	// fields are numbers by names of lanes, and since when queues are paused.
	fields map[string]string
}

func (s storedLanes) empty() bool { return s.generation == "" && s.count == "" && len(s.fields) == 0 }

// loadLanes reads the table of lanes as far as it can be read.
func (c *queueCheck) loadLanes() error {
	_, err := c.readLanes()
	return err
}

// readLanes reads the table of lanes, and returns it as it is stored.
func (c *queueCheck) readLanes() (storedLanes, error) {
	stored, err := c.storedLanes()
	if err != nil {
		return stored, fmt.Errorf("read the lanes: %w", err)
	}
	c.generation, c.count = stored.generation, stored.count
	if c.count == "" {
		c.count = "0"
	}
	c.names, c.number = nil, map[string]int{}
	for name, text := range stored.fields {
		n, err := strconv.Atoi(text)
		if pausedQueue(name) != "" || err != nil || n < 0 || n >= maxLanes {
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

// foreignLanes reports whether a key that the table of lanes is in holds something
// else.
func (c *queueCheck) foreignLanes() bool { return c.foreign[c.keys.lanes] || c.foreign[c.keys.meta] }

// storedLanes reads both keys of the table in one step, but not one that holds
// something else.
func (c *queueCheck) storedLanes() (storedLanes, error) {
	ctx, cancel := c.client.bound(c.ctx)
	defer cancel()
	known, fields := &redis.SliceCmd{}, &redis.MapStringStringCmd{}
	_, err := c.client.rdb.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		if !c.foreign[c.keys.meta] {
			known = pipe.HMGet(ctx, c.keys.meta, laneGeneration, laneCount)
		}
		if !c.foreign[c.keys.lanes] {
			fields = pipe.HGetAll(ctx, c.keys.lanes)
		}
		return nil
	})
	if err != nil {
		return storedLanes{}, c.client.translate(ctx, err)
	}
	return storedLanes{generation: textAt(known.Val(), 0), count: textAt(known.Val(), 1), fields: fields.Val()}, nil
}

// lanesProblem says what is wrong with the table of lanes of a queue of so many
// partitions, "" for nothing.
func lanesProblem(stored storedLanes, partitions int) string {
	if stored.empty() {
		return ""
	}
	lanes := len(stored.fields)
	for name, text := range stored.fields {
		queue := pausedQueue(name)
		if queue == "" {
			continue
		}
		lanes--
		if domain.ValidateName("queue", queue) != nil || !isPauseTime(text) {
			return fmt.Sprintf("queue %.80q is paused since %.20q", queue, text)
		}
	}
	byNumber := map[int]string{}
	for name, text := range stored.fields {
		if pausedQueue(name) != "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n >= lanes || strings.Count(name, "|") != 1 {
			return fmt.Sprintf("lane %.80q has number %.20q of %d", name, text, lanes)
		}
		if other, ok := byNumber[n]; ok {
			return fmt.Sprintf("lanes %.80q and %.80q both have number %d", min(name, other), max(name, other), n)
		}
		byNumber[n] = name
	}
	if stored.count != strconv.Itoa(lanes) {
		return fmt.Sprintf("it says that there are %.20q lanes, and there are %d", stored.count, lanes)
	}
	if stored.generation == "" {
		return "it has no generation"
	}
	if partitions > 1 && generationPartitions(stored.generation) != partitions {
		return fmt.Sprintf("its generation, %.80q, does not tell of %d partitions", stored.generation, partitions)
	}
	return ""
}

// lanes checks the table of lanes. Nobody can enqueue or claim while it is
// damaged. A table that is lost or damaged is made anew from the records.
func (c *queueCheck) lanes() error {
	populated := false // there were tasks before the newest look
	for range 5 {
		stored, err := c.readLanes()
		if err != nil {
			return err
		}
		if c.lost = c.foreignLanes(); c.lost {
			return nil
		}
		problem := lanesProblem(stored, c.client.cfg.Partitions)
		if problem == "" && !stored.empty() {
			return c.pauses()
		}
		if problem == "" {
			// No lanes and no tasks is a new queue.
			ctx, cancel := c.client.bound(c.ctx)
			n, err := c.client.rdb.HLen(ctx, c.keys.tasks).Result()
			cancel()
			if err != nil {
				return fmt.Errorf("count the tasks: %w", c.client.translate(ctx, err))
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
		f := domain.Finding{Kind: domain.FindingLanesDamaged, Place: c.keys.lanes, Detail: problem}
		if !c.req.Repair {
			c.lost = true
			c.tell(f)
			return nil
		}
		recorded, err := c.recordedLanes()
		if err != nil {
			return err
		}
		done, err := c.replaceLanes(stored, mendedLanes(stored.fields, recorded))
		if err != nil {
			return err
		}
		if done {
			f.Action = "made anew from itself and the records"
			c.tell(f)
			return c.loadLanes()
		}
	}
	return fmt.Errorf("%w: the lanes of the queue keep changing", domain.ErrStoreUnavailable)
}

// isPauseTime reports whether a text can be when a pause began.
func isPauseTime(text string) bool {
	at, err := strconv.ParseInt(text, 10, 64)
	return err == nil && !microTime(at).IsZero()
}

// pauses compares which queues are paused here with the first partition, which
// counts. They differ after a pause or its end that reached a part of the partitions
// only, and then a person must say what is right.
func (c *queueCheck) pauses() error {
	first := newQueueKeys(c.client.cfg.Namespace, 0).lanes
	if c.keys.lanes == first || c.foreign[first] {
		return nil
	}
	var differing []string
	// A change that is under way is soon over.
	for range 3 {
		here, err := c.pausedIn(c.keys.lanes)
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
		c.tell(domain.Finding{
			Kind: domain.FindingLanesDamaged, Place: c.keys.lanes,
			Detail: fmt.Sprintf("queue %.80q is paused in a part of the partitions only: pause it, or resume it, once more", queue),
		})
	}
	return nil
}

// pausedIn returns the queues that a table of lanes says to be paused, by name.
func (c *queueCheck) pausedIn(key string) ([]string, error) {
	ctx, cancel := c.client.bound(c.ctx)
	defer cancel()
	fields, err := c.client.rdb.HGetAll(ctx, key).Result()
	if err != nil {
		return nil, fmt.Errorf("read the paused queues: %w", c.client.translate(ctx, err))
	}
	var out []string
	for name := range fields {
		if queue := pausedQueue(name); queue != "" {
			out = append(out, queue)
		}
	}
	slices.Sort(out)
	return out, nil
}

// recordedLanes asks the records for the names of lanes.
func (c *queueCheck) recordedLanes() (map[int]string, error) {
	out := map[int]string{}
	err := c.records(c.keys.tasks, func(page []rawRecord) error {
		for _, r := range page {
			f := c.facts(r)
			if _, known := out[f.ownLane]; f.problem == "" && f.ownLane < maxLanes && !known {
				out[f.ownLane] = f.queue
			}
		}
		return nil
	})
	return out, err
}

// mendedLanes makes a table that holds all lanes of a damaged one, each with its
// number where that can be. Gaps get what the records say of them, or a name that
// no queue and type can have.
func mendedLanes(fields map[string]string, recorded map[int]string) []string {
	byNumber, placed := map[int]string{}, map[string]bool{}
	place := func(n int, name string) {
		if _, taken := byNumber[n]; !taken && !placed[name] && n >= 0 && n < maxLanes {
			byNumber[n], placed[name] = name, true
		}
	}
	var names []string
	for name := range fields {
		if strings.Count(name, "|") == 1 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	// Where two lanes have one number, the records know whose it is.
	for _, agreed := range []bool{true, false} {
		for _, name := range names {
			if n, err := strconv.Atoi(fields[name]); err == nil && (!agreed || recorded[n] == name) {
				place(n, name)
			}
		}
	}
	for n, name := range recorded {
		place(n, name)
	}
	for _, name := range names {
		for n := 0; !placed[name] && n < maxLanes; n++ {
			place(n, name)
		}
	}
	var out []string
	for n, name := range byNumber {
		for len(out) <= n {
			out = append(out, fmt.Sprintf("!%d|!", len(out)))
		}
		out[n] = name
	}
	return out
}

// replaceLanes stores a new table in the place of the old one, with a generation
// that tells the clients. It reports false if the old one has changed.
func (c *queueCheck) replaceLanes(old storedLanes, names []string) (bool, error) {
	args := []any{old.generation, old.count, len(old.fields)}
	for name, value := range old.fields {
		args = append(args, name, value)
	}
	args = append(args, newGeneration(c.client.cfg.Partitions), len(names))
	for n, name := range names {
		args = append(args, name, n)
	}
	now, err := c.now(c.keys.lanes)
	if err != nil {
		return false, err
	}
	for name, value := range old.fields {
		// A pause whose time is damaged goes on.
		if queue := pausedQueue(name); queue != "" && domain.ValidateName("queue", queue) == nil {
			if !isPauseTime(value) {
				value = strconv.FormatInt(now, 10)
			}
			args = append(args, name, value)
		}
	}
	done, err := c.client.run(c.ctx, repairLanesScript, c.keys.forLanes(), args...)
	return done == int64(1), err
}

// addLane gives a queue and type a lane, as an enqueue would.
func (c *queueCheck) addLane(name string) error {
	if c.foreignLanes() {
		return nil
	}
	reply, err := c.call(lanesScript, c.keys.forLanes(), newGeneration(c.client.cfg.Partitions), maxLanes, "", name)
	if err != nil || isStale(reply) { // {-1}: there are too many
		return err
	}
	return c.loadLanes()
}
