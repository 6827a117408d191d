package redact_test

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/openai/redact"
	"logsift/adapters/openai/redact/redacttest"
)

// seed is that of the corpus; any other must pass as well.
const seed = 1

// bars are the least recall of the classes, in percent; the rest must be found
// without exception. A random value behind a name that says nothing is judged by
// its look alone, and some look like words.
var bars = map[string]float64{"high_entropy": 95}

func TestPlantedSecretsAreFound(t *testing.T) {
	t.Parallel()
	plants := redacttest.Corpus(seed)
	require.GreaterOrEqual(t, len(plants), 300)
	redactor := redact.New(redact.Config{})
	type tally struct{ planted, found, named int }
	tallies := map[string]*tally{}
	var missed []string
	for _, p := range plants {
		if tallies[p.Class] == nil {
			tallies[p.Class] = &tally{}
		}
		s := redactor.Session()
		out := s.Redact(p.Text)
		tallies[p.Class].planted++
		if slices.ContainsFunc(p.Secrets, func(secret string) bool { return redacttest.Visible(out, secret) }) {
			missed = append(missed, p.Class+" ("+p.Form+"): "+out)
			continue
		}
		tallies[p.Class].found++
		if s.Counts()[p.Class] > 0 {
			tallies[p.Class].named++
		}
		require.Equal(t, out, s.Redact(out), "redacting again changes nothing: %s", p.Text)
	}
	for _, m := range missed {
		t.Log("missed:", m)
	}
	t.Logf("%-16s %8s %8s %8s %8s", "class", "planted", "found", "recall", "class ok")
	total := tally{}
	for _, class := range slices.SortedFunc(maps.Keys(tallies), cmp.Compare) {
		n := tallies[class]
		recall := 100 * float64(n.found) / float64(n.planted)
		t.Logf("%-16s %8d %8d %7.1f%% %8d", class, n.planted, n.found, recall, n.named)
		total.planted += n.planted
		total.found += n.found
		require.GreaterOrEqual(t, recall, cmp.Or(bars[class], 100), class)
		require.Positive(t, n.named, "%s is found under its own name", class)
	}
	t.Logf("%-16s %8d %8d", "all", total.planted, total.found)
}

func TestOrdinaryLinesStay(t *testing.T) {
	t.Parallel()
	lines := redacttest.Ordinary(seed)
	require.GreaterOrEqual(t, len(lines), 300)
	redactor := redact.New(redact.Config{})
	var changed []string
	for _, line := range lines {
		if out := redactor.Session().Redact(line); out != line {
			changed = append(changed, line+"\n  "+out)
		}
	}
	t.Logf("%d of %d ordinary lines changed", len(changed), len(lines))
	require.Empty(t, changed, "%s", strings.Join(changed, "\n"))
}

// least is the least recall where only its surroundings give a secret away, and
// leastInProse that in sentences, in percent.
const (
	least        = 95
	leastInProse = 90
)

func TestSurroundingsGiveSecretsAway(t *testing.T) {
	t.Parallel()
	recall(t, redacttest.Surroundings(seed, 4))
}

// recall measures the recall of each class, and asks for the least.
func recall(t *testing.T, plants []redacttest.Plant) {
	t.Helper()
	redactor := redact.New(redact.Config{})
	planted, found := map[string]int{}, map[string]int{}
	for _, p := range plants {
		planted[p.Class]++
		s := redactor.Session()
		out := s.Redact(p.Text)
		if again := s.Redact(out); again != out {
			t.Errorf("redacting again changes %q to %q", out, again)
		}
		if slices.ContainsFunc(p.Secrets, func(secret string) bool { return redacttest.Visible(out, secret) }) {
			t.Logf("missed: %s: %s", p.Class, out)
			continue
		}
		found[p.Class]++
	}
	for _, class := range slices.Sorted(maps.Keys(planted)) {
		share := 100 * float64(found[class]) / float64(planted[class])
		t.Logf("%-16s %8d %8d %7.1f%%", class, planted[class], found[class], share)
		if share < least && (class != "prose" || share < leastInProse) {
			t.Errorf("%s: %d of %d found", class, found[class], planted[class])
		}
	}
}

func TestOtherSurroundingsGiveSecretsAwayToo(t *testing.T) {
	t.Parallel()
	recall(t, redacttest.Holdout(seed, 4))
	recall(t, redacttest.Grammar(seed, 1000))
}
