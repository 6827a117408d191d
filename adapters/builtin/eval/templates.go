package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"logsift/adapters/builtin/mining"
)

// Goals of template mining: the means over the systems.
const (
	goalGA = 0.82
)

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
func evalTemplates(w *report, data string) error {
	root := filepath.Join(data, "loghub_2k")
	dirs, err := os.ReadDir(root)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read systems: %w", err)
	}
	for _, kind := range []struct{ name, suffix string }{{"original", ""}, {"corrected", "_corrected"}} {
		section := "templates, " + kind.name + " truth"
		var sum grouping
		n := 0
		for _, dir := range dirs {
			if !dir.IsDir() {
				continue
			}
			file := filepath.Join(root, dir.Name(), dir.Name()+"_2k.log_structured"+kind.suffix+".csv")
			want, err := readTruth(file)
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err != nil {
				return fmt.Errorf("read %s: %w", file, err)
			}
			got, templates := groupLines(want.contents)
			g := compareGroups(got, want.events)
			w.add(section, dir.Name(), fmt.Sprintf("GA %.3f FGA %.3f, %d templates of %d", g.ga, g.fga, templates, distinct(want.events)))
			sum.ga += g.ga
			sum.fga += g.fga
			n++
		}
		if n > 0 {
			ga := sum.ga / float64(n)
			w.check(section, fmt.Sprintf("mean of %d systems", n), fmt.Sprintf("GA %.3f FGA %.3f", ga, sum.fga/float64(n)), fmt.Sprintf("GA ≥ %.2f", goalGA), ga >= goalGA)
		}
	}
	return nil
}

// groupLines mines the lines and returns the group of each.
func groupLines(lines []string) (groups []mining.ID, templates int) {
	m := mining.New(mining.Config{})
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
	f, err := os.Open(file) //nolint:gosec // The user names the folder.
	if err != nil {
		return truth{}, err
	}
	defer func() { _ = f.Close() }()
	r := csv.NewReader(f)
	head, err := r.Read()
	if err != nil {
		return truth{}, err
	}
	content, event := slices.Index(head, "Content"), slices.Index(head, "EventId")
	if content < 0 || event < 0 {
		return truth{}, errors.New("no columns Content and EventId")
	}
	var t truth
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return truth{}, err
		}
		t.contents = append(t.contents, record[content])
		t.events = append(t.events, record[event])
	}
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
