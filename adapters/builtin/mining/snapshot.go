package mining

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A snapshot is, all numbers as of encoding/binary.AppendUvarint:
//
//	"lsm" and the version, one byte
//	the epoch, the number of templates
//	for each template, in the order of birth:
//	    its id, 8 bytes, the least significant first
//	    epoch of birth, place among the births of that epoch,
//	    epochs that it was not seen for before the snapshot's
//	    number of tokens, and each token: its length and its bytes
//
// In words, the byte 1 is a wildcard that was masked, and the byte 2, alone, one
// that was found to vary.
const (
	snapshotMagic   = "lsm"
	snapshotVersion = 1
)

// ErrSnapshot tells that data is no snapshot of a version that is known.
var ErrSnapshot = errors.New("not a snapshot of templates")

// Snapshot returns the templates in at most limit bytes. What was not seen for
// the longest time is left out if there is too much, or if it would fill more
// than three quarters of MaxTemplates. Miners that learned the same lines give the
// same snapshot.
func (m *Miner) Snapshot(limit int) []byte {
	list := byUse(m.known.list(true))
	var kept []*Template
	var buf []byte
	size := len(snapshotMagic) + 1 + 2*binary.MaxVarintLen64
	for _, t := range list[:min(len(list), m.carriedOver())] {
		buf = m.appendTemplate(buf[:0], t)
		if size+len(buf) > limit {
			break
		}
		size += len(buf)
		kept = append(kept, t)
	}
	slices.SortFunc(kept, byBirth)
	out := append([]byte(snapshotMagic), snapshotVersion)
	out = binary.AppendUvarint(out, m.epoch)
	out = binary.AppendUvarint(out, uint64(len(kept)))
	for _, t := range kept {
		out = m.appendTemplate(out, t)
	}
	return out
}

// carriedOver is how many templates are carried over, so that there is room for new ones.
func (m *Miner) carriedOver() int { return max(1, m.max*3/4) }

// byUse sorts the templates by when they were seen last, the latest first.
// A form is seen when its root is.
func byUse(list []*Template) []*Template {
	for _, t := range list {
		t.seen = t.Root().seen
	}
	slices.SortFunc(list, func(a, b *Template) int {
		return cmp.Or(cmp.Compare(b.seen, a.seen), byBirth(a, b))
	})
	return list
}

func (m *Miner) appendTemplate(out []byte, t *Template) []byte {
	out = binary.LittleEndian.AppendUint64(out, uint64(t.id))
	out = binary.AppendUvarint(out, t.birth)
	out = binary.AppendUvarint(out, t.order)
	out = binary.AppendUvarint(out, m.epoch-t.seen)
	out = binary.AppendUvarint(out, uint64(len(t.tokens)))
	for _, token := range t.tokens {
		out = binary.AppendUvarint(out, uint64(len(token)))
		out = append(out, token...)
	}
	return out
}

// Merge adds the templates of a snapshot. Merged into a new miner, it restores
// what the snapshot's miner knew. Merged into one that learned from the same
// earlier snapshot, it unites what both learned since: whichever of the two is
// merged into the other, the templates are the same. Templates that were not seen
// for the longest time are dropped if there are too many, as by
// [Miner.Snapshot].
//
// The error is ErrSnapshot, and nothing is changed.
func (m *Miner) Merge(snapshot []byte) error {
	epoch, read, err := readSnapshot(snapshot)
	if err != nil {
		return err
	}
	m.epoch, m.order = max(m.epoch, epoch+1), 0
	all := m.known.list(true)
	for _, t := range read {
		own, ok := m.known.byID[t.id]
		if !ok {
			all = append(all, t)
			continue
		}
		if byBirth(t, own) < 0 {
			own.birth, own.order = t.birth, t.order
		}
		own.seen = max(own.seen, t.seen)
		if own.skeleton == t.skeleton && len(own.tokens) == len(t.tokens) {
			own.cover(t.tokens)
		}
	}
	all = byUse(all)
	all = all[:min(len(all), m.carriedOver())]
	slices.SortFunc(all, byBirth)
	for _, t := range all {
		t.merged = nil
	}
	m.known = newIndex(m.known.evidence)
	m.shapes, m.old, m.shapeBytes = map[string]*Template{}, nil, 0
	for _, t := range all {
		if known := m.known.cover(t); known != nil {
			root := known.Root()
			root.count, root.seen, t.merged = root.count+t.count, max(root.seen, t.seen), known
			continue
		}
		m.known.insert(t)
	}
	return nil
}

// readSnapshot checks and decodes a snapshot.
func readSnapshot(data []byte) (epoch uint64, list []*Template, err error) {
	head := snapshotMagic + string(rune(snapshotVersion))
	rest, ok := strings.CutPrefix(string(data), head)
	if !ok {
		return 0, nil, fmt.Errorf("%w: unknown begin", ErrSnapshot)
	}
	r := reader{s: rest}
	epoch = r.number(1 << 62)
	n := r.number(uint64(len(rest)))
	ids := make(map[ID]bool, min(n, 1<<16))
	for range n {
		t := r.template(epoch)
		if r.failed {
			break
		}
		if ids[t.id] || t.id == restID {
			return 0, nil, fmt.Errorf("%w: template %v again", ErrSnapshot, t.id)
		}
		ids[t.id] = true
		list = append(list, t)
	}
	if r.failed || r.s != "" {
		return 0, nil, fmt.Errorf("%w: malformed", ErrSnapshot)
	}
	return epoch, list, nil
}

// reader reads the parts of a snapshot; after a failure, nothing.
type reader struct {
	s      string
	failed bool
}

// number reads a number that is at most limit.
func (r *reader) number(limit uint64) uint64 {
	n, size := binary.Uvarint([]byte(r.s[:min(len(r.s), binary.MaxVarintLen64)]))
	if r.failed || size <= 0 || n > limit {
		r.failed = true
		return 0
	}
	r.s = r.s[size:]
	return n
}

func (r *reader) text(n uint64) string {
	if r.failed || n > uint64(len(r.s)) {
		r.failed = true
		return ""
	}
	text := r.s[:n]
	r.s = r.s[n:]
	return text
}

func (r *reader) template(epoch uint64) *Template {
	var id uint64
	if raw := r.text(8); !r.failed {
		id = binary.LittleEndian.Uint64([]byte(raw))
	}
	birth, order, unseen := r.number(epoch), r.number(1<<62), r.number(epoch)
	n := r.number(2*(maxWords+1) + 1)
	if r.failed || n%2 == 0 {
		r.failed = true
		return nil
	}
	tokens := make([]string, n)
	for i := range tokens {
		token := r.text(r.number(2 * maxLineBytes))
		if !validToken(token, i%2 == 1) {
			r.failed = true
			return nil
		}
		tokens[i] = strings.Clone(token)
	}
	t := newTemplate(ID(id), tokens)
	t.birth, t.order, t.seen = birth, order, epoch-unseen
	return t
}

func validToken(token string, word bool) bool {
	if word && (token == "" || token == anyWord) {
		return token != ""
	}
	for i := range len(token) {
		if b := token[i]; b < ' ' && (b != mark || !word) || b == 0x7f {
			return false
		}
	}
	return true
}
