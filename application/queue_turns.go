package application

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"logsift/domain"
)

// MaxQueueWeight is the most that a queue can weigh.
const MaxQueueWeight = 1000

// emptyFor is how long a queue that had nothing is not asked alone again.
const emptyFor = 20 * time.Millisecond

// ValidateQueues checks a SchedulerConfig.Queues. The error names the field.
func ValidateQueues(field string, queues []string) error {
	_, _, err := readQueues(field, queues)
	return err
}

// weightedQueue is a queue and what it may have of the claims.
type weightedQueue struct {
	names  []string // its name alone
	weight int
	// credit is how many tasks it is behind its share; all credits together are 0.
	credit float64
	// emptyUntil is until when it counts as empty.
	emptyUntil time.Time
}

// readQueue reads NAME or NAME=WEIGHT; without a weight that is 1.
func readQueue(field, item string) (*weightedQueue, error) {
	name, text, weighted := strings.Cut(item, "=")
	if err := domain.ValidateName(field, name); err != nil {
		return nil, err
	}
	q := &weightedQueue{names: []string{name}, weight: 1}
	if !weighted {
		return q, nil
	}
	var err error
	if q.weight, err = strconv.Atoi(text); err != nil || q.weight < 0 || q.weight > MaxQueueWeight {
		return nil, &domain.ValidationError{Field: field, Value: item, Rule: fmt.Sprintf("must have a weight between 0 and %d behind the name", MaxQueueWeight)}
	}
	return q, nil
}

// queueTurns says which queue a claim takes from, for queues with weights: while all have
// tasks, each has its share of what is claimed, by smooth weighted round robin in tasks.
// Those of weight 0 have their turn, in their order, when the others are empty. What is
// known of nobody is asked of all queues at once.
type queueTurns struct{ queues []*weightedQueue }

// readQueues returns the names of the queues, and their turns, nil if none has a weight.
func readQueues(field string, items []string) ([]string, *queueTurns, error) {
	t, names, weighted := &queueTurns{}, make([]string, 0, len(items)), false
	var errs []error
	for _, item := range items {
		q, err := readQueue(field, item)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		names, t.queues = append(names, q.names[0]), append(t.queues, q)
		weighted = weighted || strings.Contains(item, "=")
	}
	if err := errors.Join(errs...); err != nil || !weighted {
		return names, nil, err
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return nil, nil, &domain.ValidationError{Field: field, Value: name, Rule: "must not be named twice if there are weights"}
		}
	}
	return names, t, nil
}

// next returns the queue whose turn it is and how many of room tasks it may have; nil for
// all queues if none is known to have any.
func (t *queueTurns) next(now time.Time, room int) (*weightedQueue, int) {
	var best, first *weightedQueue
	all := 0
	for _, q := range t.queues {
		switch {
		case now.Before(q.emptyUntil):
		case q.weight == 0 && first == nil:
			first = q
		case q.weight > 0:
			all += q.weight
			if best == nil || q.credit > best.credit {
				best = q
			}
		}
	}
	if best == nil {
		return first, room
	}
	share := float64(room*best.weight)/float64(all) + best.credit
	return best, min(max(int(share+0.5), 1), room)
}

// took notes what a claim got from q, nil for all queues; short is whether it could have
// had more.
func (t *queueTurns) took(q *weightedQueue, tasks int, short bool, now time.Time) {
	if q == nil {
		for _, q := range t.queues {
			q.emptyUntil = time.Time{}
			if short {
				q.emptyUntil = now.Add(emptyFor)
			}
		}
		return
	}
	if q.weight > 0 {
		q.credit -= float64(tasks)
		t.share(tasks, now)
	}
	if short {
		q.emptyUntil = now.Add(emptyFor)
	}
}

// share gives each queue that does not count as empty its part of so many tasks.
func (t *queueTurns) share(tasks int, now time.Time) {
	all := 0
	for _, q := range t.queues {
		if !now.Before(q.emptyUntil) {
			all += q.weight
		}
	}
	for _, q := range t.queues {
		if !now.Before(q.emptyUntil) && all > 0 {
			q.credit += float64(tasks*q.weight) / float64(all)
		}
	}
}
