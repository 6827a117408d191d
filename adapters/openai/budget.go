package openai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
	"logsift/ports"
)

const (
	// spentPrefix begins the keys of what was spent on a day.
	spentPrefix = "openai/spent/"
	// spentTTL keeps a day's sum for longer than any clock is wrong.
	spentTTL = 72 * time.Hour
	// maxTries bounds how often a sum is written anew because another process was
	// faster.
	maxTries = 50
	// rememberedOps is how many of the last changes a sum names.
	rememberedOps = 64
)

// budget bounds what all processes that share the store spend in a day. The most
// that a request can cost is reserved before it, and what it did cost is settled
// after it, so that requests at the same time cannot exceed the bound together. A
// process that dies within a request leaves its reserve spent.
type budget struct {
	states   ports.DocumentStore
	limit    Micros
	currency string
	now      func() time.Time

	// mu guards exhausted, the day whose budget did not suffice.
	mu        sync.Mutex
	exhausted string
}

// spent is the sum of a day as it is stored.
type spent struct {
	Micros Micros `json:"micros"`
	// Ops are the ids of the last changes: one whose reply was lost is not made
	// twice.
	Ops []uuid.UUID `json:"ops"`
}

// reserve is what was set aside for a request.
type reserve struct {
	day    string
	amount Micros
}

func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// reserve sets the amount aside. The reason is not "" if the budget of the day
// does not suffice; nothing is set aside then. The error is a
// *domain.AnalyzerError if the store cannot be asked, or the context's.
func (b *budget) reserve(ctx context.Context, amount Micros) (reserve, string, error) {
	if b.limit == 0 {
		return reserve{}, "", nil
	}
	r := reserve{day: dayOf(b.now()), amount: amount}
	var reason string
	err := b.change(ctx, r.day, func(sum Micros) (Micros, bool) {
		if reason = ""; sum > b.limit-amount {
			reason = fmt.Sprintf("the daily budget for the AI service is spent: %s of %s %s are used or set aside, and a request may cost %s (ai-daily-budget)",
				sum, b.limit, b.currency, amount)
			return sum, false
		}
		return sum + amount, true
	})
	if err != nil {
		return reserve{}, "", err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.exhausted = ""
	if reason != "" {
		b.exhausted = r.day
	}
	return r, reason, nil
}

// settle replaces a reserve by what was spent. If the store cannot be asked, the
// reserve stays, which is too much rather than too little.
func (b *budget) settle(ctx context.Context, r reserve, cost Micros) {
	if r.amount == cost {
		return
	}
	// Losing this sum is the lesser evil, and the analysis must not fail by it.
	_ = b.change(ctx, r.day, func(sum Micros) (Micros, bool) { return max(0, sum-r.amount+cost), true })
}

// spentToday reports whether the budget of this day did not suffice.
func (b *budget) spentToday() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.exhausted != "" && b.exhausted == dayOf(b.now())
}

// change makes a change to the sum of a day, in one step.
func (b *budget) change(ctx context.Context, day string, to func(sum Micros) (Micros, bool)) error {
	op, key := uuid.New(), spentPrefix+day
	for range maxTries {
		states, err := b.states.LoadDocuments(ctx, key)
		if err != nil || len(states) != 1 {
			return b.unreadable(ctx, err)
		}
		var doc spent
		if states[0].Revision > 0 && (json.Unmarshal(states[0].Data, &doc) != nil || doc.Micros < 0) {
			// To begin anew would spend the budget twice.
			doc = spent{Micros: b.limit}
		}
		if slices.Contains(doc.Ops, op) {
			return nil
		}
		sum, ok := to(doc.Micros)
		if !ok {
			return nil
		}
		doc.Micros, doc.Ops = sum, append(doc.Ops, op)
		doc.Ops = doc.Ops[max(0, len(doc.Ops)-rememberedOps):]
		_, err = b.states.SaveDocument(ctx, domain.Document{Key: key, Revision: states[0].Revision, Data: []byte(encode(doc))}, spentTTL)
		if err == nil {
			return nil
		}
		if !errors.Is(err, domain.ErrDocumentConflict) {
			return b.unreadable(ctx, err)
		}
	}
	return b.unreadable(ctx, domain.ErrDocumentConflict)
}

// unreadable says that the sum could not be read or written.
func (b *budget) unreadable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &domain.AnalyzerError{Kind: domain.AnalyzerUnavailable, Message: "what was spent of the daily budget cannot be read", Err: err}
}
