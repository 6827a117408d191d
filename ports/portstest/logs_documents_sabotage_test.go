package portstest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"logsift/adapters/memstore"
	"logsift/domain"
	"logsift/ports"
)

// documentSabotages are the sabotages of ports.DocumentStore.
var documentSabotages = map[string]sabotage[*brokenLogs]{
	"data end at their last byte that is not NUL": {"Documents/gives_back_what_was_saved", func(r *brokenLogs) {
		asks(&r.document, func(s *documentSave) { s.Data = bytes.TrimRight(s.Data, "\x00") })
	}},
	"data are cut": {"Documents/keeps_the_largest_documents", func(r *brokenLogs) {
		asks(&r.document, func(s *documentSave) { s.Data = s.Data[:min(len(s.Data), domain.MaxDocumentData-1)] })
	}},
	"a key that has nothing has a revision": {"Documents/gives_nothing_for_a_key_that_has_nothing", func(r *brokenLogs) {
		answers(&r.load, func(_ []string, got *[]domain.Document) {
			for i := range *got {
				(*got)[i].Revision = max((*got)[i].Revision, 1)
			}
		})
	}},
	"documents come in the order of their keys": {"Documents/loads_many_keys_in_their_order,_each_as_often_as_it_is_named", func(r *brokenLogs) {
		asks(&r.load, func(keys *[]string) { *keys = slices.Sorted(slices.Values(*keys)) })
	}},
	"saving the same again is no save": {"Documents/gives_each_save_a_higher_revision", func(r *brokenLogs) {
		r.document = func(ctx context.Context, s documentSave) (int64, error) {
			if got, err := r.LogRepository.LoadDocuments(ctx, s.Key); err != nil || bytes.Equal(got[0].Data, s.Data) {
				return s.Revision, err
			}
			return r.LogRepository.SaveDocument(ctx, s.Document, s.ttl)
		}
	}},
	"the newest save wins": {"Documents/changes_nothing_if_the_revision_is_another", func(r *brokenLogs) {
		r.document = func(ctx context.Context, s documentSave) (int64, error) {
			next, err := r.LogRepository.SaveDocument(ctx, s.Document, s.ttl)
			for errors.Is(err, domain.ErrDocumentConflict) {
				got, loadErr := r.LogRepository.LoadDocuments(ctx, s.Key)
				if loadErr != nil {
					return 0, loadErr
				}
				s.Revision = got[0].Revision
				next, err = r.LogRepository.SaveDocument(ctx, s.Document, s.ttl)
			}
			return next, err
		}
	}},
	"documents stay for ever": {"Documents/forgets_a_document_when_its_time_is_over", func(r *brokenLogs) {
		asks(&r.document, func(s *documentSave) { s.ttl = 0 })
	}},
	"a time to live stays until another is named": {"Documents/counts_the_time_to_live_from_the_last_save", func(r *brokenLogs) {
		asks(&r.document, func(s *documentSave) {
			if s.Revision > 0 && s.ttl == 0 {
				s.ttl = time.Minute
			}
		})
	}},
	"revisions are counted from 1 again": {"Documents/starts_again_after_a_document_expired,_and_never_with_a_revision_that_was_there", countRevisions},
	"who comes too late seems to have saved": {"Documents/lets_one_of_those_win_that_save_at_the_same_time", func(r *brokenLogs) {
		r.document = func(ctx context.Context, s documentSave) (int64, error) {
			next, err := r.LogRepository.SaveDocument(ctx, s.Document, s.ttl)
			if errors.Is(err, domain.ErrDocumentConflict) {
				return s.Revision + 1, nil
			}
			return next, err
		}
	}},
	"every tenth save is lost": {"Documents/adds_up_what_many_add_at_the_same_time", func(r *brokenLogs) {
		var saves atomic.Int64
		r.document = func(ctx context.Context, s documentSave) (int64, error) {
			if saves.Add(1)%10 == 0 {
				return s.Revision + 1, nil
			}
			return r.LogRepository.SaveDocument(ctx, s.Document, s.ttl)
		}
	}},
	"spaces around a key do not count": {"Documents/takes_keys_of_any_bytes", func(r *brokenLogs) {
		asks(&r.document, func(s *documentSave) {
			if s.Key != " " {
				s.Key = strings.Trim(s.Key, " ")
			}
		})
	}},
	"a document goes with a batch": {"Documents/keeps_documents_apart_from_logs_and_analyses", func(r *brokenLogs) {
		var gone atomic.Bool
		r.remove = func(ctx context.Context, batches ...domain.BatchID) error {
			gone.Store(true)
			return r.LogRepository.DeleteBatches(ctx, batches...)
		}
		r.load = func(ctx context.Context, keys []string) ([]domain.Document, error) {
			if gone.Load() {
				return []domain.Document{{Key: keys[0]}}, nil
			}
			return r.LogRepository.LoadDocuments(ctx, keys...)
		}
	}},
	"one copy of the data serves all": {"Documents/shares_no_memory_of_documents_with_its_callers", func(r *brokenLogs) {
		answers(&r.load, func(_ []string, got *[]domain.Document) {
			for i := range *got {
				(*got)[i].Data = (*got)[0].Data
			}
		})
	}},
	"contexts of documents are not looked at": {"Logs/ends_a_call_whose_context_has_ended", func(r *brokenLogs) {
		endures(&r.document)
	}},
	"each process has documents of its own": {"Documents/shows_the_same_documents_to_another_process,_and_keeps_them_over_a_restart", func(r *brokenLogs) {
		r.reopen = func() ports.LogRepository { return memstore.NewLogRepository(memstore.Config{}) }
	}},
}

// countRevisions has each key count its saves, and begin anew when it has nothing.
func countRevisions(r *brokenLogs) {
	var mu sync.Mutex // guards both maps
	counted, stored := map[string]int64{}, map[string]int64{}
	r.document = func(ctx context.Context, s documentSave) (int64, error) {
		mu.Lock()
		defer mu.Unlock()
		count := s.Revision
		if count > 0 && count == counted[s.Key] {
			s.Revision = stored[s.Key]
		}
		next, err := r.LogRepository.SaveDocument(ctx, s.Document, s.ttl)
		if err != nil {
			return 0, err
		}
		counted[s.Key], stored[s.Key] = count+1, next
		return count + 1, nil
	}
}
