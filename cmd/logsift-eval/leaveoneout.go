package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"logsift/adapters/builtin/mining"
)

// goalSeen is the least mean over the systems that the constants were made with.
const goalSeen = 0.97

// constant is a number of the miner that the evaluation chooses: one of candidates,
// the first of those that are equally good.
type constant struct {
	name       string
	of         func(*mining.Evidence) *int
	candidates []int
}

// constants begin with the values that the product has. After with the value of Plain
// is a miner without its list of prepositions and kinds of things.
var constants = []constant{
	{"plain", func(e *mining.Evidence) *int { return &e.Plain }, []int{6, 4, 8}},
	{"first", func(e *mining.Evidence) *int { return &e.First }, []int{10, 6, 14}},
	{"caps", func(e *mining.Evidence) *int { return &e.Caps }, []int{10, 6, 14}},
	{"after", func(e *mining.Evidence) *int { return &e.After }, []int{4, 3, 6}},
	{"idents", func(e *mining.Evidence) *int { return &e.Idents }, []int{3, 2, 5}},
	{"marked", func(e *mining.Evidence) *int { return &e.Marked }, []int{2, 3, 4}},
	{"pairs", func(e *mining.Evidence) *int { return &e.Pairs }, []int{6, 4, 10}},
}

// system is a log whose lines have the template that they belong to.
type system struct {
	name string
	truth
	accuracy map[mining.Evidence]grouping
}

// leaveOneOut measures each system of a folder with the constants that are the best
// for all others.
func leaveOneOut(ctx context.Context, w *report, root string) error {
	systems, err := readSystems(root, "")
	if err != nil {
		return err
	}
	if len(systems) < 3 {
		return fmt.Errorf("-leave-one-out must name a folder of three systems at least, and %q has %d", root, len(systems))
	}
	const section = "leave one out"
	var sum, seen grouping
	chosen := map[mining.Evidence]int{}
	for i, s := range systems {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("leave one out: %w", err)
		}
		others := append(append([]*system{}, systems[:i]...), systems[i+1:]...)
		best := choose(others)
		chosen[best]++
		g, own := s.measure(best), s.measure(mining.DefaultEvidence())
		w.add(section, s.name, fmt.Sprintf("GA %.3f FGA %.3f by %s; others' mean GA %.3f", g.ga, g.fga, describe(best), mean(others, best)))
		sum.ga, sum.fga, seen.ga = sum.ga+g.ga, sum.fga+g.fga, seen.ga+own.ga
	}
	n := float64(len(systems))
	w.add(section, "mean of the systems left out", fmt.Sprintf("GA %.3f FGA %.3f, %d choices", sum.ga/n, sum.fga/n, len(chosen)))
	ga := seen.ga / n
	w.check(section, "mean with the product's constants", fmt.Sprintf("GA %.3f by %s", ga, describe(mining.DefaultEvidence())), fmt.Sprintf("GA ≥ %.2f", goalSeen), ga >= goalSeen)
	return nil
}

// readSystems reads the folders of a folder that have a structured file.
func readSystems(root, suffix string) ([]*system, error) {
	dirs, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("read systems: %w", err)
	}
	var out []*system
	for _, dir := range dirs {
		file := filepath.Join(root, dir.Name(), dir.Name()+"_2k.log_structured"+suffix+".csv")
		want, err := readTruth(file)
		if errors.Is(err, os.ErrNotExist) || !dir.IsDir() {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		out = append(out, &system{name: dir.Name(), truth: want, accuracy: map[mining.Evidence]grouping{}})
	}
	return out, nil
}

// choose returns the constants with the best mean, one constant after the other, until
// none makes it better.
func choose(systems []*system) mining.Evidence {
	best := mining.DefaultEvidence()
	most := mean(systems, best)
	for again := true; again; {
		again = false
		for _, c := range constants {
			for _, value := range c.candidates {
				e := best
				*c.of(&e) = value
				if ga := mean(systems, e); ga > most {
					best, most, again = e, ga, true
				}
			}
		}
	}
	return best
}

func mean(systems []*system, e mining.Evidence) float64 {
	sum := 0.0
	for _, s := range systems {
		sum += s.measure(e).ga
	}
	return sum / float64(len(systems))
}

// measure mines the system, or remembers what came of it.
func (s *system) measure(e mining.Evidence) grouping {
	g, ok := s.accuracy[e]
	if !ok {
		got, _ := groupLines(s.contents, e)
		g = compareGroups(got, s.events)
		s.accuracy[e] = g
	}
	return g
}

func describe(e mining.Evidence) string {
	parts := make([]string, len(constants))
	for i, c := range constants {
		parts[i] = fmt.Sprintf("%s %d", c.name, *c.of(&e))
	}
	return strings.Join(parts, ", ")
}
