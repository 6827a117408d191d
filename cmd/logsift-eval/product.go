package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"logsift/domain"
	"logsift/domain/logline"
)

// product is the program, measured as users run it: as processes, on files and by HTTP.
type product struct {
	binary, dir string
	// speedLines is how many made-up lines the speed is measured with.
	speedLines int
}

// evalProduct measures the program at a path, or that of this module if the path is "".
// It returns what the program says of its version.
func evalProduct(ctx context.Context, w *report, data, binary string) (version string, err error) {
	dir, err := os.MkdirTemp("", "logsift-eval-")
	if err != nil {
		return "", fmt.Errorf("make a temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if binary == "" {
		binary = filepath.Join(dir, "logsift")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "logsift/cmd/logsift").CombinedOutput(); err != nil { //nolint:gosec // The path is our own.
			return "", fmt.Errorf("build logsift: %w: %s", err, out)
		}
	}
	said, err := exec.CommandContext(ctx, binary, "version").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", binary, err)
	}
	p := &product{binary: binary, dir: dir, speedLines: 3_000_000}
	for _, section := range []func(context.Context, *report, string) error{p.sessions, p.faults, p.normal, p.alerts, p.speed} {
		if err := section(ctx, w, data); err != nil && !errors.Is(err, errNoData) {
			return "", err
		}
	}
	if len(w.rows) == 0 {
		return "", fmt.Errorf("%w: -product must name the folder of the labelled logs, and %q has none", errNoData, data)
	}
	return strings.TrimSpace(string(said)), nil
}

// analysed is what analyze -o json prints, as far as it is measured here.
type analysed struct {
	Entries   int                  `json:"lines"`
	Anomalies []domain.Anomaly     `json:"anomalies"`
	Services  []domain.ServiceRank `json:"services"`
	state     *os.ProcessState
}

// result has the anomalies.
func (r *analysed) result() *domain.AnalysisResult {
	return &domain.AnalysisResult{Anomalies: r.Anomalies}
}

// analyze runs logsift analyze on lines.
func (p *product) analyze(ctx context.Context, name string, lines []string, more ...string) (*analysed, error) {
	path, err := p.write(name, lines)
	if err != nil {
		return nil, err
	}
	return p.analyzeFile(ctx, path, more...)
}

// write makes a file of lines in the program's folder.
func (p *product) write(name string, lines []string) (string, error) {
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write lines: %w", err)
	}
	return path, nil
}

// analyzeFile runs logsift analyze on a file, on one core.
func (p *product) analyzeFile(ctx context.Context, path string, more ...string) (*analysed, error) {
	cmd := exec.CommandContext(ctx, p.binary, append([]string{"analyze", "-o", "json", path}, more...)...) //nolint:gosec // The user names the program.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("logsift analyze %s: %w: %s", filepath.Base(path), err, stderr.String())
	}
	r := &analysed{state: cmd.ProcessState}
	if err := json.Unmarshal(out, r); err != nil {
		return nil, fmt.Errorf("read the report on %s: %w", filepath.Base(path), err)
	}
	return r, nil
}

// sessions scores logs of labelled sessions: by analyze, as they are and disturbed, and
// by serve, in two orders of the requests.
func (p *product) sessions(ctx context.Context, w *report, data string) error {
	files, err := find(data, "labelled sessions", "*/*.labels.csv")
	if err != nil {
		return err
	}
	for _, file := range files {
		l, err := readLabelled(file)
		if err != nil {
			return err
		}
		r, err := p.analyze(ctx, l.name+".log", l.lines)
		if err != nil {
			return err
		}
		found := flaggedSessions(r.result())
		s := scoreSessions(l.bad, found)
		w.check("analyze, sessions", l.name, s.String(), "F1 ≥ 0.95", s.f1() >= .95)
		for _, d := range disturb(data, l.lines) {
			r, err := p.analyze(ctx, l.name+".log", d.lines)
			if err != nil {
				return err
			}
			now := flaggedSessions(r.result())
			kept := 0
			for id := range found {
				if now[id] {
					kept++
				}
			}
			w.add("analyze, sessions", l.name+", "+d.name, fmt.Sprintf("%s, %d of %d verdicts kept", scoreSessions(l.bad, now), kept, len(found)))
		}
		chunks := slices.Collect(slices.Chunk(l.lines, chunkLines))
		for order, name := range []string{"requests of 1,000 lines in order", "requests of 1,000 lines shuffled"} {
			r, err := p.serve(ctx, l.name, shuffled(chunks, uint64(order)))
			if err != nil {
				return err
			}
			s := scoreSessions(l.bad, flaggedSessions(r))
			w.check("serve, sessions", l.name+", "+name, s.String(), "F1 ≥ 0.93", s.f1() >= .93)
		}
	}
	return nil
}

// disturbance is a log as a disturbed collection delivers it.
type disturbance struct {
	name  string
	lines []string
}

// disturb adds noise to lines, loses some, and mixes them with those of another system,
// which get the time of their neighbours.
func disturb(data string, lines []string) []disturbance {
	random := rand.New(rand.NewPCG(3, 4))
	var noisy, lossy, mixed []string
	var other []string
	if files, err := find(data, "normal logs", "*/normal*.log"); err == nil {
		other, _ = readLines(files[0]) // Without it nothing is mixed.
	}
	for i, line := range lines {
		noisy = append(noisy, line)
		if random.IntN(100) == 0 {
			noisy = append(noisy, fmt.Sprintf("~~ noise %x", random.Uint64()))
		}
		if random.IntN(20) > 0 {
			lossy = append(lossy, line)
		}
		mixed = append(mixed, line)
		at := logline.Parser{}.Parse(line, arrival).Timestamp.Format(time.RFC3339Nano)
		for _, foreign := range other[i*len(other)/len(lines) : (i+1)*len(other)/len(lines)] {
			if old, rest, _ := strings.Cut(foreign, " "); isTime(old) {
				foreign = at + " " + rest
			}
			mixed = append(mixed, foreign)
		}
	}
	out := []disturbance{{"1 % noise lines added", noisy}, {"5 % of the lines lost", lossy}}
	if other != nil {
		out = append(out, disturbance{"mixed with another system's lines", mixed})
	}
	return out
}

// isTime reports whether a word is a time, as the lines of normal logs begin with.
func isTime(word string) bool {
	_, err := time.Parse(time.RFC3339Nano, word)
	return err == nil
}

// faults looks for the faulty service in the ranking of analyze --baseline.
func (p *product) faults(ctx context.Context, w *report, data string) error {
	lists, err := find(data, "injected faults", "*/faults*.json")
	if err != nil {
		return err
	}
	const section = "analyze --baseline, faults"
	total, first, three := 0, 0, 0
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
			baseline, err := baselineFile(filepath.Dir(path), path)
			if err != nil {
				return err
			}
			r, err := p.analyzeFile(ctx, path, "--baseline", baseline)
			if err != nil {
				return err
			}
			place := slices.IndexFunc(r.Services, func(s domain.ServiceRank) bool { return s.Name == f.Service }) + 1
			total++
			if place == 1 {
				first++
			}
			if place >= 1 && place <= 3 {
				three++
			}
			w.add(section, fmt.Sprintf("%s (%s in %s)", f.File, f.Type, f.Service), fmt.Sprintf("place %d of %d", place, len(r.Services)))
		}
	}
	if total == 0 {
		return fmt.Errorf("%w: none of the logs of %s is there", errNoData, strings.Join(lists, ", "))
	}
	w.check(section, "faulty service first", fmt.Sprintf("%d of %d", first, total), "≥ 6 of 7", 7*first >= 6*total)
	w.check(section, "faulty service among the first three", fmt.Sprintf("%d of %d", three, total), "all", three == total)
	return nil
}

// normal counts false alarms in logs without faults: by themselves, the second half
// beside the first as baseline, and by serve.
func (p *product) normal(ctx context.Context, w *report, data string) error {
	files, err := find(data, "normal logs", normalLogs...)
	if err != nil {
		return err
	}
	for _, file := range files {
		lines, err := readLines(file)
		if err != nil {
			return err
		}
		cutAlerts(lines)
		name := filepath.Base(file)
		baseline, err := p.write("baseline-"+name, lines[:len(lines)/2])
		if err != nil {
			return err
		}
		alone, err := p.analyze(ctx, name, lines)
		if err != nil {
			return err
		}
		beside, err := p.analyze(ctx, name, lines[len(lines)/2:], "--baseline", baseline)
		if err != nil {
			return err
		}
		served, err := p.serve(ctx, name, slices.Collect(slices.Chunk(lines, chunkLines)))
		if err != nil {
			return err
		}
		for _, form := range []struct {
			section string
			result  *domain.AnalysisResult
			lines   int
		}{
			{"analyze", alone.result(), len(lines)},
			{"analyze, baseline is the first half", beside.result(), len(lines) - len(lines)/2},
			{"serve, requests of 1,000 lines", served, len(lines)},
		} {
			alarms := 0
			for _, a := range form.result.Anomalies {
				if a.Severity >= flagged {
					alarms++
				}
			}
			rate := 10_000 * ratio(alarms, form.lines)
			w.check("normal logs", name+", "+form.section, fmt.Sprintf("%d anomalies medium or worse, %.1f in 10,000 lines", alarms, rate), "≤ 5 in 10,000", rate <= 5)
		}
	}
	return nil
}

// alerts scores logs whose lines are labelled, without the column of the labels.
func (p *product) alerts(ctx context.Context, w *report, data string) error {
	files, err := find(data, "logs with labelled lines", "loghub_2k/*/*_2k.log")
	if err != nil {
		return err
	}
	for _, file := range files {
		lines, err := readLines(file)
		if err != nil {
			return err
		}
		alerts, ok := cutAlerts(lines)
		if !ok || len(alerts) == 0 {
			continue
		}
		r, err := p.analyze(ctx, filepath.Base(file), lines)
		if err != nil {
			return err
		}
		if r.Entries != len(lines) {
			w.add("analyze, alert lines", filepath.Base(file), fmt.Sprintf("not scored: %d lines were joined to %d entries", len(lines), r.Entries))
			continue
		}
		found := shownLines(r, lines)
		s := score{alarms: len(found), truth: len(alerts)}
		for line := range alerts {
			if found[line] {
				s.hits++
			}
		}
		w.check("analyze, alert lines", filepath.Base(file), s.String(), "F1 ≥ 0.75", s.f1() >= .75)
	}
	return nil
}

// shownLines are the places of the lines that anomalies name by their ids, which hold
// the place, or, where an anomaly has more lines than it names, by its template.
func shownLines(r *analysed, lines []string) map[int]bool {
	out := flaggedLines(r.result(), flagged)
	for _, a := range r.Anomalies {
		if a.Severity < flagged || a.Count <= len(a.LogIDs) {
			continue
		}
		parts := strings.Split(a.Template, "<*>")
		for i, part := range parts {
			parts[i] = strings.ReplaceAll(regexp.QuoteMeta(part), " ", `\s+`)
		}
		shape := regexp.MustCompile(strings.Join(parts, ".*") + "$")
		for i, line := range lines {
			if shape.MatchString(line) {
				out[i] = true
			}
		}
	}
	return out
}

// speed measures lines of 154 bytes by the processor time and the memory of analyze.
func (p *product) speed(ctx context.Context, w *report, _ string) error {
	path := filepath.Join(p.dir, "speed.log")
	f, err := os.Create(path) //nolint:gosec // The path is our own.
	if err != nil {
		return fmt.Errorf("write lines: %w", err)
	}
	out := bufio.NewWriter(f)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range p.speedLines {
		_, _ = fmt.Fprintf(out, "2026-05-%02d %02d:%02d:%02d,%03d INFO dfs.DataNode$PacketResponder: Received block blk_%019d of size %08d from /10.251.%03d.%03d:50010 to /10.1.2.3\n",
			1+i/4_320_000, i/180_000%24, i/3000%60, i/50%60, i%1000, 1_600_000_000_000_000_000+i/10, 60_000_000+random.IntN(1000), random.IntN(256), random.IntN(256)) // Flush tells the error.
	}
	if err := errors.Join(out.Flush(), f.Close()); err != nil {
		return fmt.Errorf("write lines: %w", err)
	}
	begun := time.Now()
	r, err := p.analyzeFile(ctx, path)
	if err != nil {
		return err
	}
	rate := float64(r.Entries) / (r.state.UserTime() + r.state.SystemTime()).Seconds()
	memory := peakMemory(r.state) >> 20
	name := fmt.Sprintf("%d made-up lines of 154 bytes", p.speedLines)
	w.check("analyze, one core", name+", speed", fmt.Sprintf("%.0fk lines for a second of processor time (%.1f s on the clock)", rate/1000, time.Since(begun).Seconds()), "≥ 250k", rate >= 250_000)
	w.check("analyze, one core", name+", most memory", fmt.Sprintf("%d MiB", memory), "≤ 300 MiB", memory <= 300)
	return nil
}
