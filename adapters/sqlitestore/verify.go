package sqlitestore

import (
	"context"
	"fmt"
	"slices"

	"logsift/domain"
	"logsift/ports"
)

// What can be wrong with a store in SQLite, as the kind of a domain.Finding.
const (
	// KindFileDamaged: the database's own check of its file failed.
	KindFileDamaged = "file_damaged"
	// KindRuleBroken: rows of the database contradict each other.
	KindRuleBroken = "rule_broken"
	// KindSlotWrong: a limit counts other slots than its tasks hold.
	KindSlotWrong = "slot_wrong"
	// KindTurnWrong: claims would take other tasks than keys and limits admit.
	KindTurnWrong = "turn_wrong"
	// KindGroupWrong: a task is counted for another group than its own.
	KindGroupWrong = "group_wrong"
)

var _ ports.StoreVerifier = (*DB)(nil)

// rule is what holds for all rows of a file.
type rule struct {
	text string
	// place is the table whose rows break query selects, by their key.
	place, query string
}

// rules hold at every commit. The counts of the lanes are what the statistics
// tell; the rest is what the claims and the retention rely on.
var rules = []rule{
	{"the counts of a lane are not those of its tasks", "lane", `
		SELECT l.id FROM lane l WHERE
			l.ready      <> (SELECT count(*) FROM task t WHERE t.lane = l.id AND t.state = 1) OR
			l.scheduled  <> (SELECT count(*) FROM task t WHERE t.lane = l.id AND t.state = 2) OR
			l.processing <> (SELECT count(*) FROM task t WHERE t.lane = l.id AND t.state = 3) OR
			l.retrying   <> (SELECT count(*) FROM task t WHERE t.lane = l.id AND t.state = 4) OR
			l.completed  <> (SELECT count(*) FROM task t WHERE t.lane = l.id AND t.state = 5) OR
			l.failed     <> (SELECT count(*) FROM task t WHERE t.lane = l.id AND t.state = 6) OR
			l.cancelled  <> (SELECT count(*) FROM task t WHERE t.lane = l.id AND t.state = 7)`},
	{"the oldest ready task of a lane is another one", "lane", `
		SELECT l.id FROM lane l WHERE iif(l.keyed = 1 OR l.turns <> 0, l.oldest, l.head) <> ifnull((SELECT min(t.seq) FROM task t WHERE t.lane = l.id AND t.state = 1), 0)`},
	{"a lane does not know whether its queue is paused", "lane", `SELECT id FROM lane WHERE paused <> (queue IN (SELECT queue FROM pause))`},
	{"a lane has no tasks", "lane", `SELECT id FROM lane WHERE id NOT IN (SELECT lane FROM task)`},
	{"it has no lane", "task", `SELECT seq FROM task WHERE lane NOT IN (SELECT id FROM lane)`},
	{"its state is none", "task", `SELECT seq FROM task WHERE state NOT BETWEEN 1 AND 7`},
	{"it is processed for no claim", "task", `SELECT seq FROM task WHERE state = 3 AND claim NOT IN (SELECT id FROM claim)`},
	{"nobody can hold its unique key so", "task", `SELECT seq FROM task WHERE hold NOT BETWEEN 0 AND 3 OR hold = 1 AND state = 3`},
	{"another task holds its unique key for a time", "task", `
		SELECT t.seq FROM task t JOIN unique_until u ON u.key = t.unique_key WHERE t.state <= 4 AND t.hold < 2`},
	{"it has no contents", "task", `SELECT seq FROM task WHERE seq NOT IN (SELECT seq FROM contents)`},
	{"it is no node of its workflow", "task", `SELECT seq FROM task WHERE workflow IS NOT NULL AND (seq NOT IN (SELECT seq FROM node)
		OR NOT EXISTS (SELECT 1 FROM workflow w WHERE w.seq = task.workflow AND task.seq < w.seq + w.nodes))`},
	{"a node belongs to no task", "node", `SELECT seq FROM node WHERE seq NOT IN (SELECT seq FROM task WHERE workflow IS NOT NULL)`},
	{"what a node waits for is that of none", "gate", `SELECT seq FROM gate WHERE seq NOT IN (SELECT seq FROM node)`},
	{"a workflow does not have its nodes", "workflow", `
		SELECT w.seq FROM workflow w LEFT JOIN workflow_plan p ON p.seq = w.seq WHERE p.seq IS NULL OR w.action NOT BETWEEN 0 AND 3
			OR w.nodes <> (SELECT count(*) FROM task t WHERE t.workflow = w.seq AND t.seq >= w.seq AND t.seq < w.seq + w.nodes) + iif(w.action = 3, w.done, 0)`},
	{"contents belong to no task", "contents", `SELECT seq FROM contents WHERE seq NOT IN (SELECT seq FROM task)`},
	{"a result belongs to no completed task", "result", `SELECT seq FROM result WHERE seq NOT IN (SELECT seq FROM task WHERE state = 5)`},
	{"a failure belongs to no task", "failure", `SELECT DISTINCT seq FROM failure WHERE seq NOT IN (SELECT seq FROM task)`},
	{"a progress has a percent or a size that none can have", "progress", fmt.Sprintf(`
		SELECT seq FROM progress WHERE percent NOT BETWEEN 0 AND 100 OR length(note) > %d OR length(data) > %d`, domain.MaxProgressNote, domain.MaxProgressData)},
	{"an entry belongs to no batch", "log_entry", `SELECT no FROM log_entry WHERE batch NOT IN (SELECT no FROM log_batch)`},
	{"the number of entries is not that of the batch", "log_batch", `
		SELECT b.no FROM log_batch b WHERE b.entries <> (SELECT count(*) FROM log_entry e WHERE e.batch = b.no)`},
	{"an event is none of those that the log has", "event", `
		SELECT e.no FROM event e, event_log l WHERE e.no NOT BETWEEN l.first_no + 1 AND l.last_no
			OR e.was NOT BETWEEN 0 AND 7 OR e.became NOT BETWEEN 0 AND 7`},
	{"an anomaly belongs to no analysis", "anomaly", `SELECT DISTINCT analysis FROM anomaly WHERE analysis NOT IN (SELECT no FROM analysis)`},
	// SQLite reads JSON texts up to their first NUL only.
	{"an anomaly is indexed by an id that is not its own", "anomaly", `
		SELECT DISTINCT analysis FROM anomaly WHERE json_valid(CAST(body AS TEXT)) AND instr(body, CAST('\u0000' AS BLOB)) = 0
			AND id <> CAST(json_extract(CAST(body AS TEXT), '$.id') AS BLOB)`},
	{"a state has a key or a size that none can have", "state", fmt.Sprintf(`
		SELECT revision FROM state WHERE length(key) NOT BETWEEN 1 AND %d OR length(data) > %d`, domain.MaxDocumentKey, domain.MaxDocumentData)},
	{"a state expires before all time", "state", `SELECT revision FROM state WHERE until_us < 0`},
	{"a schedule cannot be read, or is that of another name", "schedule", `
		SELECT rowid FROM schedule WHERE revision <= 0 OR claimed_us < 0 OR due_us < 0 OR
			iif(json_valid(CAST(body AS TEXT)), json_extract(CAST(body AS TEXT), '$.Schedule.Name') IS NOT name, 1)`},
	// WITHOUT ROWID: a row is told by its place.
	{"a pause is of no queue, or of no time", "pause", `
		SELECT n FROM (SELECT row_number() OVER (ORDER BY queue) AS n, queue, since_us FROM pause)
		WHERE length(queue) NOT BETWEEN 1 AND 64 OR since_us <= 0`},
}

// most bounds the findings of one rule.
const most = 1000

// Verify has SQLite check its file, and compares the rows with each other, all on one
// consistent view. Writers go on meanwhile,
// but their write-ahead log is not folded in until it has ended. What follows from the
// tasks alone is mended: KindSlotWrong, KindTurnWrong and KindNodeWrong. All
// else tells of a damaged file, which is to be restored from a copy.
func (db *DB) Verify(ctx context.Context, req ports.VerifyRequest) (domain.VerifySummary, error) {
	var summary domain.VerifySummary
	report := func(f domain.Finding) {
		summary.Findings++
		if f.Repaired() {
			summary.Repaired++
		}
		if req.Report != nil {
			req.Report(f)
		}
	}
	var wrong, groups []domain.Finding
	var nodes []wrongNode
	err := db.search(ctx, "verify", func(s *statements) error {
		err := s.each(func(r *row) error {
			if text := r.text(0); text != "ok" {
				report(domain.Finding{Kind: KindFileDamaged, Place: "file", Detail: text})
			}
			return r.err
		}, fmt.Sprintf("PRAGMA integrity_check(%d)", most))
		if err != nil {
			return err
		}
		for _, rule := range rules {
			found, err := rule.check(s, KindRuleBroken)
			if err != nil {
				return err
			}
			for _, f := range found {
				report(f)
			}
			if req.Progress != nil {
				req.Progress(summary)
			}
		}
		var damaged []domain.Finding
		if wrong, damaged, err = checkLimits(s, db.now()); err != nil {
			return err
		}
		for _, f := range damaged {
			report(f)
		}
		if groups, err = groupRule.check(s, KindGroupWrong); err != nil {
			return err
		}
		if nodes, err = checkNodes(s); err != nil {
			return err
		}
		for table, count := range map[string]*int64{"task": &summary.Tasks, "log_entry": &summary.Logs, "analysis": &summary.Analyses, "state": &summary.States} {
			if *count, _, err = s.number("SELECT count(*) FROM " + table); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && req.Repair && len(wrong) > 0 {
		if err = db.writer.do(ctx, "verify", (*transaction).rebuildLimits); err == nil {
			for i := range wrong {
				wrong[i].Action = "counted again"
			}
		}
	}
	if err == nil && req.Repair && len(groups) > 0 {
		if err = db.writer.do(ctx, "verify", (*transaction).mendGroups); err == nil {
			for i := range groups {
				groups[i].Action = "put in its group"
			}
		}
	}
	for _, f := range slices.Concat(wrong, groups) {
		report(f)
	}
	for part := range slices.Chunk(nodes, maxFollowed) {
		if err == nil && req.Repair {
			err = db.writer.do(ctx, "verify", func(tx *transaction) error { return tx.mendNodes(part) })
		}
		for _, f := range part {
			if err == nil && req.Repair {
				f.Action = "counted again"
			}
			report(f.Finding)
		}
	}
	return summary, err
}

// check returns what breaks the rule.
func (rule *rule) check(s *statements, kind string) ([]domain.Finding, error) {
	rows, err := s.numbers(rule.query + fmt.Sprintf(" LIMIT %d", most))
	if err != nil {
		return nil, err
	}
	found := make([]domain.Finding, len(rows))
	for i, key := range rows {
		f := &found[i]
		*f = domain.Finding{Kind: kind, Place: rule.place, Detail: fmt.Sprintf("row %d: %s", key, rule.text)}
		if rule.place == "task" {
			err := s.each(func(r *row) error {
				f.ID, f.Detail = r.uuid(0), rule.text
				return r.err
			}, "SELECT id FROM task WHERE seq = ?", key)
			if err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}
