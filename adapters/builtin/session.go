package builtin

import (
	"cmp"
	"slices"
	"strings"
)

// Bounds of what is taken for a session.
const (
	maxSessionIDs   = 500_000
	minSessions     = 50
	minSessionLines = 2
	maxSessionLines = 1000
	// minCoverage is the part of the lines that must name a session.
	minCoverage = 0.5
)

// sessionFinder collects the ids that lines hold, and tells which kind of them
// names sessions: blocks, requests, traces.
type sessionFinder struct {
	// ids numbers the ids; perLine are the numbers of each line.
	ids     map[string]int32
	names   []string
	perLine [][]int32
	lines   []int32
}

func newSessionFinder() *sessionFinder { return &sessionFinder{ids: map[string]int32{}} }

// add notes the ids of the next line. The strings are not kept beyond copies.
func (f *sessionFinder) add(ids []string) {
	var numbers []int32
	for _, id := range ids {
		n, ok := f.ids[id]
		if !ok {
			if len(f.ids) >= maxSessionIDs {
				continue
			}
			id = strings.Clone(id)
			n = int32(len(f.names))
			f.ids[id] = n
			f.names = append(f.names, id)
			f.lines = append(f.lines, 0)
		}
		if !slices.Contains(numbers, n) {
			numbers = append(numbers, n)
			f.lines[n]++
		}
	}
	f.perLine = append(f.perLine, numbers)
}

// kindOf is what ids of one kind have in common: the letters before the first
// digit, and for ids without such letters their length.
func kindOf(id string) string {
	i := strings.IndexAny(id, "0123456789-")
	if i > 1 {
		return id[:i]
	}
	return "#" + string(rune('0'+min(len(id), 60)))
}

// sessions returns the lines of each session by its number, or nil if the lines
// are not those of sessions.
func (f *sessionFinder) sessions() map[int32][]int32 {
	type kind struct {
		name         string
		ids, covered int
	}
	kinds := map[string]*kind{}
	kindNames := make([]string, len(f.names))
	for n, name := range f.names {
		if f.lines[n] < minSessionLines || f.lines[n] > maxSessionLines {
			continue
		}
		kindNames[n] = kindOf(name)
		k, ok := kinds[kindNames[n]]
		if !ok {
			k = &kind{name: kindNames[n]}
			kinds[k.name] = k
		}
		k.ids++
		k.covered += int(f.lines[n])
	}
	var best *kind
	for _, k := range kinds {
		if k.ids >= minSessions && (best == nil || cmp.Or(cmp.Compare(k.covered, best.covered), cmp.Compare(best.name, k.name)) > 0) {
			best = k
		}
	}
	if best == nil || float64(best.covered) < minCoverage*float64(len(f.perLine)) {
		return nil
	}
	out := map[int32][]int32{}
	for line, ids := range f.perLine {
		for _, n := range ids {
			if kindNames[n] == best.name {
				out[n] = append(out[n], int32(line))
				break
			}
		}
	}
	return out
}
