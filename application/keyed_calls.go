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

// Times of a keyed call, by the store's clock where the store ends them.
const (
	// KeyedCallRetention is how long the answer of a keyed call is kept.
	KeyedCallRetention = 24 * time.Hour
	// keyedCallHold is how long a call holds its key without an answer. It bounds
	// how long a key is of no use after its process died.
	keyedCallHold = 60 * time.Second
	// keyedCallWork bounds a call, keyedCallSettle what the store is asked before and
	// after it; together they are shorter than the hold, so that no other call with
	// the key begins before.
	keyedCallWork   = 50 * time.Second
	keyedCallSettle = 5 * time.Second
	// releasedHold is how long the trace of a call without an answer is kept.
	releasedHold = time.Second
)

// keyedCallTries bounds how often a call looks at its key again because another
// took it meanwhile.
const keyedCallTries = 4

// maxAnswerPart is how much of an answer one state holds.
const maxAnswerPart = domain.MaxStateData - 4096

// KeyedCalls carries out calls that have a key once, and gives the first answer to
// those that come again, from whichever process. It is safe for concurrent use.
//
// A call reserves its key in the store, by compare-and-swap, before it does
// anything. The reservation ends by itself: if the process dies before the answer
// is stored, the key is free again a minute later at most, and a repeat does the
// call anew. So a call must be one that may be done twice in that case; task ids
// that are made of the key see to it that no task is enqueued twice.
type KeyedCalls struct {
	states ports.StateStore
	logger *zap.Logger
}

// NewKeyedCalls returns the calls that share the store.
func NewKeyedCalls(states ports.StateStore, logger *zap.Logger) *KeyedCalls {
	return &KeyedCalls{states: states, logger: logger}
}

// keyRecord is the head of what is stored under a key, and how JSON spells it. The
// answer follows behind a newline, compressed; if it is too large for one state, it
// is in Parts states of its own.
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
// KeyedCallRetention, if run says so; otherwise, and after an error of run, which
// is returned as it is, the key is free again.
//
// Once begun, a call goes on when ctx is cancelled, for at most 50 seconds, so that a
// caller who went away finds the answer when it comes again.
//
// Errors: domain.ErrKeyReused if the first request with the key was another,
// domain.ErrKeyInUse if it has no answer yet, and those of ports.StateStore; run was
// not called then. If only the answer cannot be stored, that is logged.
func (k *KeyedCalls) Do(ctx context.Context, scope, key string, request []byte, run func(context.Context) (answer []byte, keep bool, err error)) (answer []byte, replayed bool, err error) {
	c := &keyedCall{calls: k, state: domain.State{Key: stateOfKey(scope, key)}, record: keyRecord{Request: hashOf(request), Call: uuid.New()}}
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	ctx = context.WithoutCancel(ctx)
	for range keyedCallTries {
		held, answer, err := c.begin(ctx)
		switch {
		case errors.Is(err, domain.ErrStateConflict):
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

// keyedCall is one call under way.
type keyedCall struct {
	calls  *KeyedCalls
	state  domain.State // its revision is that of the reservation once it is held
	record keyRecord
}

// begin reserves the key, or returns the answer of the call that had it.
func (c *keyedCall) begin(ctx context.Context) (held bool, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, keyedCallSettle)
	defer cancel()
	states, err := c.calls.states.LoadStates(ctx, c.state.Key)
	if err != nil {
		return false, nil, fmt.Errorf("look up the key of a call: %w", err)
	}
	c.state.Revision = states[0].Revision
	if len(states[0].Data) > 0 {
		return c.found(ctx, states[0].Data)
	}
	return true, nil, c.save(ctx, nil, keyedCallHold)
}

// found looks at what is stored under the key.
func (c *keyedCall) found(ctx context.Context, data []byte) (held bool, answer []byte, err error) {
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
		states, err := c.calls.states.LoadStates(ctx, c.part(first.Call, i))
		if err != nil {
			return false, nil, fmt.Errorf("read the answer of a call: %w", err)
		}
		rest = append(rest, states[0].Data...)
	}
	answer, err = decompress(rest)
	if err != nil {
		return false, nil, fmt.Errorf("%w: the answer of a call: %w", domain.ErrCorruptRecord, err)
	}
	return false, answer, nil
}

// carryOut runs the call, whose key is held, and stores what came of it.
func (c *keyedCall) carryOut(ctx context.Context, run func(context.Context) ([]byte, bool, error)) (answer []byte, err error) {
	keep := false
	defer func() { c.settle(ctx, answer, keep) }() // also if run panics
	work, cancel := context.WithTimeout(ctx, keyedCallWork)
	defer cancel()
	answer, kept, err := run(work)
	keep = kept && err == nil
	return answer, err
}

// settle stores the answer, or frees the key.
func (c *keyedCall) settle(ctx context.Context, answer []byte, keep bool) {
	// The bound is for the store: a large answer takes its time before.
	small, err := compress(answer)
	ctx, cancel := context.WithTimeout(ctx, keyedCallSettle)
	defer cancel()
	switch {
	case keep && err == nil:
		err = c.keep(ctx, small)
	case !keep:
		c.state.Data = nil
		_, err = c.calls.states.SaveState(ctx, c.state, releasedHold)
	}
	if err != nil {
		c.calls.logger.Warn("the answer to a call with a key is not stored, the key is held a minute at most", zap.Error(err))
	}
}

// keep stores a compressed answer: its parts first, then the head that names them.
func (c *keyedCall) keep(ctx context.Context, small []byte) error {
	c.record.Done = true
	if len(small) <= maxAnswerPart {
		return c.save(ctx, small, KeyedCallRetention)
	}
	for len(small) > 0 {
		n := min(len(small), maxAnswerPart)
		part := domain.State{Key: c.part(c.record.Call, c.record.Parts), Data: small[:n]}
		// It lives a little longer than the head, which is stored later.
		if _, err := c.calls.states.SaveState(ctx, part, KeyedCallRetention+keyedCallHold); err != nil {
			return fmt.Errorf("store part of an answer: %w", err)
		}
		c.record.Parts++
		small = small[n:]
	}
	return c.save(ctx, nil, KeyedCallRetention)
}

// part is the key of the state that holds the i-th part of a call's answer.
func (c *keyedCall) part(call uuid.UUID, i int) string {
	return fmt.Sprintf("%s/%s/%d", c.state.Key, call, i)
}

// save stores the record and what follows it, if nobody else changed the key.
func (c *keyedCall) save(ctx context.Context, rest []byte, ttl time.Duration) error {
	head, err := json.Marshal(c.record)
	if err != nil {
		return err
	}
	c.state.Data = append(append(head, '\n'), rest...)
	revision, err := c.calls.states.SaveState(ctx, c.state, ttl)
	if err != nil {
		return fmt.Errorf("store the key of a call: %w", err)
	}
	c.state.Revision = revision
	return nil
}

func compress(data []byte) ([]byte, error) {
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
	return io.ReadAll(z)
}
