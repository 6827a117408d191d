package portstest_test

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

// logsSave is a call of SaveLogs, and documentSave one of SaveDocument.
type logsSave struct {
	batch   domain.BatchID
	entries []domain.LogEntry
}

type documentSave struct {
	domain.Document

	ttl time.Duration
}

// brokenLogs is a sound repository of which some methods are replaced.
type brokenLogs struct {
	ports.LogRepository

	save      func(ctx context.Context, s logsSave) (int, error)
	closes    func(ctx context.Context, batch domain.BatchID) ([]domain.LogID, error)
	list      func(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error)
	remove    func(ctx context.Context, batches ...domain.BatchID) error
	purge     func(ctx context.Context, age time.Duration, limit int) (int, error)
	forget    func(ctx context.Context, age time.Duration, limit int) (int, error) // PurgeAnalyses
	analysis  func(ctx context.Context, task domain.TaskID, result domain.AnalysisResult) error
	anomalies func(ctx context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error)
	load      func(ctx context.Context, keys []string) ([]domain.Document, error)
	document  func(ctx context.Context, s documentSave) (int64, error)
	batch     func(ctx context.Context, batch domain.BatchID, skip, limit int) ([]domain.LogEntry, int, error)
	// reopen is what another process gets; nil for a store of one process.
	reopen func() ports.LogRepository
}

func newBrokenLogs(r ports.LogRepository) *brokenLogs {
	return &brokenLogs{
		LogRepository: r,
		save:          func(ctx context.Context, s logsSave) (int, error) { return r.SaveLogs(ctx, s.batch, s.entries...) },
		load: func(ctx context.Context, keys []string) ([]domain.Document, error) {
			return r.LoadDocuments(ctx, keys...)
		},
		document: func(ctx context.Context, s documentSave) (int64, error) {
			return r.SaveDocument(ctx, s.Document, s.ttl)
		},
		batch: r.ListBatch, closes: r.CloseBatch, list: r.ListLogs, remove: r.DeleteBatches, purge: r.PurgeLogs, forget: r.PurgeAnalyses, analysis: r.SaveAnalysis,
		anomalies: r.ListAnomalies,
	}
}

func (r *brokenLogs) ListBatch(ctx context.Context, batch domain.BatchID, skip, limit int) ([]domain.LogEntry, int, error) {
	return r.batch(ctx, batch, skip, limit)
}

func (r *brokenLogs) SaveLogs(ctx context.Context, batch domain.BatchID, entries ...domain.LogEntry) (int, error) {
	return r.save(ctx, logsSave{batch, entries})
}
func (r *brokenLogs) CloseBatch(ctx context.Context, batch domain.BatchID) ([]domain.LogID, error) {
	return r.closes(ctx, batch)
}
func (r *brokenLogs) ListLogs(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error) {
	return r.list(ctx, filter)
}
func (r *brokenLogs) DeleteBatches(ctx context.Context, batches ...domain.BatchID) error {
	return r.remove(ctx, batches...)
}
func (r *brokenLogs) PurgeLogs(ctx context.Context, age time.Duration, limit int) (int, error) {
	return r.purge(ctx, age, limit)
}
func (r *brokenLogs) PurgeAnalyses(ctx context.Context, age time.Duration, limit int) (int, error) {
	return r.forget(ctx, age, limit)
}
func (r *brokenLogs) SaveAnalysis(ctx context.Context, task domain.TaskID, result domain.AnalysisResult) error {
	return r.analysis(ctx, task, result)
}
func (r *brokenLogs) ListAnomalies(ctx context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error) {
	return r.anomalies(ctx, filter)
}
func (r *brokenLogs) LoadDocuments(ctx context.Context, keys ...string) ([]domain.Document, error) {
	return r.load(ctx, keys)
}
func (r *brokenLogs) SaveDocument(ctx context.Context, document domain.Document, ttl time.Duration) (int64, error) {
	return r.document(ctx, documentSave{document, ttl})
}

// all lists every entry that the filter selects.
func (r *brokenLogs) all(ctx context.Context, filter domain.LogFilter) ([]domain.LogEntry, error) {
	var out []domain.LogEntry
	filter.Limit, filter.Cursor = domain.MaxPageSize, ""
	for {
		page, err := r.LogRepository.ListLogs(ctx, filter)
		out = append(out, page.Logs...)
		if err != nil || page.NextCursor == "" {
			return out, err
		}
		filter.Cursor = page.NextCursor
	}
}

var logSabotages = map[string]sabotage[*brokenLogs]{
	"a field is forgotten": {"SaveLogs/keeps_every_field_of_an_entry", func(r *brokenLogs) {
		asks(&r.save, func(s *logsSave) {
			s.entries = slices.Clone(s.entries)
			for i := range s.entries {
				s.entries[i].Attributes = nil
			}
		})
	}},
	"a repeated save stores everything again": {"SaveLogs/stores_a_repeated_call_once_and_gives_the_same_count", func(r *brokenLogs) {
		r.save = func(ctx context.Context, s logsSave) (int, error) {
			entries := slices.Clone(s.entries)
			for i := range entries {
				if got, _ := r.GetLogs(ctx, entries[i].ID); len(got) > 0 {
					entries[i].ID = uuid.New()
				}
			}
			return r.LogRepository.SaveLogs(ctx, s.batch, entries...)
		}
	}},
	"the valid entries of a refused call are stored": {"SaveLogs/refuses_an_entry_that_breaks_a_limit_and_stores_nothing", func(r *brokenLogs) {
		r.save = func(ctx context.Context, s logsSave) (n int, err error) {
			if len(s.entries) == 0 {
				return r.LogRepository.SaveLogs(ctx, s.batch)
			}
			for _, e := range s.entries {
				if n, err = r.LogRepository.SaveLogs(ctx, s.batch, e); err != nil {
					return n, err
				}
			}
			return n, nil
		}
	}},
	"a closed batch takes entries": {"Batches/takes_no_more_entries_once_it_is_closed", func(r *brokenLogs) {
		r.save = func(ctx context.Context, s logsSave) (int, error) {
			n, err := r.LogRepository.SaveLogs(ctx, s.batch, s.entries...)
			if errors.Is(err, domain.ErrBatchClosed) {
				return r.LogRepository.SaveLogs(ctx, uuid.New(), s.entries...)
			}
			return n, err
		}
	}},
	"entries slip into a batch while it is closed": {"Batches/holds_exactly_what_was_saved_before_it_was_closed", func(r *brokenLogs) {
		r.save = func(ctx context.Context, s logsSave) (int, error) {
			n, err := r.LogRepository.SaveLogs(ctx, s.batch, s.entries...)
			if errors.Is(err, domain.ErrBatchClosed) {
				return n, nil
			}
			return n, err
		}
	}},
	"a batch that is listed takes no more": {"Batches/is_listed_in_its_order_while_it_grows,_from_where_one_was", func(r *brokenLogs) {
		r.batch = func(ctx context.Context, batch domain.BatchID, skip, limit int) ([]domain.LogEntry, int, error) {
			if _, err := r.CloseBatch(ctx, batch); err != nil {
				return nil, 0, err
			}
			return r.LogRepository.ListBatch(ctx, batch, skip, limit)
		}
	}},
	"a batch is in the order of its timestamps": {"Batches/keeps_the_order_of_the_calls_and_of_their_arguments", func(r *brokenLogs) {
		r.closes = func(ctx context.Context, batch domain.BatchID) ([]domain.LogID, error) {
			ids, err := r.LogRepository.CloseBatch(ctx, batch)
			if err != nil {
				return nil, err
			}
			logs, err := r.GetLogs(ctx, ids...)
			slices.SortStableFunc(logs, func(a, b domain.LogEntry) int { return a.Timestamp.Compare(b.Timestamp) })
			for i, e := range logs {
				ids[i] = e.ID
			}
			return ids, err
		}
	}},
	"a deleted batch leaves its analysis": {"Batches/goes_with_all_that_belongs_to_it_and_nothing_else", func(r *brokenLogs) {
		r.remove = func(ctx context.Context, batches ...domain.BatchID) error {
			for _, batch := range batches {
				a, getErr := r.GetAnalysis(ctx, batch)
				if err := r.LogRepository.DeleteBatches(ctx, batch); err != nil {
					return err
				}
				if getErr == nil {
					if err := r.LogRepository.SaveAnalysis(ctx, batch, a.Result); err != nil {
						return err
					}
				}
			}
			return nil
		}
	}},
	"a page of large entries is as long as any": {"GetLogs_and_ListLogs/gets_and_lists_entries_that_are_large_together", func(r *brokenLogs) {
		r.list = func(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error) {
			size := filter.PageSize()
			var all domain.LogPage
			for {
				page, err := r.LogRepository.ListLogs(ctx, filter)
				all.Logs, all.NextCursor = append(all.Logs, page.Logs...), page.NextCursor
				if err != nil || page.NextCursor == "" || len(all.Logs) == size {
					return all, err
				}
				filter.Cursor, filter.Limit = page.NextCursor, size-len(all.Logs)
			}
		}
	}},
	"the oldest entry comes first": {"GetLogs_and_ListLogs/lists_the_newest_timestamps_first", func(r *brokenLogs) {
		answers(&r.list, func(_ domain.LogFilter, page *domain.LogPage) { slices.Reverse(page.Logs) })
	}},
	"the end of a time range is included": {"GetLogs_and_ListLogs/lists_what_each_filter_selects", func(r *brokenLogs) {
		asks(&r.list, func(filter *domain.LogFilter) {
			if !filter.To.IsZero() {
				filter.To = filter.To.Add(time.Nanosecond)
			}
		})
	}},
	"pages are counted off from the newest": {"GetLogs_and_ListLogs/keeps_its_place_while_entries_come_and_go", func(r *brokenLogs) {
		r.list = func(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error) {
			skip, _ := strconv.Atoi(filter.Cursor)
			all, err := r.all(ctx, filter)
			if skip > len(all) {
				return domain.LogPage{}, err
			}
			rest := all[skip:]
			if len(rest) <= filter.PageSize() {
				return domain.LogPage{Logs: rest}, err
			}
			return domain.LogPage{Logs: rest[:filter.PageSize()], NextCursor: strconv.Itoa(skip + filter.PageSize())}, err
		}
	}},
	"entries of one timestamp are lost between pages": {"GetLogs_and_ListLogs/lists_entries_of_one_timestamp_each_once", func(r *brokenLogs) {
		r.list = func(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error) {
			if at, err := time.Parse(time.RFC3339Nano, filter.Cursor); err == nil {
				filter.To = at
			}
			filter.Cursor = ""
			page, err := r.LogRepository.ListLogs(ctx, filter)
			if page.NextCursor != "" {
				page.NextCursor = page.Logs[len(page.Logs)-1].Timestamp.Format(time.RFC3339Nano)
			}
			return page, err
		}
	}},
	"any cursor is taken": {"GetLogs_and_ListLogs/refuses_a_cursor_that_it_did_not_issue", func(r *brokenLogs) {
		asks(&r.list, func(filter *domain.LogFilter) {
			if _, err := base64.RawURLEncoding.DecodeString(filter.Cursor); err != nil {
				filter.Cursor = ""
			}
		})
	}},
	"the newest analysis of a task wins": {"Analyses/keeps_the_first_result_of_a_task", func(r *brokenLogs) {
		r.analysis = func(ctx context.Context, task domain.TaskID, result domain.AnalysisResult) error {
			if err := r.LogRepository.DeleteBatches(ctx, task); err != nil {
				return err
			}
			return r.LogRepository.SaveAnalysis(ctx, task, result)
		}
	}},
	"the anomalies of a page are in the order of their severity": {"Analyses/lists_the_anomalies_of_the_newest_analysis_first", func(r *brokenLogs) {
		answers(&r.anomalies, func(_ domain.AnomalyFilter, page *domain.AnomalyPage) {
			slices.SortStableFunc(page.Anomalies, func(a, b domain.FoundAnomaly) int { return int(b.Severity) - int(a.Severity) })
		})
	}},
	"the purge has no limit": {"Purge/removes_the_oldest_arrivals_first,_no_more_than_the_limit", func(r *brokenLogs) {
		r.purge = func(ctx context.Context, age time.Duration, limit int) (int, error) {
			n, err := r.LogRepository.PurgeLogs(ctx, age, limit+1)
			return min(n, limit), err
		}
	}},
	"the purge goes by what entries claim": {"Purge/removes_entries_that_arrived_long_ago", func(r *brokenLogs) {
		r.purge = func(ctx context.Context, age time.Duration, limit int) (int, error) {
			all, err := r.all(ctx, domain.LogFilter{To: time.Now().Add(-age)})
			if err != nil || len(all) == 0 {
				return 0, err
			}
			return r.LogRepository.PurgeLogs(ctx, 0, min(limit, len(all)))
		}
	}},
	"contexts are not looked at": {"Logs/ends_a_call_whose_context_has_ended", func(r *brokenLogs) {
		endures(&r.save)
	}},
}
