package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"

	"logsift/adapters/builtin"
	"logsift/domain"
)

// fault is one entry of faults.json.
type fault struct {
	File    string `json:"file"`
	Pod     string `json:"inject_pod"`
	Service string `json:"service"`
	Type    string `json:"inject_type"`
}

// evalFaults compares windows in which a fault was injected with a fault-free
// baseline, and looks for the faulty service among those that the anomalies name.
func evalFaults(ctx context.Context, w *report, data string) error {
	lists, err := find(data, "injected faults", "*/faults*.json")
	if err != nil {
		return err
	}
	total, first, three, named := 0, 0, 0, 0
	for _, list := range lists {
		faults, err := readFaults(list)
		if err != nil {
			return err
		}
		for _, f := range faults {
			path := filepath.Join(filepath.Dir(list), f.File)
			if _, err := os.Stat(path); err != nil {
				continue // the list may name more than is here
			}
			r, err := analyseFault(ctx, path)
			if err != nil {
				return err
			}
			services := rankServices(&r)
			place := slices.Index(services, f.Service) + 1
			total++
			if place == 1 {
				first++
			}
			if place >= 1 && place <= 3 {
				three++
			}
			if namesService(&r, f.Service) {
				named++
			}
			w.add("faults", fmt.Sprintf("%s (%s in %s)", f.File, f.Type, f.Service), fmt.Sprintf("place %d: %s", place, strings.Join(services[:min(3, len(services))], ", ")))
		}
	}
	if total == 0 {
		return fmt.Errorf("%w: none of the logs of %s is there", errNoData, strings.Join(lists, ", "))
	}
	w.check("faults", "faulty service among the first three", fmt.Sprintf("%d of %d", three, total), "≥ 14 of 15", 15*three >= 14*total)
	w.check("faults", "faulty service first", fmt.Sprintf("%d of %d", first, total), "≥ 11 of 15", 15*first >= 11*total)
	w.check("faults", "an anomaly of it, medium or higher, with its log ids", fmt.Sprintf("%d of %d", named, total), "≥ 14 of 15", 15*named >= 14*total)
	return nil
}

func readFaults(path string) ([]fault, error) {
	data, err := os.ReadFile(path) //nolint:gosec // The user names the file.
	if err != nil {
		return nil, fmt.Errorf("read faults: %w", err)
	}
	var out []fault
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return out, nil
}

// analyseFault learns the baseline and compares a log with it.
func analyseFault(ctx context.Context, path string) (domain.AnalysisResult, error) {
	normal, err := baselineFile(filepath.Dir(path), path)
	if err != nil {
		return domain.AnalysisResult{}, err
	}
	a := builtin.New(config(newDocuments()))
	var r domain.AnalysisResult
	for i, file := range []string{normal, path} {
		lines, err := readLines(file)
		if err != nil {
			return r, err
		}
		r, err = a.Analyze(ctx, domain.AnalysisRequest{
			TaskID: uuid.New(), Logs: entries(filepath.Base(file), lines), Baseline: "normal", Learn: i == 0,
		})
		if err != nil {
			return r, fmt.Errorf("analyse %s: %w", file, err)
		}
	}
	return r, nil
}

// rankServices orders the services by their most severe anomaly, and by its score.
func rankServices(r *domain.AnalysisResult) []string {
	best := map[string]domain.Anomaly{}
	for _, a := range r.Anomalies {
		for _, s := range a.Services {
			if old, ok := best[s]; !ok || cmp.Or(cmp.Compare(a.Severity, old.Severity), cmp.Compare(a.Score, old.Score)) > 0 {
				best[s] = a
			}
		}
	}
	return slices.SortedFunc(maps.Keys(best), func(a, b string) int {
		return cmp.Or(cmp.Compare(best[b].Severity, best[a].Severity), cmp.Compare(best[b].Score, best[a].Score), cmp.Compare(a, b))
	})
}

// namesService reports whether an anomaly of the service names lines.
func namesService(r *domain.AnalysisResult, service string) bool {
	return slices.ContainsFunc(r.Anomalies, func(a domain.Anomaly) bool {
		return a.Severity >= flagged && len(a.LogIDs) > 0 && slices.Contains(a.Services, service)
	})
}
