package sqlitestore

import (
	"maps"
	"slices"

	"logsift/domain"
	"logsift/ports"
)

// groupBytes is how the group of a task is stored.
func groupBytes(t *domain.Task) any {
	if t.Group == "" {
		return nil
	}
	return bytesOf(groupOf(t))
}

func groupOf(t *domain.Task) string { return t.Queue + "|" + string(t.Type) + "|" + t.Group }

// fromMembers are the members of a group in one of the states ready and scheduled.
const (
	fromMembers = `FROM task INDEXED BY task_group WHERE grp = ?1 AND (state = 1 OR state = 2 AND deliveries = 0) AND state = `
	// firstMembers are the oldest ones in both.
	firstMembers = `SELECT seq FROM (SELECT * FROM (SELECT seq ` + fromMembers + `1 ORDER BY seq LIMIT ?2)
		UNION ALL SELECT * FROM (SELECT seq ` + fromMembers + `2 ORDER BY seq LIMIT ?2)) ORDER BY seq LIMIT ?2`
	// firstOfFull is the oldest one of a group that has so many and none that is ready.
	firstOfFull = `SELECT (SELECT seq ` + fromMembers + `2 ORDER BY seq LIMIT 1) WHERE NOT EXISTS (SELECT 1 ` + fromMembers + `1)
		AND EXISTS (SELECT 1 ` + fromMembers + `2 ORDER BY seq LIMIT 1 OFFSET ?2 - 1)`
)

// gather notes that a task was stored which may make its group full.
func (tx *transaction) gather(t *domain.Task) {
	if t.Group == "" {
		return
	}
	if tx.gathered == nil {
		tx.gathered = map[string]int{}
	}
	group := groupOf(t)
	// A task that came before counts those behind it.
	if fill, known := tx.gathered[group]; known && fill+1 < t.GroupSize {
		tx.gathered[group]++
	} else {
		tx.gathered[group] = t.GroupSize
	}
}

// completeGathered completes the groups of the tasks that were stored.
func (tx *transaction) completeGathered() error {
	for _, group := range slices.Sorted(maps.Keys(tx.gathered)) {
		if _, err := tx.completeGroup(group, tx.gathered[group]); err != nil {
			return err
		}
	}
	clear(tx.gathered)
	return nil
}

// completeGroup makes the oldest member of a group ready if there are size and none is, and
// reports whether it has.
func (tx *transaction) completeGroup(group string, size int) (bool, error) {
	for {
		seq, full, err := tx.number(firstOfFull, bytesOf(group), size)
		if err != nil || !full {
			return false, err
		}
		rec, err := tx.reload(seq)
		if err != nil {
			return false, err
		}
		if rec.corrupt != nil {
			if err := tx.quarantine(rec); err != nil {
				return false, err
			}
			continue
		}
		if err := rec.task.RunNow(); err != nil {
			return false, err
		}
		return true, tx.save(rec, 0)
	}
}

// takeAlong grants leases on further members of the group of a task that was granted one, as
// far as there is room, and completes the group. ended are those that it ended instead,
// passedPerClaim at most. It counts the expired ones.
func (tx *transaction) takeAlong(first *domain.Task, req ports.ClaimRequest, room int, expired *int64) (tasks []*domain.Task, ended []int64, completed bool, err error) {
	group := groupOf(first)
	for full := false; !full && len(tasks) < first.GroupSize-1 && len(ended) < passedPerClaim; {
		seqs, err := tx.numbers(firstMembers, bytesOf(group), min(first.GroupSize-1-len(tasks), passedPerClaim-len(ended)))
		if err != nil || len(seqs) == 0 {
			return tasks, ended, false, err
		}
		var recs []*record
		if recs, full, err = tx.recordsWithin(room, shapeMember, bySeq, seqList(seqs)); err != nil {
			return nil, nil, false, err
		}
		full = full || len(recs) < len(seqs) // A damaged file may name what is not there.
		var granted []int64
		for _, rec := range recs {
			if ends, err := tx.endInstead(rec, expired); err != nil {
				return nil, nil, false, err
			} else if ends {
				ended = append(ended, rec.seq)
				continue
			}
			if len(rec.task.Payload) > room || !tx.admits(rec.lane) {
				full = true
				break
			}
			if err := tx.grant(rec, req); err != nil {
				return nil, nil, false, err
			}
			room -= len(rec.task.Payload)
			granted, tasks = append(granted, rec.seq), append(tasks, rec.task)
		}
		if err := tx.saveGranted(req, granted); err != nil {
			return nil, nil, false, err
		}
	}
	completed, err = tx.completeGroup(group, first.GroupSize)
	return tasks, ended, completed, err
}

// admits reports whether the limits of a lane let one more task begin.
func (tx *transaction) admits(l *lane) bool {
	return !slices.ContainsFunc(tx.limits.ofClass(l.class), func(one *limit) bool { return one.free(one.running, one.full, tx.now) <= 0 })
}

// rightGroup is the group of a row of table task.
const rightGroup = `(SELECT CAST(l.queue || '|' || l.type || '|' || json_extract(CAST(c.options AS TEXT), '$.group') AS BLOB)
	FROM contents c JOIN lane l ON l.id = task.lane
	WHERE c.seq = task.seq AND iif(json_valid(CAST(c.options AS TEXT)), json_type(CAST(c.options AS TEXT), '$.group') = 'text', 0))`

// groupRule holds at every commit. What it finds can be mended.
var groupRule = rule{"it is counted for another group than its own", "task", "SELECT seq FROM task WHERE grp IS NOT " + rightGroup}

// mendGroups has all tasks be counted for their groups.
func (tx *transaction) mendGroups() error {
	_, err := tx.exec("UPDATE task SET grp = " + rightGroup + " WHERE grp IS NOT " + rightGroup)
	return err
}
