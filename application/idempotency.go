package application

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"logsift/domain"
	"logsift/ports"
)

// Times of an idempotent call, by the store's clock where the store ends them.
const (
	// AnswerRetention is how long the answer of an idempotent call is kept.
	AnswerRetention = 24 * time.Hour
	// keyHold is how long a call holds its key unless it extends the hold, which
	// it does every keyExtend. It bounds how long a key is of no use after its
	// process died.
	keyHold   = 15 * time.Second
	keyExtend = 4 * time.Second
	// keyRetry is when a call to the store that failed is repeated.
	keyRetry = 500 * time.Millisecond
	// callLimit bounds a call, settleLimit what the store is asked before and
	// after it: less than what is left of a hold that is extended.
	callLimit   = 50 * time.Second
	settleLimit = 5 * time.Second
	// releasedHold is how long the trace of a call without an answer is kept.
	releasedHold = time.Second
)

// keyTries bounds how often a call looks at its key again because another
// took it meanwhile.
const keyTries = 4

// maxAnswerPart is how much of an answer one state holds.
const maxAnswerPart = domain.MaxDocumentData - 4096

// maxAnswer bounds an answer that is kept, in bytes: that of the largest batch has
// less. What the store has under a key may be anything.
const maxAnswer = 64 << 20

var errLargeAnswer = fmt.Errorf("it has more than %d bytes", maxAnswer)

// IdempotentCalls carries out calls that have a key once, and gives the first answer to
// those that come again, from whichever process. It is safe for concurrent use.
//
// A call reserves its key in the store, by compare-and-swap, before it does
// anything, and extends that while it goes on. The reservation ends by itself: if the
// process dies before the answer is stored, the key is free again 15 seconds later at
// most, and a repeat does the call anew. So a call must be one that may be done twice in
// that case; task ids that are made of the key see to it that no task is enqueued twice.
type IdempotentCalls struct {
	documents ports.DocumentStore
	logger    *zap.Logger
}

// NewIdempotentCalls returns the calls that share the store.
func NewIdempotentCalls(documents ports.DocumentStore, logger *zap.Logger) *IdempotentCalls {
	return &IdempotentCalls{documents: documents, logger: logger}
}

// keyRecord is the head of what is stored under a key, and how JSON spells it. The
// answer follows behind a newline, compressed; if it is too large for one state, it
// is in Parts documents of its own.
type keyRecord struct {
	// Request is the hash of what the first call asked for.
	Request string `json:"request"`
	// Call is the id of the call that reserved the key.
	Call  uuid.UUID `json:"call"`
	Done  bool      `json:"done,omitempty"`
	Parts int       `json:"parts,omitempty"`
}

// Do runs the call and returns its answer, or the stored answer of the first call
// with the key in its scope, and whether it was stored. The answer is kept for
// AnswerRetention, if run says so; otherwise, and after an error of run, which
// is returned as it is, the key is free again.
//
// Once begun, a call goes on when ctx is cancelled, for at most 50 seconds, so that a
// caller who went away finds the answer when it comes again.
//
// Errors: domain.ErrKeyReused if the first request with the key was another,
// domain.ErrKeyInUse if it has no answer yet, and those of ports.DocumentStore; run was
// not called then. If only the answer cannot be stored, that is logged.
func (k *IdempotentCalls) Do(ctx context.Context, scope, key string, request []byte, run func(context.Context) (answer []byte, keep bool, err error)) (answer []byte, replayed bool, err error) {
	c := &idempotentCall{calls: k, state: domain.Document{Key: stateOfKey(scope, key)}, record: keyRecord{Request: hashOf(request), Call: uuid.New()}}
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	ctx = context.WithoutCancel(ctx)
	for range keyTries {
		held, answer, err := c.begin(ctx)
		switch {
		case errors.Is(err, domain.ErrDocumentConflict):
			continue
		case err != nil:
			return nil, false, err
		case !held:
			return answer, true, nil
		}
		answer, err = c.carryOut(ctx, run)
		return answer, false, err
	}
	return nil, false, domain.ErrKeyInUse
}

// stateOfKey is the state's key: of fixed length, and equal for equal scope and key
// only.
func stateOfKey(scope, key string) string {
	return "keyed-call/" + hashOf([]byte(hashOf([]byte(scope))+key))
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// idempotentCall is one call under way.
type idempotentCall struct {
	calls  *IdempotentCalls
	state  domain.Document // its revision is that of the reservation once it is held
	record keyRecord
	// heldUntil is how long the key is held at least, by the monotonic clock.
	heldUntil time.Time
}

// begin reserves the key, or returns the answer of the call that had it.
func (c *idempotentCall) begin(ctx context.Context) (held bool, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	c.heldUntil = time.Now().Add(keyHold)
	// Most keys are new, so that one call does.
	if err := c.save(ctx, nil, keyHold); !errors.Is(err, domain.ErrDocumentConflict) {
		return err == nil, nil, err
	}
	documents, err := c.calls.documents.LoadDocuments(ctx, c.state.Key)
	if err != nil {
		return false, nil, fmt.Errorf("look up the key of a call: %w", err)
	}
	c.state.Revision = documents[0].Revision
	if len(documents[0].Data) > 0 {
		return c.found(ctx, documents[0].Data)
	}
	return false, nil, domain.ErrDocumentConflict
}

// found looks at what is stored under the key.
func (c *idempotentCall) found(ctx context.Context, data []byte) (held bool, answer []byte, err error) {
	head, rest, _ := bytes.Cut(data, []byte("\n"))
	var first keyRecord
	if err := json.Unmarshal(head, &first); err != nil {
		return false, nil, fmt.Errorf("%w: the key of a call: %w", domain.ErrCorruptRecord, err)
	}
	switch {
	case first.Call == c.record.Call:
		return true, nil, nil // our own reservation, whose reply was lost
	case first.Request != c.record.Request:
		return false, nil, domain.ErrKeyReused
	case !first.Done:
		return false, nil, domain.ErrKeyInUse
	}
	for i := range first.Parts {
		if len(rest) > maxAnswer {
			return false, nil, fmt.Errorf("%w: the answer of a call: %w", domain.ErrCorruptRecord, errLargeAnswer)
		}
		documents, err := c.calls.documents.LoadDocuments(ctx, c.part(first.Call, i))
		if err != nil {
			return false, nil, fmt.Errorf("read the answer of a call: %w", err)
		}
		rest = append(rest, documents[0].Data...)
	}
	answer, err = decompress(rest)
	if err != nil {
		return false, nil, fmt.Errorf("%w: the answer of a call: %w", domain.ErrCorruptRecord, err)
	}
	return false, answer, nil
}

// carryOut runs the call, whose key is held, and stores what came of it.
func (c *idempotentCall) carryOut(ctx context.Context, run func(context.Context) ([]byte, bool, error)) (answer []byte, err error) {
	keep := false
	work, cancel := context.WithTimeout(ctx, callLimit)
	held := make(chan struct{})
	go func() {
		defer close(held)
		c.hold(work, cancel)
	}()
	defer func() { // also if run panics
		cancel()
		<-held
		c.settle(ctx, answer, keep)
	}()
	answer, kept, err := run(work)
	keep = kept && err == nil
	return answer, err
}

// hold extends the hold until ctx ends. If it cannot, it ends the call before another
// may begin.
func (c *idempotentCall) hold(ctx context.Context, end context.CancelFunc) {
	for wait := keyExtend; sleep(ctx, wait); {
		begun, last := time.Now(), c.heldUntil.Add(-settleLimit)
		call, cancel := context.WithDeadline(context.WithoutCancel(ctx), last)
		err := c.extend(call)
		cancel()
		switch {
		case err == nil:
			c.heldUntil, wait = begun.Add(keyHold), keyExtend
		case errors.Is(err, domain.ErrKeyInUse) || !time.Now().Before(last):
			c.calls.logger.Warn("the key of a call cannot be held, the call ends", zap.Error(err))
			end()
			return
		default:
			wait = keyRetry
		}
	}
}

// extend reserves the key anew. domain.ErrKeyInUse says that it is another's.
func (c *idempotentCall) extend(ctx context.Context) error {
	err := c.save(ctx, nil, keyHold)
	if !errors.Is(err, domain.ErrDocumentConflict) {
		return err
	}
	// It may have been extended by a call whose reply was lost.
	documents, loadErr := c.calls.documents.LoadDocuments(ctx, c.state.Key)
	if loadErr != nil {
		return loadErr
	}
	if held, _, _ := c.found(ctx, documents[0].Data); !held {
		return domain.ErrKeyInUse
	}
	c.state.Revision = documents[0].Revision
	return c.save(ctx, nil, keyHold)
}

// settle stores the answer, or frees the key.
func (c *idempotentCall) settle(ctx context.Context, answer []byte, keep bool) {
	// The bound is for the store: a large answer takes its time before.
	small, err := compress(answer)
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	switch {
	case keep && err == nil:
		err = c.keep(ctx, small)
	case !keep:
		c.state.Data = nil
		_, err = c.calls.documents.SaveDocument(ctx, c.state, releasedHold)
	}
	if err != nil {
		c.calls.logger.Warn("the answer to a call with a key is not stored, the key is held 15 seconds at most", zap.Error(err))
	}
}

// keep stores a compressed answer: its parts first, then the head that names them.
func (c *idempotentCall) keep(ctx context.Context, small []byte) error {
	c.record.Done = true
	if len(small) <= maxAnswerPart {
		return c.save(ctx, small, AnswerRetention)
	}
	for len(small) > 0 {
		n := min(len(small), maxAnswerPart)
		part := domain.Document{Key: c.part(c.record.Call, c.record.Parts), Data: small[:n]}
		// It lives a little longer than the head, which is stored later.
		if _, err := c.calls.documents.SaveDocument(ctx, part, AnswerRetention+keyHold); err != nil {
			return fmt.Errorf("store part of an answer: %w", err)
		}
		c.record.Parts++
		small = small[n:]
	}
	return c.save(ctx, nil, AnswerRetention)
}

// part is the key of the state that holds the i-th part of a call's answer.
func (c *idempotentCall) part(call uuid.UUID, i int) string {
	return fmt.Sprintf("%s/%s/%d", c.state.Key, call, i)
}

// save stores the record and what follows it, if nobody else changed the key.
func (c *idempotentCall) save(ctx context.Context, rest []byte, ttl time.Duration) error {
	head, err := json.Marshal(c.record)
	if err != nil {
		return err
	}
	c.state.Data = append(append(head, '\n'), rest...)
	revision, err := c.calls.documents.SaveDocument(ctx, c.state, ttl)
	if err != nil {
		return fmt.Errorf("store the key of a call: %w", err)
	}
	c.state.Revision = revision
	return nil
}

func compress(data []byte) ([]byte, error) {
	if len(data) > maxAnswer {
		return nil, errLargeAnswer
	}
	var buf bytes.Buffer
	z, err := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(data); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func decompress(data []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(z, maxAnswer+1))
	if len(answer) > maxAnswer {
		return nil, errLargeAnswer
	}
	return answer, err
}
