package openai

import (
	"context"
	"time"
)

// SetSleep replaces the wait before repetitions, for tests.
func (a *Analyzer) SetSleep(sleep func(context.Context, time.Duration) error) { a.sleep = sleep }

// Redacts reports whether secrets are replaced.
func (c Config) Redacts() bool { return c.redacts() }
