package chaos

import (
	"encoding/json"
	"slices"

	"logsift/domain"
)

// lines judges that each log line that was taken in was analysed by one task that
// completed, unless a person has ended its task after it was taken in, or the task
// has failed.
func (j *judge) lines() {
	analysed := map[string][]string{} // the completed tasks of each line
	for id, t := range j.tasks {
		if len(t.some(OpComplete)) == 0 {
			continue
		}
		for _, r := range t.runs {
			for _, line := range r.Logs {
				if r.Result != "" && !slices.Contains(analysed[line], id) {
					analysed[line] = append(analysed[line], id)
				}
			}
		}
	}
	for _, e := range j.left {
		if e.Op != OpLogs || e.Outcome != OK {
			continue
		}
		for _, line := range e.Logs {
			switch by := analysed[line]; {
			case len(by) > 1:
				j.report(LinesAnalysedOnce, by[0], "line %s was analysed by the tasks %v", line, by)
			case len(by) == 0 && j.Undrained == "" && !slices.ContainsFunc(e.Tasks, func(id string) bool { return j.endedAfter(id, e.TCall) }):
				j.report(LinesAnalysedOnce, "", "line %s, taken in by %s for the tasks %v, was analysed by none", line, e.On, e.Tasks)
			}
		}
	}
}

// endedAfter reports whether a task may have ended otherwise than by completion after
// a time: by a person, or as failed.
func (j *judge) endedAfter(id string, at int64) bool {
	t := j.tasks[id]
	if t == nil {
		return false
	}
	if t.final != nil && t.final.Status == domain.TaskStatusFailed || len(t.some(OpFail)) > 0 {
		return true
	}
	return slices.ContainsFunc(t.some(OpCancel, OpDelete), func(e Event) bool { return e.Outcome == Unknown || e.TRet >= at })
}

// foreign judges what the store alone shows of workers that wrote no history: each
// attempt but the last has left its error, and the results count each line once.
func (j *judge) foreign(ids []string) {
	analysed, sure, most := 0, 0, 0
	for _, id := range ids {
		t := j.tasks[id]
		if t.final == nil || t.final.Status != domain.TaskStatusCompleted {
			continue
		}
		if f := t.final; f.Attempt > len(f.Errors)+1 && len(t.some(OpRerun)) == 0 {
			j.report(OneEnd, id, "it was completed by attempt %d, and %d runs failed before", f.Attempt, len(f.Errors))
		}
		var result domain.AnalysisResult
		if planOf(t.final.Payload).token == batchToken && json.Unmarshal(t.final.Result, &result) == nil {
			analysed += result.LogCount
		}
	}
	for _, e := range j.left {
		if e.Op == OpLogs && e.Outcome != Fail {
			most += max(e.Max, len(e.Logs))
			sure += len(e.Logs)
		}
	}
	if j.Undrained == "" && (analysed < sure || analysed > most) {
		j.report(LinesAnalysedOnce, "", "%d lines were analysed, of %d that were taken in and %d that may have been", analysed, sure, most-sure)
	}
}
