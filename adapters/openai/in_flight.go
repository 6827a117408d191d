package openai

import "sync"

// inFlight are the explanations that are being asked for, by their key, so that
// workers of one process that need the same do not all pay for it.
type inFlight struct {
	// mu guards under; without it two workers could both claim a key.
	mu    sync.Mutex
	under map[string]*sharedNote
}

// sharedNote is one explanation in flight.
type sharedNote struct {
	// done is closed when it has ended; note is then what came of it, nil if
	// nothing did.
	done chan struct{}
	note *note
}

// claim takes the keys that nobody has claimed, which the caller ends by finish, and
// returns the notes under way of the others.
func (f *inFlight) claim(keys []string) (claimed map[string]*sharedNote, others map[string]*sharedNote) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.under == nil {
		f.under = map[string]*sharedNote{}
	}
	claimed, others = map[string]*sharedNote{}, map[string]*sharedNote{}
	for _, key := range keys {
		if other, ok := f.under[key]; ok && claimed[key] == nil {
			others[key] = other
			continue
		}
		if claimed[key] == nil {
			claimed[key] = &sharedNote{done: make(chan struct{})}
			f.under[key] = claimed[key]
		}
	}
	return claimed, others
}

// finish hands the notes, or nil, to those who wait for the claimed keys.
func (f *inFlight) finish(claimed map[string]*sharedNote, notes map[string]*note) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, own := range claimed {
		own.note = notes[key]
		delete(f.under, key)
		close(own.done)
	}
}
