package mining

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// learn learns lines and returns the roots of their templates, as text.
func learn(m *Miner, lines ...string) []string {
	templates := make([]*Template, len(lines))
	for i, line := range lines {
		templates[i] = m.Learn(line)
	}
	out := make([]string, len(lines))
	for i, t := range templates {
		out[i] = t.Root().String()
	}
	return out
}

// each puts words into a line.
func each(format string, words ...string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = fmt.Sprintf(format, w)
	}
	return out
}

func TestWordsThatVaryByTheirNumber(t *testing.T) {
	t.Parallel()
	names := strings.Fields("alpha beta gamma delta epsilon zeta eta theta iota kappa")
	for name, c := range map[string]struct {
		format string
		words  []string
		many   int // from which they are one template
	}{
		"plain words":                   {"the %s was lost", names, DefaultEvidence().Plain},
		"after a preposition":           {"lost contact with %s again", names, DefaultEvidence().After},
		"the first word":                {"%s startup succeeded", names, DefaultEvidence().First},
		"the first word behind a level": {"INFO %s startup succeeded", names, DefaultEvidence().First},
		"a logger":                      {"ERROR %s: request failed", names, DefaultEvidence().After},
		"a word in brackets":            {"lost <%s> again", strings.Fields("alpha beta gamma"), DefaultEvidence().Idents},
		"a value":                       {"lost state=%s again", names, DefaultEvidence().After},
		"a name in quotes":              {`lost the "%s" again`, strings.Split("alpha,beta gamma,delta", ","), DefaultEvidence().Idents},
		"states":                        {"state is %s now", strings.Fields("NEW INIT SETUP RUNNING FAILED KILLED DONE LOST IDLE BUSY"), DefaultEvidence().Caps},
		"identifiers":                   {"loaded class %s now", strings.Fields("com.Foo com.Bar com.Baz"), DefaultEvidence().Idents},
		"words with digits":             {"host %s is down", strings.Fields("cn7 dn8"), DefaultEvidence().Marked},
		"a number and words":            {"left %s items", strings.Fields("12 no some"), DefaultEvidence().Idents},
		"a number and identifier":       {"left %s items", strings.Fields("12 item_list"), DefaultEvidence().Marked},
	} {
		lines := each(c.format, c.words...)
		require.GreaterOrEqual(t, len(lines), c.many, name)
		few := New(Config{})
		learn(few, lines[:c.many-1]...)
		require.Len(t, few.Templates(), c.many-1, name)
		many := New(Config{})
		for _, got := range learn(many, lines[:c.many]...) {
			require.Equal(t, fmt.Sprintf(c.format, Wildcard), got, name)
		}
		require.Len(t, many.Templates(), 1, name)
		require.Equal(t, c.many, many.Templates()[0].Count(), name)
	}
}

func TestKeysAndLoneWordsDoNotVary(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	learn(m, each("set %s=17", strings.Fields("stepCount goalCount dayCount weekCount monthCount yearCount a b c d e f g")...)...)
	require.Len(t, m.Templates(), 13)
	learn(m, strings.Fields("clear() flush() getStep() setStep() reStart() closeAll() openAll() stopAll() runAll() q() w() e()")...)
	require.Len(t, m.Templates(), 25)
}

func TestWhatVariesIsCarriedOver(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	learn(m, each("the %s was lost", strings.Fields("alpha beta gamma delta epsilon zeta")...)...)
	got := learn(m, "the eta was found", "the theta was found")
	require.Equal(t, []string{"the <*> was found", "the <*> was found"}, got, "one more word differs")
}

func TestIdentifiersThatVaryTogether(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	names := strings.Fields("a.B c.D e.F g.H i.J k.L")
	require.Len(t, names, DefaultEvidence().Pairs)
	var got []string
	for i, name := range names {
		if i == DefaultEvidence().Pairs-1 {
			require.Len(t, m.Templates(), i)
		}
		got = learn(m, "registering class "+name+" for class x."+name+" as known")
	}
	require.Equal(t, []string{"registering class <*> for class <*> as known"}, got)
	require.Len(t, m.Templates(), 1)
	learn(m, "registering class a.B for class z.Z as unknown")
	require.Len(t, m.Templates(), 2)
}

func TestPlainWordsThatVaryTogether(t *testing.T) {
	t.Parallel()
	names := strings.Fields("alpha beta gamma delta epsilon zeta eta theta")
	for format, many := range map[string]int{
		"back-off of pod %[1]s failed, volume=%[1]s": DefaultEvidence().Pairs, // the same word twice
		"the %s of %s is not ready":                  DefaultEvidence().Pairs,
		"%s meets %s":                                len(names) + 1, // nothing is left that tells
		"%s of %s is not ready yet":                  len(names) + 1, // subject or verb
	} {
		m := New(Config{})
		for i, name := range names {
			learn(m, fmt.Sprintf(format, name, names[(i*3+1)%len(names)]))
			if i+1 < many {
				require.Len(t, m.Templates(), i+1, format)
			} else {
				require.Len(t, m.Templates(), 1, format)
			}
		}
	}
}

func TestIDsStay(t *testing.T) {
	t.Parallel()
	m, other := New(Config{}), New(Config{})
	first := m.Learn("lost contact with alpha again")
	id := first.ID()
	require.Equal(t, "8db1733f9f69c39e", id.String(), "ids are kept by users: a change of the hash or of masks needs a word to them")
	var later *Template
	for _, name := range strings.Fields("beta gamma delta") {
		later = m.Learn("lost contact with " + name + " again")
	}
	require.Equal(t, "lost contact with <*> again", later.Root().String())
	require.Equal(t, id, later.Root().ID(), "the oldest gives its id")
	require.Same(t, first, later.Root())
	found, ok := m.Lookup(id)
	require.True(t, ok)
	require.Same(t, first, found)
	_, ok = m.Lookup(id + 1)
	require.False(t, ok)
	require.Equal(t, id, other.Learn("lost contact with alpha again").ID(), "in any miner")
}

func TestCountIsOfAllMerged(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	for range 3 {
		learn(m, each("lost contact with %s again", strings.Fields("alpha beta gamma delta")...)...)
	}
	require.Len(t, m.Templates(), 1)
	require.Equal(t, 12, m.Templates()[0].Count())
}

func TestTemplatesAreBounded(t *testing.T) {
	t.Parallel()
	m := New(Config{MaxTemplates: 10})
	word := func(i int) string {
		return strings.Map(func(r rune) rune { return r - '0' + 'g' }, fmt.Sprintf("%06d", i))
	}
	for i := range 40_000 {
		m.Learn(word(i) + " meets " + word(i*7) + " at " + word(i*13))
	}
	list := m.Templates()
	require.Len(t, list, 11)
	rest := list[10]
	require.True(t, rest.Rest())
	require.Equal(t, Wildcard, rest.String())
	require.Equal(t, 40_000-10, rest.Count())
	found, ok := m.Lookup(rest.ID())
	require.True(t, ok)
	require.Same(t, rest, found)
	require.LessOrEqual(t, len(m.shapes), maxShapes)
	require.LessOrEqual(t, len(m.old), maxShapes)
	require.Len(t, m.known.byID, 10)
	require.Len(t, m.known.exact, 10)
	require.LessOrEqual(t, len(m.known.families), 10*5)
}

func TestHashesThatCollide(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	a, b := m.Learn("first line"), m.Learn("quite another one")
	// As if both lines had the same hashes.
	b.skeleton, b.sum = a.skeleton, a.sum
	m.known.general[a.skeleton] = []*Template{b}
	m.known.exact[a.key()] = b
	m.known.families[a.familyKey(1)] = []*Template{a, b}
	for _, name := range strings.Fields("second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth") {
		m.Learn(name + " line")
	}
	require.Equal(t, "quite another one", b.String())
	require.Nil(t, b.merged)

	t1 := newTemplate(7, []string{"", "x", ""})
	m.known.byID[ID(hashString(hashSeed, "unseen"))] = t1
	require.Equal(t, ID(hashString(hashSeed, "unseen")+1), m.Learn("unseen").ID(), "an id that is taken is not given again")
}

func TestHostileLines(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	for _, line := range []string{
		"", " ", "\x00", "\x00\x01\x02 \x7f", "\xff\xfe\xfd", "a\xffb 12 \xc3", strings.Repeat("x", 1<<20), strings.Repeat("x ", 1<<19),
		strings.Repeat("((((", 1<<18), strings.Repeat("a=1,", 1<<18), strings.Repeat("\x1b[", 1<<19), "\x1b[31", strings.Repeat("\x00", 1<<20),
		strings.Repeat("/", 5000), strings.Repeat(".", 5000), strings.Repeat(":", 5000), strings.Repeat("9", 5000), strings.Repeat("ff:", 2000),
		strings.Repeat("mon ", 2000), strings.Repeat("user ", 2000), "user", "user ", "user\xa7", "user用户", "user\"", "12 ", "12 K", "\\", "/", "//", "http://", "~/", "./", "../", ".", "..", "<", "<1", "()", "[", "{}",
		"a\U0001F600b \u202Eevil\u200B", "٣ أخطاء", "٣٤ خطأ", "ошибка 12", "错误12", "エラー 5", "오류 7", "ข้อผิดพลาด 9", "שגיאה 3", "σφάλμα 4", "त्रुटि 8",
	} {
		got := m.Learn(line)
		require.Same(t, got, m.Learn(line).Root(), "%.20q", line)
		s := got.String()
		require.True(t, utf8.ValidString(s), "%.20q", line)
		require.False(t, strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }), "%.20q", line)
		require.LessOrEqual(t, len(got.tokens), 2*(maxWords+1)+1)
		require.LessOrEqual(t, len(s), 3*maxLineBytes, "%.20q", line)
		require.Equal(t, s, strings.Join(got.Tokens(), ""))
	}
}

// TestRepeatsCostNothing checks that lines of a known shape allocate nothing.
func TestRepeatsCostNothing(t *testing.T) {
	m := New(Config{})
	i := 0
	lines := []string{
		"Receiving block blk_-160 src: /10.250.19.102:54106 dest: /10.250.19.102:50010",
		"Receiving block blk_7128370237687728475 src: /10.1.1.2:4 dest: /10.251.42.84:50010",
		"createOrder Order(id=7, date=2023-01-29, from=Shang Hai, to=Su Zhou) done by user bob",
	}
	learn(m, lines...)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		m.Learn(lines[i%len(lines)])
		i++
	}))
}

func BenchmarkLearn(b *testing.B) {
	for name, format := range map[string]string{
		"short":  "BLOCK* NameSystem.addStoredBlock: blockMap updated: 10.250.10.%d:50010 is added to blk_%d size %d",
		"nested": "[getTickets][before get basic][trips: [" + strings.Repeat("Trip(id=8a533bf9-bd12-4608-a8eb-6068909824%02d, tripId=Z%d, trainTypeName=ZhiDa, start=Shang Hai, at=%d), ", 4) + "]]",
		"new":    "",
	} {
		b.Run(name, func(b *testing.B) {
			lines := make([]string, 5000)
			for i := range lines {
				if format == "" {
					lines[i] = strings.Map(func(r rune) rune { return r - '0' + 'g' }, fmt.Sprintf("%08d", i*31337)) + " was here with some others"
					continue
				}
				lines[i] = strings.ReplaceAll(format, "%02d", fmt.Sprintf("%02d", i%90))
				lines[i] = strings.ReplaceAll(lines[i], "%d", strconv.Itoa(i*7919))
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(lines[0])))
			m := New(Config{})
			i := 0
			for b.Loop() {
				if format == "" && i%len(lines) == 0 {
					m = New(Config{})
				}
				m.Learn(lines[i%len(lines)])
				i++
			}
			b.ReportMetric(float64(i)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}

func TestNamesAndListsHaveAnyLength(t *testing.T) {
	t.Parallel()
	names := strings.Split("alpha,beta,gamma,delta,epsilon,zeta,alpha beta,gamma delta,epsilon zeta,eta theta,iota kappa,beta alpha,delta gamma", ",")
	m := New(Config{})
	learn(m, each("cannot start %s: no memory", names...)...)
	require.Len(t, m.Templates(), 1)
	require.Equal(t, len(names), m.Templates()[0].Count())
	restored := New(Config{})
	require.NoError(t, restored.Merge(m.Snapshot(1<<20)))
	require.Len(t, restored.Templates(), 1)
	got := restored.Learn("cannot start lambda mu: no memory").Root().ID()
	require.Equal(t, m.Templates()[0].ID(), got, "a form has the id of the template")

	lists := New(Config{})
	learn(lists, "nodes n1 7 <ok>", "nodes n1 7 <ok> n2 8 <ok>", "nodes n1 7 <ok> n2 8 <ok> n3 9 <ok>", "[1] [2]", "[1] [2] [3] [4]")
	require.Len(t, lists.Templates(), 3)
}
