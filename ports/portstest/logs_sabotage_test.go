package portstest_test

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/domain"
	"logsift/ports"
	"logsift/ports/portstest"
)

// logSabotageEnv selects the sabotaged repository in the test binary that
// TestBrokenLogRepositoriesFail runs again.
const logSabotageEnv = "LOGSIFT_SABOTAGE_LOGS"

// brokenLogs is a sound repository of which some methods are replaced.
type brokenLogs struct {
	ports.LogRepository

	save      func(ctx context.Context, batch domain.BatchID, entries ...domain.LogEntry) (int, error)
	closes    func(ctx context.Context, batch domain.BatchID) ([]domain.LogID, error)
	list      func(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error)
	remove    func(ctx context.Context, batches ...domain.BatchID) error
	purge     func(ctx context.Context, age time.Duration, limit int) (int, error)
	forget    func(ctx context.Context, age time.Duration, limit int) (int, error) // PurgeAnalyses
	analysis  func(ctx context.Context, task domain.TaskID, result domain.AnalysisResult) error
	anomalies func(ctx context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error)
	load      func(ctx context.Context, keys ...string) ([]domain.State, error)
	state     func(ctx context.Context, state domain.State, ttl time.Duration) (int64, error)
	// reopen is what another process gets; nil for a store of one process.
	reopen func() ports.LogRepository
}

func (r *brokenLogs) SaveLogs(ctx context.Context, batch domain.BatchID, entries ...domain.LogEntry) (int, error) {
	if r.save != nil {
		return r.save(ctx, batch, entries...)
	}
	return r.LogRepository.SaveLogs(ctx, batch, entries...)
}

func (r *brokenLogs) CloseBatch(ctx context.Context, batch domain.BatchID) ([]domain.LogID, error) {
	if r.closes != nil {
		return r.closes(ctx, batch)
	}
	return r.LogRepository.CloseBatch(ctx, batch)
}

func (r *brokenLogs) ListLogs(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error) {
	if r.list != nil {
		return r.list(ctx, filter)
	}
	return r.LogRepository.ListLogs(ctx, filter)
}

func (r *brokenLogs) DeleteBatches(ctx context.Context, batches ...domain.BatchID) error {
	if r.remove != nil {
		return r.remove(ctx, batches...)
	}
	return r.LogRepository.DeleteBatches(ctx, batches...)
}

func (r *brokenLogs) PurgeLogs(ctx context.Context, age time.Duration, limit int) (int, error) {
	if r.purge != nil {
		return r.purge(ctx, age, limit)
	}
	return r.LogRepository.PurgeLogs(ctx, age, limit)
}

func (r *brokenLogs) PurgeAnalyses(ctx context.Context, age time.Duration, limit int) (int, error) {
	if r.forget != nil {
		return r.forget(ctx, age, limit)
	}
	return r.LogRepository.PurgeAnalyses(ctx, age, limit)
}

func (r *brokenLogs) SaveAnalysis(ctx context.Context, task domain.TaskID, result domain.AnalysisResult) error {
	if r.analysis != nil {
		return r.analysis(ctx, task, result)
	}
	return r.LogRepository.SaveAnalysis(ctx, task, result)
}

func (r *brokenLogs) ListAnomalies(ctx context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error) {
	if r.anomalies != nil {
		return r.anomalies(ctx, filter)
	}
	return r.LogRepository.ListAnomalies(ctx, filter)
}

func (r *brokenLogs) LoadStates(ctx context.Context, keys ...string) ([]domain.State, error) {
	if r.load != nil {
		return r.load(ctx, keys...)
	}
	return r.LogRepository.LoadStates(ctx, keys...)
}

func (r *brokenLogs) SaveState(ctx context.Context, state domain.State, ttl time.Duration) (int64, error) {
	if r.state != nil {
		return r.state(ctx, state, ttl)
	}
	return r.LogRepository.SaveState(ctx, state, ttl)
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

// logSabotage breaks one promise. caught is the case that must fail.
type logSabotage struct {
	caught string
	breaks func(r *brokenLogs)
}

// sabotagesOfLogs are all of them, by what they do.
func sabotagesOfLogs() map[string]logSabotage {
	all := maps.Clone(logSabotages)
	maps.Copy(all, anomalySabotages)
	maps.Copy(all, stateSabotages)
	return all
}

var logSabotages = map[string]logSabotage{
	"a field is forgotten": {
		"SaveLogs/keeps_every_field_of_an_entry", func(r *brokenLogs) {
			r.save = func(ctx context.Context, batch domain.BatchID, entries ...domain.LogEntry) (int, error) {
				entries = slices.Clone(entries)
				for i := range entries {
					entries[i].Attributes = nil
				}
				return r.LogRepository.SaveLogs(ctx, batch, entries...)
			}
		},
	},
	"a repeated save stores everything again": {
		"SaveLogs/stores_a_repeated_call_once_and_gives_the_same_count", func(r *brokenLogs) {
			r.save = func(ctx context.Context, batch domain.BatchID, entries ...domain.LogEntry) (int, error) {
				entries = slices.Clone(entries)
				for i := range entries {
					if got, _ := r.GetLogs(ctx, entries[i].ID); len(got) > 0 {
						entries[i].ID = uuid.New()
					}
				}
				return r.LogRepository.SaveLogs(ctx, batch, entries...)
			}
		},
	},
	"the valid entries of a refused call are stored": {
		"SaveLogs/refuses_an_entry_that_breaks_a_limit_and_stores_nothing", func(r *brokenLogs) {
			r.save = func(ctx context.Context, batch domain.BatchID, entries ...domain.LogEntry) (n int, err error) {
				if len(entries) == 0 {
					return r.LogRepository.SaveLogs(ctx, batch)
				}
				for _, e := range entries {
					if n, err = r.LogRepository.SaveLogs(ctx, batch, e); err != nil {
						return n, err
					}
				}
				return n, nil
			}
		},
	},
	"a closed batch takes entries": {
		"Batches/takes_no_more_entries_once_it_is_closed", func(r *brokenLogs) {
			r.save = func(ctx context.Context, batch domain.BatchID, entries ...domain.LogEntry) (int, error) {
				n, err := r.LogRepository.SaveLogs(ctx, batch, entries...)
				if errors.Is(err, domain.ErrBatchClosed) {
					return r.LogRepository.SaveLogs(ctx, uuid.New(), entries...)
				}
				return n, err
			}
		},
	},
	"entries slip into a batch while it is closed": {
		"Batches/holds_exactly_what_was_saved_before_it_was_closed", func(r *brokenLogs) {
			r.save = func(ctx context.Context, batch domain.BatchID, entries ...domain.LogEntry) (int, error) {
				n, err := r.LogRepository.SaveLogs(ctx, batch, entries...)
				if errors.Is(err, domain.ErrBatchClosed) {
					return n, nil
				}
				return n, err
			}
		},
	},
	"a batch is in the order of its timestamps": {
		"Batches/keeps_the_order_of_the_calls_and_of_their_arguments", func(r *brokenLogs) {
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
		},
	},
	"a deleted batch leaves its analysis": {
		"Batches/goes_with_all_that_belongs_to_it_and_nothing_else", func(r *brokenLogs) {
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
		},
	},
	"the oldest entry comes first": {
		"GetLogs_and_ListLogs/lists_the_newest_timestamps_first", func(r *brokenLogs) {
			r.list = func(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error) {
				page, err := r.LogRepository.ListLogs(ctx, filter)
				slices.Reverse(page.Logs)
				return page, err
			}
		},
	},
	"the end of a time range is included": {
		"GetLogs_and_ListLogs/lists_what_each_filter_selects", func(r *brokenLogs) {
			r.list = func(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error) {
				if !filter.To.IsZero() {
					filter.To = filter.To.Add(time.Nanosecond)
				}
				return r.LogRepository.ListLogs(ctx, filter)
			}
		},
	},
	"pages are counted off from the newest": {
		"GetLogs_and_ListLogs/keeps_its_place_while_entries_come_and_go", func(r *brokenLogs) {
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
		},
	},
	"entries of one timestamp are lost between pages": {
		"GetLogs_and_ListLogs/lists_entries_of_one_timestamp_each_once", func(r *brokenLogs) {
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
		},
	},
	"any cursor is taken": {
		"GetLogs_and_ListLogs/refuses_a_cursor_that_it_did_not_issue", func(r *brokenLogs) {
			r.list = func(ctx context.Context, filter domain.LogFilter) (domain.LogPage, error) {
				if _, err := base64.RawURLEncoding.DecodeString(filter.Cursor); err != nil {
					filter.Cursor = ""
				}
				return r.LogRepository.ListLogs(ctx, filter)
			}
		},
	},
	"the newest analysis of a task wins": {
		"Analyses/keeps_the_first_result_of_a_task", func(r *brokenLogs) {
			r.analysis = func(ctx context.Context, task domain.TaskID, result domain.AnalysisResult) error {
				if err := r.LogRepository.DeleteBatches(ctx, task); err != nil {
					return err
				}
				return r.LogRepository.SaveAnalysis(ctx, task, result)
			}
		},
	},
	"the anomalies of a page are in the order of their severity": {
		"Analyses/lists_the_anomalies_of_the_newest_analysis_first", func(r *brokenLogs) {
			r.anomalies = func(ctx context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error) {
				page, err := r.LogRepository.ListAnomalies(ctx, filter)
				slices.SortStableFunc(page.Anomalies, func(a, b domain.FoundAnomaly) int { return int(b.Severity) - int(a.Severity) })
				return page, err
			}
		},
	},
	"the purge has no limit": {
		"Purge/removes_the_oldest_arrivals_first,_no_more_than_the_limit", func(r *brokenLogs) {
			r.purge = func(ctx context.Context, age time.Duration, limit int) (int, error) {
				n, err := r.LogRepository.PurgeLogs(ctx, age, limit+1)
				return min(n, limit), err
			}
		},
	},
	"the purge goes by what entries claim": {
		"Purge/removes_entries_that_arrived_long_ago", func(r *brokenLogs) {
			r.purge = func(ctx context.Context, age time.Duration, limit int) (int, error) {
				all, err := r.all(ctx, domain.LogFilter{To: time.Now().Add(-age)})
				if err != nil || len(all) == 0 {
					return 0, err
				}
				return r.LogRepository.PurgeLogs(ctx, 0, min(limit, len(all)))
			}
		},
	},
	"contexts are not looked at": {
		"Store/ends_a_call_whose_context_has_ended", func(r *brokenLogs) {
			r.save = func(ctx context.Context, batch domain.BatchID, entries ...domain.LogEntry) (int, error) {
				return r.LogRepository.SaveLogs(context.WithoutCancel(ctx), batch, entries...)
			}
		},
	},
}

// TestBrokenLogRepositoriesFail proves that the suite can fail: a repository that
// breaks a promise fails the case of that promise.
func TestBrokenLogRepositoriesFail(t *testing.T) {
	t.Parallel()
	for sabotage, s := range sabotagesOfLogs() {
		t.Run(sabotage, func(t *testing.T) {
			t.Parallel()
			group, name, _ := strings.Cut(s.caught, "/")
			run := "^TestSabotagedLogRepository$/^suite$/^" + group + "$/^" + name + "$"
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+run)
			cmd.Env = append(os.Environ(), logSabotageEnv+"="+sabotage)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "the suite passed a repository for which holds: %s\n%s", sabotage, out)
			require.Contains(t, string(out), "--- FAIL: TestSabotagedLogRepository/suite/"+s.caught)
			require.Contains(t, string(out), "the broken promise: ")
		})
	}
}

// TestSabotagedLogRepository runs the suite on a sabotaged repository when
// TestBrokenLogRepositoriesFail asks for one, and on the sound one otherwise.
func TestSabotagedLogRepository(t *testing.T) {
	s := sabotagesOfLogs()[os.Getenv(logSabotageEnv)]
	t.Run("suite", func(t *testing.T) {
		portstest.TestLogRepository(t, func(*testing.T) portstest.LogHarness {
			var offset atomic.Int64
			now := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
			r := &brokenLogs{LogRepository: memstore.NewLogRepository(memstore.Config{Now: now})}
			if s.breaks != nil {
				s.breaks(r)
			}
			h := portstest.LogHarness{Repository: r, Advance: func(d time.Duration) { offset.Add(int64(d)) }}
			if r.reopen != nil {
				h.Reopen = func(*testing.T) ports.LogRepository { return r.reopen() }
				h.Restart = h.Reopen
			}
			return h
		})
	})
}
