package openai

import (
	"context"
	"time"
)

// SetSleep replaces the wait before repetitions, for tests.
func (a *Analyzer) SetSleep(sleep func(context.Context, time.Duration) error) { a.sleep = sleep }
