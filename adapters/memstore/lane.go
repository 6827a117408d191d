package memstore

import (
	"cmp"
	"iter"

	"logsift/domain"
)

// lane is a queue, a type and a priority. Each has its own ready tasks, so that a claim for
// some is not held up by others.
type lane struct {
	queue    string
	typ      domain.TaskType
	priority domain.Priority
}

// readyTasks are those of a lane. Its keys take turns, and so do the tasks without a key,
// as one more.
type readyTasks struct {
	q    *TaskQueue
	lane lane
	// plain are the tasks without a key, keys the others.
	plain *heap[*domain.Task]
	keys  map[string]*heap[*domain.Task]
	// heads are the keys that may be claimed from.
	heads *heap[head]
	turns turns
}

// head is a key that waits for its turn, with the task that it offers.
type head struct {
	task *domain.Task
	turn int64
}

// turns count who was claimed from last.
type turns struct {
	now  int64
	last map[string]int64
}

// of is the next turn of a key: the one after its last, but none that has passed.
func (t *turns) of(key string) int64 {
	if last, ok := t.last[key]; ok {
		return max(t.now, last+1)
	}
	return t.now
}

// lane returns the ready tasks of the task's lane, made if there was none.
func (q *TaskQueue) lane(t *domain.Task) *readyTasks {
	l := lane{t.Queue, t.Type, t.Priority}
	r, ok := q.ready[l]
	if !ok {
		r = &readyTasks{q: q, lane: l, keys: map[string]*heap[*domain.Task]{}, turns: turns{last: map[string]int64{}}}
		r.plain = newHeap(claimOrder, q.isReady, q.size)
		r.heads = newHeap(headOrder, r.offers, q.size)
		q.ready[l] = r
	}
	return r
}

func headOrder(a, b head) int {
	return cmp.Or(cmp.Compare(a.turn, b.turn), a.task.CreatedAt.Compare(b.task.CreatedAt))
}

// offers reports whether the key of the head may be claimed from, and had no turn since
// the head was made.
func (r *readyTasks) offers(h head) bool {
	t := r.next(h.task.Key)
	if t == nil {
		return false
	}
	last, ok := r.turns.last[t.Key]
	return !ok || h.turn > last
}

// push adds a ready task.
func (r *readyTasks) push(t *domain.Task) {
	if t.Key == "" {
		r.plain.push(t)
		return
	}
	h, ok := r.keys[t.Key]
	if !ok {
		h = newHeap(claimOrder, r.q.isReady, r.q.size)
		r.keys[t.Key] = h
	}
	h.push(t)
	if r.next(t.Key) == t {
		r.offer(t)
	}
}

// offer has the key of a task wait for its turn.
func (r *readyTasks) offer(t *domain.Task) {
	r.heads.push(head{t, r.turns.of(t.Key)})
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

// peek returns the task whose turn it is, nil for none.
func (r *readyTasks) peek() *domain.Task {
	plain, _ := r.plain.peek()
	h, ok := r.heads.peek()
	if !ok {
		return plain
	}
	t := r.next(h.task.Key)
	if plain != nil && headOrder(head{plain, r.turns.of("")}, h) < 0 {
		return plain
	}
	return t
}

// take notes that the task has its turn. Its key has another one when it is offered again.
func (r *readyTasks) take(t *domain.Task) {
	if len(r.keys) == 0 {
		clear(r.turns.last)
		return
	}
	turns := &r.turns
	turns.now = turns.of(t.Key)
	turns.last[t.Key] = turns.now
	if len(turns.last) > 2*len(r.keys)+heapSlack {
		for key, last := range turns.last {
			if last < turns.now {
				delete(turns.last, key)
			}
		}
	}
}

func (r *readyTasks) trim() {
	r.plain.trim()
	r.heads.trim()
	for _, h := range r.keys {
		h.trim()
	}
}

// all are the ready tasks of the lane, each once.
func (r *readyTasks) all() iter.Seq[*domain.Task] {
	return func(yield func(*domain.Task) bool) {
		seen := map[*domain.Task]bool{}
		heaps := []*heap[*domain.Task]{r.plain}
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
