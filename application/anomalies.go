package application

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"logsift/domain"
)

// GetAnomaly returns the anomaly over the newest domain.MaxAnomalyFindings of its
// findings, or domain.ErrAnomalyNotFound.
func (s *LogService) GetAnomaly(ctx context.Context, id string) (domain.AnomalyHistory, error) {
	var h domain.AnomalyHistory
	filter, err := findingsOf(id)
	if err != nil {
		return h, err
	}
	for n := 0; ; {
		page, err := s.logs.ListAnomalies(ctx, filter)
		if err != nil {
			return domain.AnomalyHistory{}, err
		}
		for _, f := range page.Anomalies {
			h.Add(f)
		}
		n += len(page.Anomalies)
		h.Truncated = page.NextCursor != "" && n >= domain.MaxAnomalyFindings
		if page.NextCursor == "" || h.Truncated {
			break
		}
		filter.Cursor = page.NextCursor
	}
	if len(h.TaskIDs) == 0 {
		return h, fmt.Errorf("%w: %s", domain.ErrAnomalyNotFound, id)
	}
	return h, nil
}

// findingsOf selects the findings of one anomaly, in the largest pages.
func findingsOf(id string) (domain.AnomalyFilter, error) {
	if id == "" {
		return domain.AnomalyFilter{}, &domain.ValidationError{Field: "id", Rule: "must not be empty"}
	}
	filter := domain.AnomalyFilter{ID: id, Limit: domain.MaxPageSize}
	return filter, filter.Validate()
}

// maxFindingsForLogs is how many findings one page of an anomaly's entries looks
// at, so that a call has a bound where all entries are gone.
const maxFindingsForLogs = 100

// ListAnomalyLogs returns a page of the entries behind an anomaly, of at most
// limit entries (0 is domain.DefaultPageSize). An entry that several findings name
// is listed for each. An anomaly that no analysis found is
// domain.ErrAnomalyNotFound. Findings that come while a client pages are not
// listed, and change nothing for the others.
func (s *LogService) ListAnomalyLogs(ctx context.Context, id string, limit int, cursor string) (domain.AnomalyLogs, error) {
	var out domain.AnomalyLogs
	filter, err := findingsOf(id)
	if err != nil {
		return out, err
	}
	room := domain.LogFilter{Limit: limit}
	if err := room.Validate(); err != nil {
		return out, err
	}
	at, err := parseLogsCursor(cursor)
	if err != nil {
		return out, err
	}
	filter.Limit, filter.Cursor = 1, at.findings
	for range maxFindingsForLogs {
		page, err := s.logs.ListAnomalies(ctx, filter)
		if err != nil {
			return domain.AnomalyLogs{}, err
		}
		if len(page.Anomalies) == 0 {
			if cursor == "" && filter.Cursor == "" {
				return out, fmt.Errorf("%w: %s", domain.ErrAnomalyNotFound, id)
			}
			return out, nil
		}
		// Where the findings are listed from their begin, newer ones may have come
		// before the one that the cursor is at.
		if f := &page.Anomalies[0]; !at.newer(f) {
			if at.task != f.TaskID {
				at = logsCursor{task: f.TaskID, foundAt: f.FoundAt.UnixMicro(), findings: filter.Cursor}
			}
			more, err := s.addLogs(ctx, &out, f, &at, room.PageSize())
			if err != nil {
				return domain.AnomalyLogs{}, err
			}
			if more {
				out.NextCursor = at.String()
				return out, nil
			}
			at = logsCursor{findings: page.NextCursor}
		}
		if page.NextCursor == "" {
			return out, nil
		}
		filter.Cursor = page.NextCursor
	}
	at.findings = filter.Cursor
	out.NextCursor = at.String()
	return out, nil
}

// addLogs adds entries of a finding, the last one first and from the place of the
// cursor on, until the page is full. It moves the cursor and reports whether more
// are left.
func (s *LogService) addLogs(ctx context.Context, out *domain.AnomalyLogs, f *domain.FoundAnomaly, at *logsCursor, size int) (more bool, err error) {
	left := f.LogIDs[:max(len(f.LogIDs)-at.done, 0)]
	for len(left) > 0 {
		if len(out.Logs) == size {
			return true, nil
		}
		some := slices.Clone(left[max(len(left)-(size-len(out.Logs)), 0):])
		slices.Reverse(some)
		logs, err := s.logs.GetLogs(ctx, some...)
		if err != nil {
			return false, fmt.Errorf("read the entries of anomaly %s: %w", f.ID, err)
		}
		out.Logs = append(out.Logs, logs...)
		out.Missing += len(some) - len(logs)
		left = left[:len(left)-len(some)]
		at.done += len(some)
	}
	return false, nil
}

// logsCursor is a place in the entries of an anomaly: how many of the entries of a
// finding were listed, the task and time (in microseconds) of that finding, none if
// it is not begun, and the cursor of the findings from which it is found.
type logsCursor struct {
	done     int
	task     domain.TaskID
	foundAt  int64
	findings string
}

// newer reports whether the finding came after the one that the cursor is at.
func (c logsCursor) newer(f *domain.FoundAnomaly) bool {
	return c.task != uuid.Nil && c.task != f.TaskID && f.FoundAt.UnixMicro() > c.foundAt
}

func (c logsCursor) String() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s %d %s", c.done, c.task, c.foundAt, c.findings))
}

// parseLogsCursor reads a cursor; "" is the begin. The cursor of the findings in
// it is checked by the store.
func parseLogsCursor(text string) (logsCursor, error) {
	var c logsCursor
	if text == "" {
		return c, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	parts := strings.SplitN(string(raw), " ", 4)
	if err != nil || len(parts) != 4 {
		return c, domain.ErrInvalidCursor
	}
	if c.done, err = strconv.Atoi(parts[0]); err != nil || c.done < 0 {
		return c, domain.ErrInvalidCursor
	}
	if c.task, err = uuid.Parse(parts[1]); err != nil {
		return c, domain.ErrInvalidCursor
	}
	if c.foundAt, err = strconv.ParseInt(parts[2], 10, 64); err != nil {
		return c, domain.ErrInvalidCursor
	}
	c.findings = parts[3]
	return c, nil
}
