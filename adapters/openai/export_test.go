package openai

import (
	"context"
	"time"
)

// SetSleep replaces the wait before repetitions, for tests.
func (a *Analyzer) SetSleep(sleep func(context.Context, time.Duration) error) { a.sleep = sleep }

// Redacts reports whether secrets are replaced.
func (c Config) Redacts() bool { return c.redacts() }

// FirstLimit is the name of the limit of the answer that is tried first.
func FirstLimit(baseURL string) string {
	if firstDialect(baseURL).limit == limitNew {
		return "max_completion_tokens"
	}
	return "max_tokens"
}

// Said makes a text of the service ready to be kept.
var Said = said
