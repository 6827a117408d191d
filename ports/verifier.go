package ports

import (
	"context"

	"logsift/domain"
)

// VerifyRequest tells how to check a store.
type VerifyRequest struct {
	// Repair mends what can be mended.
	Repair bool
	// Report is told each finding, and Progress now and then how far the check
	// is. They are called one at a time, by the goroutine that called Verify.
	// Either may be nil.
	Report   func(domain.Finding)
	Progress func(domain.VerifySummary)
}

// StoreVerifier is an ability that a store may have beside its other ports: to
// find what a bug, a person or a lost write has broken in it.
type StoreVerifier interface {
	// Verify compares everything that the store holds of tasks and logs, and
	// returns what it has looked at. Findings are no error.
	//
	// It may run while the store is in use, and then tells of no state that is
	// merely passed through; what changes meanwhile may be looked at or not. It
	// holds nobody up for longer than a usual call, and its own memory does not
	// grow with the store's.
	//
	// With Repair, no task is lost that still has its contents: it goes where its
	// state says, and what runs twice for it is what may always run twice. A
	// record that cannot be read is set aside. Each repair is one atomic step
	// that looks again before it writes. A second run after a repair of a store
	// that nobody else breaks finds nothing.
	//
	// Errors: those of TaskQueue for a store that cannot be used, and the
	// context's.
	Verify(ctx context.Context, req VerifyRequest) (domain.VerifySummary, error)
}
