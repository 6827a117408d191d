package application

import (
	"slices"
	"sync"

	"logsift/domain"
	"logsift/ports"
)

// registry maps task types to processors.
type registry struct {
	mu         sync.RWMutex // guards the fields below
	processors map[domain.TaskType]ports.TaskProcessor
	types      []domain.TaskType // sorted
	frozen     bool
}

func (r *registry) add(typ domain.TaskType, p ports.TaskProcessor) error {
	if err := domain.ValidateName("type", string(typ)); err != nil {
		return err
	}
	if p == nil {
		return &domain.ValidationError{Field: "processor", Rule: "must not be nil"}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.frozen {
		return &domain.ValidationError{Field: "type", Value: string(typ), Rule: "must be registered before the scheduler starts"}
	}
	if _, taken := r.processors[typ]; taken {
		return &domain.ValidationError{Field: "type", Value: string(typ), Rule: "must be registered once"}
	}
	if r.processors == nil {
		r.processors = make(map[domain.TaskType]ports.TaskProcessor)
	}
	r.processors[typ] = p
	i, _ := slices.BinarySearch(r.types, typ)
	r.types = slices.Insert(r.types, i, typ)
	return nil
}

// freeze refuses further processors and returns the types.
func (r *registry) freeze() []domain.TaskType {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frozen = true
	return slices.Clone(r.types)
}

func (r *registry) list() []domain.TaskType {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(r.types)
}

// lookup returns the processor of a type, nil if there is none.
func (r *registry) lookup(typ domain.TaskType) ports.TaskProcessor {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.processors[typ]
}
