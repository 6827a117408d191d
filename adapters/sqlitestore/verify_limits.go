package sqlitestore

import (
	"fmt"

	"logsift/domain"
)

// limitRules hold at every commit. What breaks them is counted again from the tasks.
var limitRules = []struct {
	kind string
	rule
}{
	{KindTurnWrong, rule{"the first task of a lane is another one", "lane", `
		SELECT l.id FROM lane l WHERE l.keyed = 1 AND l.head <> ifnull((SELECT next FROM line WHERE lane = l.id AND next > 0 ORDER BY turn, next LIMIT 1), 0)
			OR l.keyed = 0 AND iif(l.turns = 0, l.oldest, l.head) <> 0`}},
	{KindTurnWrong, rule{"a lane takes turns with another one", "lane", `SELECT id FROM lane WHERE turns <> ` + rightTurns}},
	{KindTurnWrong, rule{"a lane is under other limits", "lane", `SELECT id FROM lane WHERE class <> ` + rightClass}},
	// WITHOUT ROWID: a row is told by its place.
	{KindTurnWrong, rule{"a line has other tasks than are ready of its key", "line", `
		SELECT n FROM (SELECT row_number() OVER (ORDER BY key, lane) AS n, * FROM line) i
		WHERE key <> x'' AND (ready, head) IS NOT (SELECT count(*), min(seq) FROM task t INDEXED BY task_key
				WHERE t.key IS NOT NULL AND t.state = 1 AND t.lane = i.lane AND t.key = i.key)
			OR key = x'' AND NOT EXISTS (SELECT 1 FROM lane p WHERE p.turns = i.lane AND p.ready = i.ready AND p.oldest = i.head)`}},
	{KindTurnWrong, rule{"it is ready and has no line", "task", `
		SELECT seq FROM task INDEXED BY task_key WHERE key IS NOT NULL AND state = 1
			AND NOT EXISTS (SELECT 1 FROM line WHERE line.key = task.key AND line.lane = task.lane)`}},
	{KindTurnWrong, rule{"a lane without keys has ready tasks and no turn", "lane", `
		SELECT id FROM lane WHERE turns <> 0 AND ready > 0 AND NOT EXISTS (SELECT 1 FROM line WHERE key = x'' AND line.lane = lane.turns)`}},
	{KindSlotWrong, rule{"a slot counts other tasks than are processed of its key", "slot", `
		SELECT n FROM (SELECT row_number() OVER (ORDER BY key, queue) AS n, * FROM slot) s WHERE running <> (SELECT count(*)
			FROM task t INDEXED BY task_wake JOIN lane l ON l.id = t.lane
			WHERE t.state = 3 AND t.state <> 1 AND t.state < 5 AND t.key = s.key AND l.queue = s.queue)`}},
	{KindSlotWrong, rule{"a slot is held by a task that does not hold it", "slot", `
		SELECT n FROM (SELECT row_number() OVER (ORDER BY key, queue) AS n, * FROM slot) s
		WHERE holder <> 0 AND holder_lane IS NOT ` + rightHolderLane}},
	{KindSlotWrong, rule{"it is processed under a limit of its key, and has no slot", "task", `
		SELECT t.seq FROM task t INDEXED BY task_wake JOIN lane l ON l.id = t.lane
		WHERE t.state = 3 AND t.state <> 1 AND t.state < 5 AND t.key IS NOT NULL
			AND EXISTS (SELECT 1 FROM task_limit m WHERE m.scope = 'key' AND m.queue = l.queue AND m.key IN (t.key, x''))
			AND NOT EXISTS (SELECT 1 FROM slot s WHERE s.key = t.key AND s.queue = l.queue)`}},
	{KindSlotWrong, rule{"a limit counts other tasks than are processed", "task_limit", `
		SELECT id FROM task_limit WHERE scope <> 'key' AND running <> ` + rightRunning}},
	{KindSlotWrong, rule{"the number of limits is another one", "clock", `SELECT id FROM clock WHERE limits <> (SELECT count(*) FROM task_limit)`}},
}

// What the rows of tables are to hold.
const (
	// rightClass and rightTurns are those of a row of lane.
	rightClass = `((ifnull((SELECT id FROM task_limit WHERE scope = 'queue' AND queue = lane.queue), 0) << 32)
		+ ifnull((SELECT id FROM task_limit WHERE scope = 'type' AND type = lane.type), 0))`
	rightTurns = `iif(keyed = 1, 0, ifnull((SELECT k.id FROM lane k
		WHERE k.queue = lane.queue AND k.type = lane.type AND k.priority = lane.priority AND k.keyed = 1), 0))`
	// rightRunning is that of the limit of a queue or a type.
	rightRunning = `(SELECT ifnull(sum(processing), 0) FROM lane
		WHERE CASE task_limit.scope WHEN 'queue' THEN lane.queue = task_limit.queue ELSE lane.type = task_limit.type END)`
	// rightHolderLane is that of a row of slot s that has a holder, NULL if that holds none.
	rightHolderLane = `(SELECT CASE t.state WHEN 1 THEN t.lane WHEN 3 THEN -1 ELSE 0 END FROM task t JOIN lane l ON l.id = t.lane
		WHERE t.seq = s.holder AND t.key = s.key AND l.queue = s.queue AND t.state <= 4)`
)

// checkLimits returns what is wrong with lines, slots and limits, and which limits cannot be
// read.
func checkLimits(s *statements, now int64) (wrong, damaged []domain.Finding, err error) {
	for _, r := range limitRules {
		found, err := r.check(s, r.kind)
		if err != nil {
			return nil, nil, err
		}
		wrong = append(wrong, found...)
	}
	all, err := readLimits(s)
	if err != nil {
		return nil, nil, err
	}
	for _, l := range all.byID {
		if l.damaged {
			damaged = append(damaged, domain.Finding{Kind: KindRuleBroken, Place: "task_limit", Detail: fmt.Sprintf("limit %s cannot be read and is not kept to: set it again", l.Name)})
		}
	}
	uses := map[*limit]keyUse{}
	// The rows come by key and queue.
	k := &taskKey{}
	checked := func() {
		if limit := all.ofKey(k.queue, k.key); limit != nil {
			u := k.use(limit)
			uses[limit] = keyUse{uses[limit].running + u.running, uses[limit].waiting + u.waiting}
		}
		// What waits for a token may have got one.
		if waits := k.wake != 0; !waits && len(wrong) < most {
			k.admit(all.ofKey(k.queue, k.key), now)
			for _, l := range k.lines {
				if k.wake == 0 && l.next != l.stored.next {
					wrong = append(wrong, domain.Finding{
						Kind: KindTurnWrong, Place: "line",
						Detail: fmt.Sprintf("key %q of queue %s: the next task is not the one that its limit admits", k.key, k.queue),
					})
				}
			}
		}
	}
	err = s.each(func(r *row) error {
		if id := (keyID{queue: r.text(1), key: string(r.blob(0))}); id != k.keyID {
			checked()
			k = &taskKey{keyID: id, slot: slot{r.int(2), r.int(3), r.int(4), r.int(5), r.int(6)}}
		}
		if r.values[7] != nil {
			row := lineRow{r.int(9), r.int(10), r.int(11), 0}
			l := &lane{id: r.int(7), laneKey: laneKey{priority: domain.Priority(r.int(8))}}
			k.lines = append(k.lines, &line{lineRow: row, stored: row, lane: l})
		}
		return r.err
	}, `WITH i AS (SELECT line.key, queue, lane, priority, line.ready, line.head, next FROM line JOIN lane ON lane.id = line.lane WHERE line.key <> x'')
		SELECT ifnull(i.key, s.key) AS key, ifnull(i.queue, s.queue) AS queue, ifnull(s.running, 0), ifnull(s.holder, 0), ifnull(s.holder_lane, 0),
			ifnull(s.full_ns, 0), ifnull(s.wake_us, 0), i.lane, i.priority, i.ready, i.head, i.next
		FROM i FULL JOIN slot s ON s.key = i.key AND s.queue = i.queue ORDER BY 1, 2`)
	checked()
	for _, l := range all.byID {
		if u := uses[l]; l.Scope == domain.LimitKey && (u != keyUse{l.running, l.waiting}) {
			wrong = append(wrong, domain.Finding{
				Kind: KindSlotWrong, Place: "task_limit",
				Detail: fmt.Sprintf("limit %s counts %d running and %d waiting tasks in place of %d and %d", l.Name, l.running, l.waiting, u.running, u.waiting),
			})
		}
	}
	return wrong, damaged, err
}

// rebuildLimits makes lines, slots and the counts of limits anew from the tasks. Of a slot
// it keeps the holder, if that is one, and the tokens.
func (tx *transaction) rebuildLimits() error {
	if err := tx.flush(); err != nil {
		return err
	}
	const oldest = `ifnull((SELECT seq FROM task INDEXED BY task_lane WHERE state = 1 AND state <> 3 AND lane = lane.id ORDER BY seq LIMIT 1), 0)`
	for _, query := range []string{
		"UPDATE clock SET limits = (SELECT count(*) FROM task_limit)",
		"UPDATE lane SET class = " + rightClass + ", turns = " + rightTurns,
		"UPDATE lane SET head = iif(keyed = 1 OR turns <> 0, 0, " + oldest + "), oldest = iif(keyed = 1 OR turns <> 0, " + oldest + ", 0)",
		"DELETE FROM line",
		`INSERT INTO line (key, lane, ready, head, next, turn)
			SELECT key, lane, count(*), min(seq), 0, 1 FROM task INDEXED BY task_key WHERE key IS NOT NULL AND state = 1 GROUP BY key, lane`,
		"INSERT INTO line (key, lane, ready, head, next, turn) SELECT x'', turns, ready, oldest, oldest, 1 FROM lane WHERE turns <> 0 AND ready > 0",
		"UPDATE slot AS s SET holder_lane = ifnull(" + rightHolderLane + ", -2)",
		"UPDATE slot SET holder = 0, holder_lane = 0 WHERE holder_lane = -2",
		"UPDATE task_limit SET running = " + rightRunning + " WHERE scope <> 'key'",
	} {
		if _, err := tx.exec(query); err != nil {
			return err
		}
	}
	var queues []string
	err := tx.each(func(r *row) error {
		queues = append(queues, r.text(0))
		return r.err
	}, "SELECT queue FROM lane WHERE keyed = 1 UNION SELECT queue FROM slot UNION SELECT queue FROM task_limit WHERE scope = 'key'")
	if err != nil {
		return err
	}
	tx.valid = false
	if err := tx.load(tx.statements); err != nil {
		return err
	}
	for _, queue := range queues {
		if err := tx.rebuildKeys(queue, "", tx.limits); err != nil {
			return err
		}
	}
	if err := tx.flush(); err != nil {
		return err
	}
	if _, err := tx.exec("UPDATE lane SET head = ifnull((SELECT next FROM line WHERE lane = lane.id AND next > 0 ORDER BY turn, next LIMIT 1), 0) WHERE keyed = 1"); err != nil {
		return err
	}
	tx.valid = false
	return tx.load(tx.statements)
}
