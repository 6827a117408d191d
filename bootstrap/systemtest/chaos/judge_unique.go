package chaos

import "strings"

// held is a task that was created with a unique key.
type held struct {
	task string
	// from and acked bound when it was created.
	from, acked int64
	// until is when it may have let the key go, at the earliest; 0 if nobody knows.
	until int64
}

// holders judges that no task was created with a unique key while another surely held it.
func (j *judge) holders() {
	first := map[string]int64{} // when each token was first sent
	for _, e := range j.left {
		if at, sent := first[e.In]; e.Op == OpEnqueue && (!sent || e.TCall < at) {
			first[e.In] = e.TCall
		}
	}
	byKey := map[string][]held{}
	seen := map[string]bool{}
	for _, e := range j.left {
		if e.Op != OpEnqueue || e.Key == "" || e.Outcome != OK || seen[e.Task] {
			continue
		}
		seen[e.Task] = true
		h := held{task: e.Task, from: first[e.In], acked: e.TRet}
		h.until = j.heldUntil(h, e.Key)
		byKey[e.Key] = append(byKey[e.Key], h)
	}
	for key, all := range byKey {
		for _, a := range all {
			for _, b := range all {
				if a.task != b.task && b.from > a.acked && b.acked < a.until {
					j.report(OneHolder, b.task, "it was created with the unique key %s while task %s held it", key, a.task)
				}
			}
		}
	}
}

// heldUntil is until when a task surely holds its unique key.
func (j *judge) heldUntil(h held, key string) int64 {
	if strings.HasPrefix(key, "time-") {
		return h.from + (heldFor - clockSlack).Nanoseconds()
	}
	t := j.tasks[h.task]
	until := j.At
	for _, e := range t.some(OpComplete, OpFail, OpCancel, OpDelete) {
		until = min(until, e.TCall)
	}
	if until < j.At || t.final != nil && !t.final.Status.Terminal() {
		return until
	}
	return 0 // The reaper, which writes no history, gave it up as poison.
}
