package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"logsift/adapters/builtin/mining"
)

// goalGA is the goal of template mining: the mean over the systems.
const goalGA = 0.82

// grouping is how well lines were put together.
type grouping struct {
	// ga, the grouping accuracy, is the share of the lines whose group has just
	// the lines that belong together. fga is the F1 score of the groups that do.
	ga, fga float64
}

// truth are two columns of a structured file of Loghub.
type truth struct{ contents, events []string }

// evalTemplates mines each system of Loghub-2k in data, with one configuration,
// and compares the groups with the truth, in its original and corrected form.
func evalTemplates(_ context.Context, w *report, data string) error {
	root := filepath.Join(data, "loghub_2k")
	if _, err := os.Stat(root); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, kind := range []struct{ name, suffix string }{{"original", ""}, {"corrected", "_corrected"}} {
		section := "templates, " + kind.name + " truth"
		systems, err := readSystems(root, kind.suffix)
		if err != nil {
			return err
		}
		var sum grouping
		for _, s := range systems {
			got, templates := groupLines(s.contents, mining.DefaultEvidence())
			g := compareGroups(got, s.events)
			w.add(section, s.name, fmt.Sprintf("GA %.3f FGA %.3f, %d templates of %d", g.ga, g.fga, templates, distinct(s.events)))
			sum.ga += g.ga
			sum.fga += g.fga
		}
		n := len(systems)
		if n > 0 {
			ga := sum.ga / float64(n)
			w.check(section, fmt.Sprintf("mean of %d systems", n), fmt.Sprintf("GA %.3f FGA %.3f", ga, sum.fga/float64(n)), fmt.Sprintf("GA ≥ %.2f", goalGA), ga >= goalGA)
		}
	}
	return nil
}

// groupLines mines the lines and returns the group of each.
func groupLines(lines []string, e mining.Evidence) (groups []mining.ID, templates int) {
	m := mining.New(mining.Config{Evidence: e})
	of := make([]*mining.Template, len(lines))
	for i, line := range lines {
		of[i] = m.Learn(line)
	}
	groups = make([]mining.ID, len(lines))
	for i, t := range of {
		groups[i] = t.Root().ID()
	}
	return groups, len(m.Templates())
}

func readTruth(file string) (truth, error) {
	rows, err := readTable(file)
	if err != nil {
		return truth{}, err
	}
	var t truth
	for _, row := range rows {
		content, ok1 := row["content"]
		event, ok2 := row["eventid"]
		if !ok1 || !ok2 {
			return truth{}, errors.New("no columns Content and EventId")
		}
		t.contents = append(t.contents, content)
		t.events = append(t.events, event)
	}
	return t, nil
}

// compareGroups returns the accuracy of the groups got.
func compareGroups[G comparable](got []G, want []string) grouping {
	type group struct {
		lines int
		other map[string]int
	}
	size := map[string]int{}
	groups := map[G]*group{}
	for i, g := range got {
		size[want[i]]++
		if groups[g] == nil {
			groups[g] = &group{other: map[string]int{}}
		}
		groups[g].lines++
		groups[g].other[want[i]]++
	}
	lines, right := 0, 0
	for _, g := range groups {
		for event := range g.other {
			if len(g.other) == 1 && size[event] == g.lines {
				lines += g.lines
				right++
			}
		}
	}
	if len(got) == 0 {
		return grouping{}
	}
	return grouping{
		ga:  float64(lines) / float64(len(got)),
		fga: 2 * float64(right) / float64(len(groups)+len(size)),
	}
}

func distinct(events []string) int {
	seen := map[string]bool{}
	for _, e := range events {
		seen[e] = true
	}
	return len(seen)
}
