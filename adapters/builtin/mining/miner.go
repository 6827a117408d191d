package mining

import "strings"

// Config configures a [Miner]. The zero value works.
type Config struct {
	// MaxTemplates bounds the templates; lines of further shapes share one. It
	// defaults to 5000. With what is kept beside it a template takes 1.4 KiB where
	// lines are short, and 14 KiB where all are as long as is looked at.
	MaxTemplates int
	// Evidence defaults to DefaultEvidence. It is not part of a snapshot.
	Evidence Evidence
}

// Bounds of what a miner keeps besides its templates.
const (
	// maxShapes and maxShapeBytes bound each of the two generations of masked
	// lines whose template is known.
	maxShapes     = 16 << 10
	maxShapeBytes = 4 << 20
	// maxRelated bounds the words of a template that are compared with others.
	maxRelated = 64
	// maxCovering bounds the general templates of one skeleton that a line is
	// compared with, maxScanned those that a new template is.
	maxCovering = 512
	maxScanned  = 128
)

// Miner learns templates from lines, one by one. It is used by one goroutine.
type Miner struct {
	max     int
	scanner scanner

	// shapes knows the template of a masked line that came before; most lines
	// are repeats. When it is full it becomes old, and old is forgotten.
	shapes, old map[string]*Template
	shapeBytes  int

	known *index
	// rest takes the lines of new shapes when there are max templates.
	rest *Template

	// epoch numbers the times that snapshots were merged in; order the births.
	epoch, order uint64
}

// New returns a miner that knows nothing.
func New(cfg Config) *Miner {
	if cfg.MaxTemplates <= 0 {
		cfg.MaxTemplates = 5000
	}
	if cfg.Evidence == (Evidence{}) {
		cfg.Evidence = DefaultEvidence()
	}
	return &Miner{max: cfg.MaxTemplates, shapes: map[string]*Template{}, known: newIndex(cfg.Evidence)}
}

// Learn returns the template of a line. A later line may merge it into another
// template: ask for its [Template.Root] when all lines are learned. Of text only
// what is new is kept, as a copy.
//
// text is what the line says, without its time and level. At most 4 KiB and 160
// words of it are looked at; the rest is one variable part.
func (m *Miner) Learn(text string) *Template {
	m.scanner.scan(text)
	t, ok := m.shapes[string(m.scanner.buf)]
	if !ok || t.merged != nil {
		t = m.remember(t)
	}
	t.count++
	t.seen = m.epoch
	return t
}

// Templates returns the templates that are roots, in the order of their birth.
func (m *Miner) Templates() []*Template {
	out := m.known.list(false)
	if m.rest != nil {
		out = append(out, m.rest)
	}
	return out
}

// Lookup returns the template with this id, if the miner has it.
func (m *Miner) Lookup(id ID) (*Template, bool) {
	if m.rest != nil && id == restID {
		return m.rest, true
	}
	t, ok := m.known.byID[id]
	if ok {
		t = t.Root()
	}
	return t, ok
}

// remember finds the template of the scanned line, of which known is what is
// known, or nil, and notes it for the line's repeats.
func (m *Miner) remember(known *Template) *Template {
	masked := string(m.scanner.buf)
	if known == nil {
		known = m.old[masked]
	}
	if known == nil {
		known = m.find(masked)
	}
	t := known.Root()
	if len(m.shapes) >= maxShapes || m.shapeBytes+len(masked) > maxShapeBytes {
		m.shapes, m.old, m.shapeBytes = map[string]*Template{}, m.shapes, 0
	}
	m.shapes[masked] = t
	m.shapeBytes += len(masked)
	return t
}

// find returns the template of a masked line, a new one if there is none.
func (m *Miner) find(masked string) *Template {
	tokens := tokenize(masked, m.scanner.words)
	if fewer := collapse(tokens); len(fewer) < len(tokens) {
		tokens, masked = fewer, strings.Join(fewer, "")
	}
	t := newTemplate(ID(hashString(hashSeed, masked)), tokens)
	if known := m.known.cover(t); known != nil {
		return known
	}
	if len(m.known.byID) >= m.max {
		if m.rest == nil {
			m.rest = newTemplate(restID, []string{"", anyWord, ""})
			m.rest.birth = m.epoch
		}
		return m.rest
	}
	for m.known.byID[t.id] != nil || t.id == restID {
		t.id++ // another line has the same hash
	}
	t.birth, t.order = m.epoch, m.order
	m.order++
	return m.known.insert(t)
}
