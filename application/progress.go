package application

import (
	"context"
	"errors"
	"slices"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// progressPause is how long progress waits at most before it is saved, and between two
// saves of a process.
const progressPause = time.Second

// runKey is what the context of a processor has its run under.
type runKey struct{}

// currentRun is a run and its scheduler.
type currentRun struct {
	*DefaultScheduler

	run *run
	// group is that of the run, if the context is of all of it.
	group *groupRun
}

// runs are those that the context is of.
func (c currentRun) runs() []*run {
	if c.group != nil {
		return c.group.runs
	}
	return c.run.self[:]
}

// Progress says how far the run has come that ctx, the context of a processor, is of:
// a percentage from 0 to 100, a note for people, and data, JSON or nothing. Limits are those of
// domain.Progress; the error is a *domain.ValidationError. It returns at once and may be called
// as often as one likes: the newest is stored within about a second, for all to see until
// the run ends. Without a run, or where the scheduler has no SchedulerConfig.Runs, it does
// nothing.
func Progress(ctx context.Context, percent int, note string, data []byte) error {
	p := &domain.Progress{Percent: percent, Note: note, Data: slices.Clone(data)}
	if err := p.Validate(); err != nil {
		return err
	}
	if current, ok := ctx.Value(runKey{}).(currentRun); ok && current.progress != nil {
		for _, r := range current.runs() {
			r.progress.Store(p)
		}
		notify(current.progress.changed)
	}
	return nil
}

// progressSaver saves what processors say of their runs, all of a process together.
type progressSaver struct {
	*DefaultScheduler

	changed chan struct{} // has an item when there is something new
}

func (s *progressSaver) run(ctx context.Context) {
	for {
		// What says nothing new is saved again, before the store forgets it.
		again := time.NewTimer(ports.ProgressKept / 4)
		select {
		case <-s.changed:
		case <-again.C:
		case <-ctx.Done():
		}
		again.Stop()
		if ctx.Err() != nil {
			return
		}
		if !s.save(ctx, time.Now()) {
			notify(s.changed)
		}
		if !sleep(ctx, progressPause) {
			return
		}
	}
}

// save saves what is new and reports whether the store took it.
func (s *progressSaver) save(ctx context.Context, now time.Time) bool {
	var runs []*run
	var progress []ports.RunProgress
	size := 0
	for _, r := range s.leases.snapshot() {
		p := r.progress.Load()
		if p == nil || p == r.saved && now.Sub(r.savedAt) < ports.ProgressKept/2 {
			continue
		}
		size += len(p.Note) + len(p.Data)
		if len(runs) == maxCall || len(runs) > 0 && size > ports.MaxCallBytes {
			notify(s.changed) // The others come next.
			break
		}
		runs, progress = append(runs, r), append(progress, ports.RunProgress{Lease: r.lease, Progress: *p})
		r.saved, r.savedAt = p, now
	}
	if len(runs) == 0 {
		return true
	}
	call, cancel := context.WithTimeout(ctx, callTimeout+ports.TransferTime(size))
	defer cancel()
	err := s.cfg.Runs.SaveProgress(call, progress...)
	var storeErr error
	for i, r := range runs {
		switch item := domain.ItemError(err, i); {
		case item == nil:
		case errors.Is(item, domain.ErrLeaseLost):
			s.leases.lose(r)
		default:
			storeErr, r.saved = item, nil
		}
	}
	return s.noteStore(ctx, "SaveProgress", storeErr)
}
