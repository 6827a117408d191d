package memstore

import "logsift/domain"

// groupKey names a group.
type groupKey struct {
	queue string
	typ   domain.TaskType
	group string
}

// group are the members of a group: PENDING tasks that are ready or were never claimed.
type group struct {
	// members say of each whether it is ready.
	members map[*domain.Task]bool
	ready   int
	// oldest orders the members. A task may have several places in it.
	oldest *heap[*domain.Task]
}

func groupOf(t *domain.Task) groupKey { return groupKey{t.Queue, t.Type, t.Group} }

// regroup has the task be a member of its group, ready or not, or none, as its state says.
// It is called when the task was put among those that wait or are ready, and when it has left
// PENDING.
func (q *TaskQueue) regroup(t *domain.Task) {
	if t.Group == "" {
		return
	}
	key := groupOf(t)
	g := q.groups[key]
	ready := q.isReady(t)
	if q.tasks[t.ID] != t || !ready && !t.Gathers() {
		if g == nil {
			return
		}
		if g.members[t] {
			g.ready--
		}
		if delete(g.members, t); len(g.members) == 0 {
			delete(q.groups, key)
		}
		return
	}
	if g == nil {
		g = &group{members: map[*domain.Task]bool{}}
		g.oldest = newHeap(
			func(a, b *domain.Task) int { return a.CreatedAt.Compare(b.CreatedAt) },
			func(t *domain.Task) bool { _, ok := g.members[t]; return ok },
			func() int { return len(g.members) })
		q.groups[key] = g
	}
	was, member := g.members[t]
	if !member {
		g.oldest.push(t)
	}
	if was {
		g.ready--
	}
	if ready {
		g.ready++
	}
	g.members[t] = ready
}

// complete makes the oldest member of a group ready if there are size and none is.
func (q *TaskQueue) complete(key groupKey, size int) {
	g := q.groups[key]
	if g == nil || g.ready > 0 || len(g.members) < size {
		return
	}
	// There are members, and a PENDING task can always be run now.
	t, _ := g.oldest.peek()
	_ = q.step(t, t.RunNow)
	q.makeReady(t)
}

// takeAlong claims further members of the group of a task that was just claimed, as far as
// there is room. None has expired, since the claim has ended those.
func (q *TaskQueue) takeAlong(first *domain.Task, room *int, claim func(t *domain.Task) bool) {
	if first.Group == "" {
		return
	}
	key := groupOf(first)
	for n := 1; n < first.GroupSize; n++ {
		g := q.groups[key]
		if g == nil {
			return
		}
		t, _ := g.oldest.peek()
		if ok, _ := q.lets(key.queue, key.typ); !ok || len(t.Payload) > *room {
			break
		}
		*room -= len(t.Payload)
		delete(q.waiting, t.ID)
		claim(t)
	}
	q.complete(key, first.GroupSize)
}
