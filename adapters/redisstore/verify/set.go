package verify

import "hash/maphash"

// setLimit is how many members a memberSet keeps: about 100 MB.
const setLimit = 4 << 20

// memberSet remembers which strings were seen, by a hash, so that its memory does
// not depend on their size. Sets that would be too large are taken in parts: one
// part holds the strings whose hash falls to it, and the caller goes through all
// strings once for each part.
type memberSet struct {
	seed        maphash.Seed
	part, parts uint64
	seen        map[uint64]struct{}
}

// newMemberSets returns the parts of a set for about n strings.
func newMemberSets(n int64) []*memberSet {
	parts, seed := uint64(n/setLimit)+1, maphash.MakeSeed()
	out := make([]*memberSet, parts)
	for i := range out {
		out[i] = &memberSet{seed: seed, part: uint64(i), parts: parts, seen: map[uint64]struct{}{}}
	}
	return out
}

// add puts a string into the set if it falls to this part.
func (s *memberSet) add(v string) {
	if h := maphash.String(s.seed, v); h%s.parts == s.part {
		s.seen[h] = struct{}{}
	}
}

// lacks reports whether a string falls to this part and was not added.
func (s *memberSet) lacks(v string) bool {
	h := maphash.String(s.seed, v)
	if h%s.parts != s.part {
		return false
	}
	_, ok := s.seen[h]
	return !ok
}
