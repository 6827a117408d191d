package apikey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"logsift/domain"
	"logsift/ports"
)

const (
	// maxSignedOut is how many sessions of one key are remembered as ended. Beyond, the one
	// that was ended first is forgotten, which is of use only to who has the key anyway.
	maxSignedOut = 100
	// lookInterval is the least time between two looks into the store for a key, and
	// lookTimeout bounds a call to it.
	lookInterval = time.Second
	lookTimeout  = time.Second
)

// SignedOut are sessions that were ended before their time, at all processes that share
// a store. It is safe for concurrent use.
type SignedOut struct {
	states ports.DocumentStore
	now    func() time.Time

	mu    sync.Mutex // guards byKey
	byKey map[string]*endedSessions
}

// endedSessions are those of one key, as the store had them when it was looked at.
type endedSessions struct {
	mu     sync.Mutex // guards the others, held while the store is looked at
	looked time.Time
	list   []endedSession // the one that was ended first, first
}

// endedSession is what a session claims, without its signature, which can be spelt in
// more than one way, and how JSON spells it.
type endedSession struct {
	Claim string    `json:"claim"`
	At    time.Time `json:"at"`
}

// NewSignedOut returns the sessions that the store remembers as ended.
func NewSignedOut(states ports.DocumentStore, now func() time.Time) *SignedOut {
	return &SignedOut{states: states, now: now, byKey: map[string]*endedSessions{}}
}

// Add ends a session of the holder, which [Keys.Session] has found good: at this process
// at once, at others within a second. Once more changes nothing. Errors are those of
// ports.DocumentStore; the session may go on then.
func (s *SignedOut) Add(ctx context.Context, holder Holder, session string) error {
	ended := s.of(holder)
	ended.mu.Lock()
	defer ended.mu.Unlock()
	for {
		revision, err := s.look(ctx, holder, ended)
		if err != nil {
			return fmt.Errorf("look up sessions that were ended: %w", err)
		}
		if ended.has(session) {
			return nil
		}
		list, now := ended.list, s.now()
		for len(list) > 0 && (len(list) >= maxSignedOut || now.Sub(list[0].At) >= SessionLifetime) {
			list = list[1:]
		}
		list = append(slices.Clone(list), endedSession{claimOf(session), now.UTC()})
		err = s.save(ctx, holder, revision, list)
		if err == nil {
			ended.list = list
			return nil
		}
		if !errors.Is(err, domain.ErrDocumentConflict) {
			return fmt.Errorf("end a session: %w", err)
		}
	}
}

// Has reports whether a session of the holder was ended. While the store is away, what
// it said last counts: nothing that is stored can be had then.
func (s *SignedOut) Has(ctx context.Context, holder Holder, session string) bool {
	ended := s.of(holder)
	ended.mu.Lock()
	defer ended.mu.Unlock()
	if s.now().Sub(ended.looked) >= lookInterval {
		// The bound is not the caller's, who may leave, and the answer is for all.
		_, _ = s.look(context.WithoutCancel(ctx), holder, ended)
		ended.looked = s.now()
	}
	return ended.has(session)
}

func (s *SignedOut) of(holder Holder) *endedSessions {
	s.mu.Lock()
	defer s.mu.Unlock()
	ended := s.byKey[holder.ID]
	if ended == nil {
		ended = &endedSessions{}
		s.byKey[holder.ID] = ended
	}
	return ended
}

// look reads what the store has of a key, and returns its revision.
func (s *SignedOut) look(ctx context.Context, holder Holder, ended *endedSessions) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	states, err := s.states.LoadDocuments(ctx, stateOf(holder))
	if err != nil {
		return 0, err
	}
	var list []endedSession
	if data := states[0].Data; len(data) > 0 {
		if err := json.Unmarshal(data, &list); err != nil {
			return 0, fmt.Errorf("%w: %w", domain.ErrCorruptRecord, err)
		}
	}
	ended.list = list
	return states[0].Revision, nil
}

func (s *SignedOut) save(ctx context.Context, holder Holder, revision int64, list []endedSession) error {
	data, err := json.Marshal(list)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	_, err = s.states.SaveDocument(ctx, domain.Document{Key: stateOf(holder), Revision: revision, Data: data}, SessionLifetime)
	return err
}

func stateOf(holder Holder) string { return "signed-out/" + holder.ID }

func (e *endedSessions) has(session string) bool {
	claim := claimOf(session)
	return slices.ContainsFunc(e.list, func(one endedSession) bool { return one.Claim == claim })
}

// claimOf returns a session without its signature, which may hold the separator too.
func claimOf(session string) string {
	parts := strings.SplitN(session, "_", 5)
	return strings.Join(parts[:len(parts)-1], "_")
}
