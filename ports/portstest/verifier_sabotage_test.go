package portstest_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"logsift/domain"
	"logsift/ports"
)

// brokenVerifier finds that harm was done to the store in memory, which it cannot be
// otherwise: the least that keeps the contract.
type brokenVerifier struct {
	b      *broken
	harmed atomic.Bool
	verify func(ctx context.Context, req ports.VerifyRequest) (domain.VerifySummary, error)
}

func (v *brokenVerifier) harm(*testing.T) { v.harmed.Store(true) }

func (v *brokenVerifier) Verify(ctx context.Context, req ports.VerifyRequest) (domain.VerifySummary, error) {
	return v.verify(ctx, req)
}

func (v *brokenVerifier) sound(ctx context.Context, req ports.VerifyRequest) (s domain.VerifySummary, err error) {
	stats, err := v.b.queue.TaskQueue.GetQueueStats(ctx)
	if err != nil {
		return s, err
	}
	s.Tasks = stats.Total()
	logs, err := v.b.logs.all(ctx, domain.LogFilter{})
	if err != nil {
		return s, err
	}
	s.Logs = int64(len(logs))
	// The suite looks for one analysis and one document.
	if page, err := v.b.logs.LogRepository.ListAnomalies(ctx, domain.AnomalyFilter{}); err != nil || len(page.Anomalies) > 0 {
		s.Analyses = 1
	}
	for n := range 41 {
		key := "key"
		if n > 0 {
			key = fmt.Sprint("key ", n-1)
		}
		if got, err := v.b.logs.LogRepository.LoadDocuments(ctx, key); err == nil && got[0].Revision > 0 {
			s.States = 1
		}
	}
	if v.harmed.Load() {
		f := domain.Finding{Kind: "harm", Place: "memory"}
		s.Findings++
		if req.Repair {
			v.harmed.Store(false)
			f.Action = "healed"
			s.Repaired++
		}
		if req.Report != nil {
			req.Report(f)
		}
	}
	return s, nil
}

const (
	counted  = "Verifier/a_sound_store_has_no_findings,_and_what_was_looked_at_is_counted"
	reported = "Verifier/what_is_broken_is_reported,_each_finding_once,_and_is_no_error"
	mended   = "Verifier/what_was_mended_is_found_no_more,_and_no_task_is_lost"
)

var verifierSabotages = map[string]sabotage[*brokenVerifier]{
	"nothing is looked at": {counted, func(v *brokenVerifier) {
		answers(&v.verify, func(_ ports.VerifyRequest, s *domain.VerifySummary) { *s = domain.VerifySummary{} })
	}},
	"everything is broken": {counted, func(v *brokenVerifier) {
		asks(&v.verify, func(*ports.VerifyRequest) { v.harmed.Store(true) })
	}},
	"nothing is broken": {reported, func(v *brokenVerifier) {
		asks(&v.verify, func(*ports.VerifyRequest) { v.harmed.Store(false) })
	}},
	"findings are counted and not reported": {reported, func(v *brokenVerifier) {
		asks(&v.verify, func(req *ports.VerifyRequest) { req.Report = nil })
	}},
	"findings are an error": {reported, func(v *brokenVerifier) {
		v.verify = func(ctx context.Context, req ports.VerifyRequest) (domain.VerifySummary, error) {
			s, err := v.sound(ctx, req)
			if err == nil && s.Findings > 0 {
				err = domain.ErrCorruptRecord
			}
			return s, err
		}
	}},
	"a check mends": {reported, func(v *brokenVerifier) {
		answers(&v.verify, func(ports.VerifyRequest, *domain.VerifySummary) { v.harmed.Store(false) })
	}},
	"repairs are reported and not made": {mended, func(v *brokenVerifier) {
		v.verify = func(ctx context.Context, req ports.VerifyRequest) (domain.VerifySummary, error) {
			harmed := v.harmed.Load()
			defer v.harmed.Store(harmed)
			return v.sound(ctx, req)
		}
	}},
	"a repair is to remove all": {mended, func(v *brokenVerifier) {
		v.verify = func(ctx context.Context, req ports.VerifyRequest) (domain.VerifySummary, error) {
			if page, err := v.b.queue.ListTasks(ctx, domain.TaskFilter{}); req.Repair && err == nil {
				for _, task := range page.Tasks {
					_ = v.b.queue.DeleteTask(ctx, task.ID)
				}
			}
			return v.sound(ctx, req)
		}
	}},
	"what changes meanwhile is broken": {"Verifier/a_store_in_use_gives_no_false_alarm", func(v *brokenVerifier) {
		v.verify = func(ctx context.Context, req ports.VerifyRequest) (domain.VerifySummary, error) {
			before, _ := v.b.queue.GetQueueStats(ctx)
			s, err := v.sound(ctx, req)
			if after, _ := v.b.queue.GetQueueStats(ctx); after.Total() != before.Total() || after.Completed != before.Completed {
				v.harmed.Store(true)
			}
			return s, err
		}
	}},
	"contexts are not looked at": {"Verifier/a_check_ends_with_its_context", func(v *brokenVerifier) {
		endures(&v.verify)
	}},
}
