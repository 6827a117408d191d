package application

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"logsift/domain"
	"logsift/ports"
)

const (
	// AnnouncementRetention is how long types are announced to all processes, by the
	// store's clock.
	AnnouncementRetention = 24 * time.Hour
	// announceEvery is how often a process announces a type that it is told all the time.
	announceEvery = time.Hour
	// typeMemory is for how long a process takes a type that it found for known.
	typeMemory = time.Minute
	// maxTypes bounds how many types a process remembers, and how many it announces.
	maxTypes = 1000
)

// TaskTypes knows on which types of tasks somebody works, so that no task is taken in that
// nobody would run. A type counts if the settings or something stored name it, such as a
// schedule, if the scheduler of a process that runs now has a processor for it, or if a
// worker has claimed it within [AnnouncementRetention]. It is safe for concurrent use. A nil
// one knows none.
type TaskTypes struct {
	named      []domain.TaskType
	sources    []TypeSource
	schedulers ports.SchedulerRegistry
	documents  ports.DocumentStore
	logger     *zap.Logger

	mu        sync.Mutex // guards the fields below
	seen      map[domain.TaskType]time.Time
	announced map[domain.TaskType]time.Time
	// stored are the types of the sources, as they were at storedAt.
	stored   []domain.TaskType
	storedAt time.Time
}

// TypeSource lists the types that something stored names. It is asked once a minute at most,
// so who stores a new one also has [TaskTypes] announce it.
type TypeSource func(ctx context.Context) ([]domain.TaskType, error)

// NewTaskTypes returns what the processes of a store know, beside the named types and those
// of the sources.
func NewTaskTypes(schedulers ports.SchedulerRegistry, documents ports.DocumentStore, logger *zap.Logger, sources []TypeSource, named ...domain.TaskType) *TaskTypes {
	return &TaskTypes{
		named: named, sources: sources, schedulers: schedulers, documents: documents, logger: logger,
		seen: map[domain.TaskType]time.Time{}, announced: map[domain.TaskType]time.Time{},
	}
}

// announcementKey is the document that announces a type.
func announcementKey(typ domain.TaskType) string { return "worker-type/" + string(typ) }

// announcement is its contents: that it is there says all.
var announcement = []byte("{}")

// check returns what tells whether the type of one of the tasks is known, besides own ones:
// an error is a *domain.UnknownTypeError, or that of a store that cannot be asked. It asks
// the store once, for types that it has not found lately.
func (t *TaskTypes) check(ctx context.Context, own []domain.TaskType, tasks ...*domain.Task) func(domain.TaskType) error {
	known := slices.Clone(own)
	isKnown := func(typ domain.TaskType) bool { return slices.Contains(known, typ) }
	var missing []domain.TaskType
	if t != nil {
		known = append(known, t.named...)
		known = append(known, t.recent()...)
		for _, task := range tasks {
			if task != nil && !isKnown(task.Type) && !slices.Contains(missing, task.Type) && len(missing) < maxTypes {
				missing = append(missing, task.Type)
			}
		}
	}
	var failed error
	if len(missing) > 0 {
		var found []domain.TaskType
		found, failed = t.find(ctx, missing)
		known = append(known, found...)
	}
	return func(typ domain.TaskType) error {
		switch {
		case isKnown(typ):
			return nil
		case failed != nil:
			return failed
		}
		slices.Sort(known)
		known = slices.Compact(known)
		return &domain.UnknownTypeError{Type: typ, Known: known}
	}
}

// recent returns the types that were found lately.
func (t *TaskTypes) recent() []domain.TaskType {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.seen, func(_ domain.TaskType, at time.Time) bool { return time.Since(at) > typeMemory })
	return slices.Collect(maps.Keys(t.seen))
}

// find asks the store for the types that running schedulers have, which of the missing ones
// were announced, and if there are others, for those that its sources name.
func (t *TaskTypes) find(ctx context.Context, missing []domain.TaskType) ([]domain.TaskType, error) {
	reports, err := t.schedulers.ListSchedulers(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for task types: %w", err)
	}
	var found []domain.TaskType
	for i := range reports {
		found = append(found, reports[i].Stats.TaskTypes...)
	}
	var keys []string
	missing = slices.DeleteFunc(slices.Clone(missing), func(typ domain.TaskType) bool { return slices.Contains(found, typ) })
	for _, typ := range missing {
		keys = append(keys, announcementKey(typ))
	}
	if len(keys) > 0 {
		documents, err := t.documents.LoadDocuments(ctx, keys...)
		if err != nil {
			return nil, fmt.Errorf("look for task types: %w", err)
		}
		for i, d := range documents {
			if d.Revision > 0 {
				found = append(found, missing[i])
			}
		}
	}
	t.remember(t.seen, found...)
	if slices.ContainsFunc(missing, func(typ domain.TaskType) bool { return !slices.Contains(found, typ) }) {
		stored, err := t.fromSources(ctx)
		return append(found, stored...), err
	}
	return found, nil
}

// fromSources returns the types that the sources name, or named within typeMemory.
func (t *TaskTypes) fromSources(ctx context.Context) ([]domain.TaskType, error) {
	t.mu.Lock()
	stored, at := t.stored, t.storedAt
	t.mu.Unlock()
	if !at.IsZero() && time.Since(at) < typeMemory {
		return stored, nil
	}
	stored = nil
	for _, list := range t.sources {
		types, err := list(ctx)
		if err != nil {
			return nil, fmt.Errorf("look for task types: %w", err)
		}
		stored = append(stored, types...)
	}
	slices.Sort(stored)
	stored = slices.Compact(stored)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stored, t.storedAt = stored, time.Now()
	return stored, nil
}

func (t *TaskTypes) remember(in map[domain.TaskType]time.Time, types ...domain.TaskType) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, typ := range types {
		if _, ok := in[typ]; ok || len(in) < maxTypes {
			in[typ] = time.Now()
		}
	}
}

// announce tells all processes that somebody works on the types, or will. Where the store
// fails that is left to a later claim, or to the source of the types.
func (t *TaskTypes) announce(ctx context.Context, types ...domain.TaskType) {
	if t == nil {
		return
	}
	t.mu.Lock()
	maps.DeleteFunc(t.announced, func(_ domain.TaskType, at time.Time) bool { return time.Since(at) > announceEvery })
	var keys []string
	var due []domain.TaskType
	for _, typ := range types {
		if _, done := t.announced[typ]; !done && len(t.announced) < maxTypes {
			t.announced[typ] = time.Now()
			keys, due = append(keys, announcementKey(typ)), append(due, typ)
		}
	}
	t.mu.Unlock()
	if len(due) == 0 {
		return
	}
	documents, err := t.documents.LoadDocuments(ctx, keys...)
	for i := 0; err == nil && i < len(documents); i++ {
		documents[i].Data = announcement
		if _, saved := t.documents.SaveDocument(ctx, documents[i], AnnouncementRetention); !errors.Is(saved, domain.ErrDocumentConflict) {
			err = saved
		}
	}
	if err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, typ := range due {
			delete(t.announced, typ)
		}
		t.logger.Warn("types of tasks cannot be announced", zap.Any("types", due), zap.Error(err))
		return
	}
	t.remember(t.seen, due...)
}
