package mining

import (
	"fmt"
	"strings"
)

// Wildcard stands for a part of a template that varies.
const Wildcard = "<*>"

// Config configures a [Miner]. The zero value works.
type Config struct {
	// MaxTemplates bounds the templates. It defaults to 5000.
	MaxTemplates int
}

// ID names a template. Equal lines give equal ids in every process.
type ID uint64

// String returns the id as 16 hexadecimal digits.
func (id ID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// Template is what lines of one statement have in common.
type Template struct {
	id     ID
	tokens []string
	count  int
	merged *Template
}

// ID stays when the template becomes more general.
func (t *Template) ID() ID { return t.id }

// Root returns the template that this one was merged into, or itself.
func (t *Template) Root() *Template {
	for t.merged != nil {
		t = t.merged
	}
	return t
}

// Count is how many lines were learned.
func (t *Template) Count() int { return t.count }

// Tokens are the words and what is between them; joined they are the template.
func (t *Template) Tokens() []string { return t.tokens }

// String returns the template as text.
func (t *Template) String() string { return strings.Join(t.tokens, "") }

// Value is a part of a line that varies, by where it stands.
type Value struct{ Begin, End int }

// Miner learns templates. It is used by one goroutine.
type Miner struct {
	templates []*Template
	values    []Value
}

// New returns a miner that knows nothing.
func New(Config) *Miner { return &Miner{} }

// Learn returns the template of a line. A later line may merge it into another:
// ask for its [Template.Root] when all lines are learned. Nothing of text is kept.
func (m *Miner) Learn(text string) *Template { return nil }

// Values returns where the parts that vary stand in the text of the last call of
// Learn. It is valid until the next.
func (m *Miner) Values() []Value { return m.values }

// Templates returns the templates that are roots, in the order of their birth.
func (m *Miner) Templates() []*Template { return m.templates }

// Snapshot returns what was learned in at most limit bytes; what was not seen for
// the longest time is left out.
func (m *Miner) Snapshot(limit int) []byte { return nil }

// Merge adds what another miner, or this one before, learned. Merging into a new
// miner restores it. On an error nothing is changed.
func (m *Miner) Merge(snapshot []byte) error { return nil }
