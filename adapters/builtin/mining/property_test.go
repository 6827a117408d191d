package mining

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// line draws lines of few words, so that many are alike.
func line() *rapid.Generator[string] {
	word := rapid.OneOf(
		rapid.SampledFrom(strings.Fields("lost contact with from alpha beta gamma delta epsilon zeta eta theta NEW DONE user true Jul 12 7.5 blk_-1 cn7 dn8 eth0 /a/b com.Foo com.Bar com.Baz key=1 k= (x, y) [] <1 sec 订单9已 \x1b[1m \xff")),
		rapid.StringMatching(`[a-z]{1,3}|[0-9]{1,4}|[ -~]{1,6}`),
	)
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(word, 0, 14).Draw(t, "words"), " ")
	})
}

func TestEachLineHasItsTemplate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		lines := rapid.SliceOfN(line(), 0, 120).Draw(rt, "lines")
		m := New(Config{MaxTemplates: rapid.IntRange(1, 60).Draw(rt, "max")})
		given := make([]*Template, len(lines))
		for i, l := range lines {
			given[i] = m.Learn(l)
		}
		checkTemplates(rt, m, lines, given)
		again := New(Config{MaxTemplates: m.max})
		for i, l := range lines {
			require.Equal(rt, given[i].ID(), again.Learn(l).ID(), "the same lines give the same templates")
		}
		require.Equal(rt, everything(m), everything(again))
	})
}

// checkTemplates checks that each line is covered by a form of its template, and that all
// lines are counted once.
func checkTemplates(t require.TestingT, m *Miner, lines []string, given []*Template) {
	live := map[*Template]bool{}
	total := 0
	for _, template := range m.Templates() {
		live[template] = true
		total += template.Count()
		require.Same(t, template, template.Root())
		require.True(t, utf8.ValidString(template.String()))
	}
	require.Equal(t, len(lines), total)
	for i, l := range lines {
		root := given[i].Root()
		require.True(t, live[root], "%q", l)
		if root.Rest() {
			continue
		}
		var sc scanner
		sc.scan(l)
		tokens := collapse(tokenize(string(sc.buf), sc.words))
		require.True(t, slices.ContainsFunc(m.known.list(true), func(form *Template) bool {
			_, ok := form.covers(tokens)
			return ok && form.Root() == root
		}), "%q is not covered by a form of %q", l, root)
	}
	require.LessOrEqual(t, len(live), m.max+1)
	checkIndex(t, m.known)
}

// checkIndex checks that the lists hold the templates that live, and no others.
func checkIndex(t require.TestingT, x *index) {
	listed := 0
	for _, side := range []map[uint64][]*Template{x.general, x.recent} {
		for key, list := range side {
			for _, template := range list {
				listed++
				require.Same(t, template, x.byID[template.id])
				require.Equal(t, key, template.skeleton)
				fresh := newTemplate(template.id, template.tokens)
				require.Equal(t, []any{fresh.sum, fresh.general}, []any{template.sum, template.general})
			}
		}
	}
	require.Len(t, x.byID, listed)
	for key, family := range x.families {
		require.NotEmpty(t, family)
		for _, template := range family {
			require.Same(t, template, x.byID[template.id])
			found := false
			for own := range template.familyKeys {
				found = found || own == key
			}
			require.True(t, found)
		}
	}
}

func TestMergeIsTheSameInBothDirections(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		cfg := Config{MaxTemplates: rapid.IntRange(3, 80).Draw(rt, "max")}
		some := rapid.SliceOfN(line(), 0, 40)
		base := New(cfg)
		learn(base, some.Draw(rt, "base")...)
		a, b := New(cfg), New(cfg)
		require.NoError(rt, a.Merge(base.Snapshot(1<<20)))
		require.NoError(rt, b.Merge(base.Snapshot(1<<20)))
		require.Equal(rt, everything(a), everything(b))
		lines := some.Draw(rt, "a")
		given := make([]*Template, len(lines))
		for i, l := range lines {
			given[i] = a.Learn(l)
		}
		learn(b, some.Draw(rt, "b")...)
		fromA, fromB := a.Snapshot(1<<20), b.Snapshot(1<<20)
		require.NoError(rt, a.Merge(fromB))
		require.NoError(rt, b.Merge(fromA))
		require.Equal(rt, everything(a), everything(b))
		checkIndex(rt, a.known)
		checkIndex(rt, b.known)

		// Loading what was saved changes nothing.
		c, d := New(cfg), New(cfg)
		require.NoError(rt, c.Merge(a.Snapshot(1<<20)))
		require.NoError(rt, d.Merge(c.Snapshot(1<<20)))
		require.Equal(rt, len(c.Templates()), len(d.Templates()))
	})
}

// FuzzLearn checks the properties on any text, and that a snapshot restores it.
func FuzzLearn(f *testing.F) {
	for _, seed := range []string{
		"", " \t\n", "job 17 failed\njob 18 failed", `1.2.3.4 - - [01/Mar/2026:10:11:12 +0100] "GET / HTTP/1.1" 503 12`,
		"blk_-1608999687919862906 a=b<c>[d]\n\xff\xfe", strings.Repeat("x ", 200), strings.Repeat("y", 5000), "<*> <* *>\n<*>\n\x01\x02",
		"Trip(id=1, a=b, c=d e, f=(g=h))\non Wed Jul 27 10:59:53 PDT 2005, Jul\nuser 'x' ff:ff:ff:ff \x1b[1m",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m := New(Config{MaxTemplates: 50})
		lines := strings.Split(text, "\n")
		given := make([]*Template, len(lines))
		for i, l := range lines {
			given[i] = m.Learn(l)
		}
		checkTemplates(t, m, lines, given)
		restored := New(Config{})
		require.NoError(t, restored.Merge(m.Snapshot(1<<30)))
		checkIndex(t, restored.known)
	})
}

// FuzzMerge checks that no data breaks a miner.
func FuzzMerge(f *testing.F) {
	m := New(Config{})
	learn(m, "took 12 ms.", "lost contact with alpha again", "lost contact with beta again")
	f.Add(m.Snapshot(1 << 20))
	f.Add([]byte("lsm\x01\x00\x01abcdefgh\x00\x00\x00\x03\x00\x01a\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := New(Config{})
		learn(m, "took 12 ms.", "lost contact with alpha again")
		before := everything(m)
		if err := m.Merge(data); err != nil {
			require.Equal(t, before, everything(m))
			return
		}
		checkIndex(t, m.known)
		learn(m, "took 12 ms.", "lost contact with gamma again")
		require.NoError(t, New(Config{}).Merge(m.Snapshot(1<<30)))
	})
}
