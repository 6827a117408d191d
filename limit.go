package logsift

import (
	"context"
	"fmt"

	"logsift/application"
	"logsift/domain"
)

// Limit bounds how many tasks run at the same time, over all programs on the store, or how
// many begin in a time: see docs/limits.md.
type Limit = domain.Limit

// Rate is how many tasks may begin in a time.
type Rate = domain.Rate

// SetLimit stores a limit in the place of that of the same name. A repeat changes nothing.
func (q *Queue) SetLimit(ctx context.Context, limit Limit) error {
	if _, _, err := q.Limits().PutLimit(ctx, limit); err != nil {
		return fmt.Errorf("limit %q: %w", limit.Name, err)
	}
	return nil
}

// Limits lists, shows and deletes the limits of the store.
func (q *Queue) Limits() *application.LimitService {
	return application.NewLimitService(q.store, nil)
}
