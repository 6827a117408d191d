package openai

import "sync"

// flights are the explanations that are being asked for, by their key, so that
// workers of one process that need the same do not all pay for it.
type flights struct {
	// mu guards under; without it two workers could both claim a key.
	mu    sync.Mutex
	under map[string]*flight
}

// flight is one explanation under way.
type flight struct {
	// done is closed when it has ended; note is then what came of it, nil if
	// nothing did.
	done chan struct{}
	note *note
}

// claim takes the keys that nobody has under way, which the caller ends by land,
// and returns the flights of the others.
func (f *flights) claim(keys []string) (mine map[string]*flight, theirs map[string]*flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.under == nil {
		f.under = map[string]*flight{}
	}
	mine, theirs = map[string]*flight{}, map[string]*flight{}
	for _, key := range keys {
		if other, ok := f.under[key]; ok && mine[key] == nil {
			theirs[key] = other
			continue
		}
		if mine[key] == nil {
			mine[key] = &flight{done: make(chan struct{})}
			f.under[key] = mine[key]
		}
	}
	return mine, theirs
}

// land ends flights and hands what came of them to those who wait.
func (f *flights) land(mine map[string]*flight, notes map[string]*note) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, own := range mine {
		own.note = notes[key]
		delete(f.under, key)
		close(own.done)
	}
}
