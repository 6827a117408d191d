package memstore

import (
	"iter"

	"logsift/domain"
)

// lane is a pair of queue and type. Each has its own ready tasks, so that a claim for
// some is not held up by others.
type lane struct {
	queue string
	typ   domain.TaskType
}

// readyTasks are those of a lane.
type readyTasks struct {
	// heads are the tasks without a key, and of each key the first one while its limit
	// lets that begin.
	heads *heap[*domain.Task]
	keys  map[string]*heap[*domain.Task]
	q     *TaskQueue
}

// lane returns the ready tasks of the task's lane, made if there was none.
func (q *TaskQueue) lane(t *domain.Task) *readyTasks {
	l := lane{t.Queue, t.Type}
	r, ok := q.ready[l]
	if !ok {
		r = &readyTasks{keys: map[string]*heap[*domain.Task]{}, q: q}
		r.heads = newHeap(claimOrder, func(t *domain.Task) bool { return q.isReady(t) && (t.Key == "" || q.admits(t)) }, q.size)
		q.ready[l] = r
	}
	return r
}

// push adds a ready task.
func (r *readyTasks) push(t *domain.Task) {
	if t.Key == "" {
		r.heads.push(t)
		return
	}
	h, ok := r.keys[t.Key]
	if !ok {
		h = newHeap(claimOrder, r.q.isReady, r.q.size)
		r.keys[t.Key] = h
	}
	h.push(t)
	if first, _ := h.peek(); (first == t || r.q.limits.holds(t)) && r.q.admits(t) {
		r.heads.push(t)
	}
}

// first returns the first ready task of a key, nil for none.
func (r *readyTasks) first(key string) *domain.Task {
	h, ok := r.keys[key]
	if !ok {
		return nil
	}
	t, ok := h.peek()
	if !ok {
		delete(r.keys, key)
		return nil
	}
	return t
}

func (r *readyTasks) trim() {
	r.heads.trim()
	for _, h := range r.keys {
		h.trim()
	}
}

// all are the ready tasks of the lane, each once.
func (r *readyTasks) all() iter.Seq[*domain.Task] {
	return func(yield func(*domain.Task) bool) {
		seen := map[*domain.Task]bool{}
		heaps := []*heap[*domain.Task]{r.heads}
		for _, h := range r.keys {
			heaps = append(heaps, h)
		}
		for _, h := range heaps {
			for _, t := range h.items {
				// A task that ran again may still have its place of before.
				if !r.q.isReady(t) || seen[t] {
					continue
				}
				seen[t] = true
				if !yield(t) {
					return
				}
			}
		}
	}
}
