package logsift

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"logsift/application"
	"logsift/domain"
)

// Schedule says when a task is enqueued again and again: [Cron] and [Every] make one. What
// else it has, such as Timezone and Overlap, is of docs/schedules.md; Name and Task are set
// by [Type.Schedule].
type Schedule = domain.Schedule

// Cron is a schedule by a line of minute, hour, day of the month, month and day of the week,
// in UTC unless its Timezone is set.
func Cron(line string) Schedule { return Schedule{Cron: line} }

// Every is a schedule of fixed intervals, from a second on.
func Every(d time.Duration) Schedule { return Schedule{Every: d} }

// Schedule has a task enqueued at each tick, once over all programs that run on the store,
// until the schedule of that name is deleted. A repeat changes nothing; another definition
// replaces the one before. [At] and [ID] do not go with it.
func (t *Type[In, Out]) Schedule(ctx context.Context, name string, when Schedule, in In, opts ...Option) error {
	task, err := t.task(in, opts)
	if err != nil {
		return err
	}
	task.ID = uuid.Nil
	when.Name, when.Task = name, task
	if _, _, err := t.queue.schedules.PutSchedule(ctx, when); err != nil {
		return fmt.Errorf("schedule %q: %w", name, err)
	}
	return nil
}

// Schedules lists, pauses, resumes, runs and deletes the schedules of the store.
func (q *Queue) Schedules() *application.ScheduleService { return q.schedules }
