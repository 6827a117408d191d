package sqlitestore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"logsift/domain"
	"logsift/ports"
)

func (r *LogRepository) SaveAnalysis(ctx context.Context, task domain.TaskID, result domain.AnalysisResult) error {
	if err := ports.ValidateAnalysed(task); err != nil {
		return err
	}
	anomalies := result.Anomalies
	if anomalies != nil {
		// An empty list and none come back as they went in.
		result.Anomalies = []domain.Anomaly{}
	}
	head, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("save analysis: %w", &domain.ValidationError{Field: "result", Rule: "must be JSON: " + err.Error()})
	}
	bodies := make([][]byte, len(anomalies))
	seen := make([]int64, len(anomalies))
	severities := make([]int64, len(anomalies))
	ids := make([][]byte, len(anomalies))
	for i, a := range anomalies {
		if bodies[i], err = json.Marshal(a); err != nil {
			return fmt.Errorf("save analysis: %w", &domain.ValidationError{Field: "anomalies", Rule: "must be JSON: " + err.Error()})
		}
		seen[i], severities[i], ids[i] = a.LastSeen.UnixMicro(), int64(a.Severity), anomalyID(a.ID)
	}
	return r.db.writer.do(ctx, "save analysis", func(tx *transaction) error {
		no, ok, err := tx.number("INSERT INTO analysis (task, stored_us, result) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING no", task[:], tx.now, head)
		if err != nil || !ok {
			return err
		}
		for i, body := range bodies {
			if _, err := tx.exec("INSERT INTO anomaly (analysis, n, severity, last_seen_us, body, id) VALUES (?, ?, ?, ?, ?, ?)", no, i, severities[i], seen[i], body, ids[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// anomalyID is the column of an id: what becomes of it in JSON.
func anomalyID(id string) []byte { return bytesOf(string([]rune(id))) }

func (r *LogRepository) GetAnalysis(ctx context.Context, task domain.TaskID) (domain.Analysis, error) {
	out := domain.Analysis{TaskID: task}
	found := false
	err := r.db.read(ctx, "get analysis", func(s *statements) error {
		var no int64
		err := s.each(func(r *row) error {
			no, out.StoredAt, found = r.int(0), timeOf(r.int(1)), true
			return decodeJSON(r, 2, &out.Result)
		}, "SELECT no, stored_us, result FROM analysis WHERE task = ?", task[:])
		if err != nil || !found {
			return err
		}
		return s.each(func(r *row) error {
			var a domain.Anomaly
			err := decodeJSON(r, 0, &a)
			out.Result.Anomalies = append(out.Result.Anomalies, a)
			return err
		}, "SELECT body FROM anomaly WHERE analysis = ? ORDER BY n", no)
	})
	if err != nil {
		return domain.Analysis{}, err
	}
	if !found {
		return domain.Analysis{}, fmt.Errorf("analysis of task %s: %w", task, domain.ErrAnalysisNotFound)
	}
	return out, nil
}

// The anomalies behind a position, of one id or all.
const (
	anomalyColumns = `SELECT a.analysis, a.n, h.task, h.stored_us, a.body FROM anomaly a `
	behindPosition = `a.analysis <= ? AND (a.analysis < ? OR a.n > ?) AND a.severity >= ? AND a.last_seen_us BETWEEN ? AND ?
		ORDER BY a.analysis DESC, a.n LIMIT ?`
	listAnomalies     = anomalyColumns + `JOIN analysis h ON h.no = a.analysis WHERE ` + behindPosition
	listAnomaliesByID = anomalyColumns + `INDEXED BY anomaly_by_id CROSS JOIN analysis h ON h.no = a.analysis WHERE a.id = ? AND ` + behindPosition
)

// decodeJSON reads a column of JSON.
func decodeJSON(r *row, column int, into any) error {
	body := r.blob(column)
	if r.err != nil {
		return r.err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w: %w", domain.ErrCorruptRecord, err)
	}
	return nil
}

// ListAnomalies looks for a page at maxScan anomalies of the asked id, severity and
// time at most.
func (r *LogRepository) ListAnomalies(ctx context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error) {
	if err := filter.Validate(); err != nil {
		return domain.AnomalyPage{}, err
	}
	list := []any{"anomalies", filter.MinSeverity, filter.ID, filter.Kind, filter.Source, filter.Text, microsOf(filter.From), microsOf(filter.To)}
	from, err := parseCursor(filter.Cursor, position{never, never}, list...)
	if err != nil {
		return domain.AnomalyPage{}, err
	}
	// These bounds only leave out what filter.Matches would: it has the last
	// word, to the nanosecond.
	oldest, newest := int64(-never), int64(never)
	if !filter.From.IsZero() {
		oldest = filter.From.UnixMicro()
	}
	if !filter.To.IsZero() {
		newest = filter.To.UnixMicro()
	}
	query := listAnomalies
	args := []any{from.major, from.major, from.minor, int64(filter.MinSeverity), oldest, newest, maxScan}
	if filter.ID != "" {
		query, args = listAnomaliesByID, append([]any{anomalyID(filter.ID)}, args...)
	}
	var page domain.AnomalyPage
	err = r.db.search(ctx, "list anomalies", func(s *statements) error {
		var last position
		seen := 0
		err := s.each(func(r *row) error {
			seen++
			if len(page.Anomalies) == filter.PageSize() {
				page.NextCursor = cursorOf(last, list...)
				return errEnough
			}
			last = position{r.int(0), r.int(1)}
			found := domain.FoundAnomaly{TaskID: r.uuid(2), FoundAt: timeOf(r.int(3))}
			if err := decodeJSON(r, 4, &found.Anomaly); err != nil {
				return err
			}
			if filter.Matches(&found.Anomaly) {
				page.Anomalies = append(page.Anomalies, found)
			}
			return nil
		}, query, args...)
		if seen == maxScan && page.NextCursor == "" {
			page.NextCursor = cursorOf(last, list...)
		}
		return enough(err)
	})
	if err != nil {
		return domain.AnomalyPage{}, err
	}
	return page, nil
}

// PurgeAnalyses removes some analyses in each transaction, and some of the documents
// that expired.
func (r *LogRepository) PurgeAnalyses(ctx context.Context, age time.Duration, limit int) (int, error) {
	return purge(ctx, r.db, "purge analyses", age, limit, func(tx *transaction, until int64, n int) (int, error) {
		var nos []int64
		// Analyses are numbered as they are stored: the first are the oldest.
		err := tx.each(func(r *row) error {
			if r.int(1) > until {
				return errEnough
			}
			nos = append(nos, r.int(0))
			return r.err
		}, "SELECT no, stored_us FROM analysis ORDER BY no LIMIT ?", n)
		if err := enough(err); err != nil {
			return 0, err
		}
		if err := tx.removeExpiredStates(expiredPerPurge); err != nil {
			return 0, err
		}
		return len(nos), tx.removeAnalyses(nos)
	})
}

// removeAnalyses deletes analyses with their anomalies.
func (tx *transaction) removeAnalyses(nos []int64) error {
	list := seqList(nos)
	if _, err := tx.exec("DELETE FROM anomaly WHERE analysis IN (SELECT value FROM json_each(?))", list); err != nil {
		return err
	}
	_, err := tx.exec("DELETE FROM analysis WHERE no IN (SELECT value FROM json_each(?))", list)
	return err
}
