package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"logsift/domain"
)

// labelled is a log whose sessions have labels.
type labelled struct {
	name  string
	lines []string
	// bad has every session that has a label.
	bad map[string]bool
}

// goal is the F1 that sessions are to reach; 0 is none. Published unsupervised
// figures for HDFS: PCA .77, Isolation Forest .80, log clustering .84, invariants
// .92 (loglizer); of OpenStack, the level ERROR alone gives .82.
func (l *labelled) goal() float64 {
	name := strings.ToLower(l.name)
	switch {
	case strings.Contains(name, "100k"):
		return 0 // truncated sessions: a value to compare with
	case strings.Contains(name, "hdfs"):
		return .90
	case strings.Contains(name, "openstack"):
		return .85
	}
	return 0
}

// evalSessions scores whole files of sessions, judged by themselves.
func evalSessions(ctx context.Context, w *report, data string) error {
	all, err := allLabelled(data)
	if err != nil {
		return err
	}
	for _, l := range all {
		r, err := analyse(ctx, entries(l.name, l.lines))
		if err != nil {
			return err
		}
		s := scoreSessions(l.bad, flaggedSessions(&r))
		name := fmt.Sprintf("%s, %d sessions, %d lines", l.name, len(l.bad), len(l.lines))
		if g := l.goal(); g > 0 {
			w.check("sessions", name, s.String(), fmt.Sprintf("F1 ≥ %.2f", g), s.f1() >= g)
		} else {
			w.add("sessions", name, s.String())
		}
	}
	return nil
}

// allLabelled reads every labelled log of sessions.
func allLabelled(data string) ([]*labelled, error) {
	files, err := find(data, "labelled sessions", "*/*.labels.csv", "*/sessions.csv")
	if err != nil {
		return nil, err
	}
	var out []*labelled
	for _, file := range files {
		read := readLabelled
		if filepath.Base(file) == "sessions.csv" {
			read = readSequences
		}
		l, err := read(file)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// readLabelled reads NAME.labels.csv and NAME.log.
func readLabelled(labels string) (*labelled, error) {
	rows, err := readTable(labels)
	if err != nil {
		return nil, err
	}
	l := &labelled{name: filepath.Base(filepath.Dir(labels)), bad: map[string]bool{}}
	for _, row := range rows {
		id := column(row, "blockid", "instance", "instanceid", "session", "sessionid", "id")
		l.bad[id] = isBad(column(row, "label"))
	}
	l.lines, err = readLines(strings.TrimSuffix(labels, ".labels.csv") + ".log")
	return l, err
}

// readSequences reads sessions.csv, which has the events of each session, and
// templates.csv, and writes the lines that they stand for: the event at one place
// of all sessions, then that at the next.
func readSequences(path string) (*labelled, error) {
	rows, err := readTable(path)
	if err != nil {
		return nil, err
	}
	templates := map[string]string{}
	if described, err := readTable(filepath.Join(filepath.Dir(path), "templates.csv")); err == nil {
		for _, row := range described {
			templates[column(row, "eventid", "id")] = column(row, "eventtemplate", "template")
		}
	}
	l := &labelled{name: filepath.Base(filepath.Dir(path)), bad: map[string]bool{}}
	type sequence struct {
		id     string
		events []string
	}
	var all []sequence
	for i, row := range rows {
		id := column(row, "blockid", "instance", "instanceid", "session", "sessionid", "id")
		if len(id) < 8 {
			id = fmt.Sprintf("session_%08d", i)
		}
		l.bad[id] = isBad(column(row, "label"))
		all = append(all, sequence{id, strings.Fields(strings.ReplaceAll(column(row, "events", "sequence", "eventsequence"), ",", " "))})
	}
	for place := 0; ; place++ {
		more := false
		for _, s := range all {
			if place < len(s.events) {
				more = true
				l.lines = append(l.lines, fmt.Sprintf("%s %s %s", s.id, eventWord(s.events[place]), templates[s.events[place]]))
			}
		}
		if !more {
			return l, nil
		}
	}
}

// eventWord writes the name of an event without digits, which vary in a line.
func eventWord(event string) string {
	var b strings.Builder
	for _, c := range []byte(event) {
		if c >= '0' && c <= '9' {
			c += 'a' - '0'
		}
		b.WriteByte(c)
	}
	return b.String()
}

// evalLines scores logs whose lines have a first column that is not "-" for
// alerts, as of BGL and Thunderbird. The analyser does not see that column.
func evalLines(ctx context.Context, w *report, data string) error {
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
		r, err := analyse(ctx, entries(filepath.Base(file), lines))
		if err != nil {
			return err
		}
		found := flaggedLines(&r, flagged)
		s := score{alarms: len(found), truth: len(alerts)}
		for line := range alerts {
			if found[line] {
				s.hits++
			}
		}
		w.check("lines", filepath.Base(file), s.String(), "F1 ≥ 0.60, R ≥ 0.95", s.f1() >= .60 && s.recall() >= .95)
	}
	return nil
}

// cutAlerts takes the first column off the lines and returns which are alerts; it
// reports false for logs without that column.
func cutAlerts(lines []string) (map[int]bool, bool) {
	alerts := map[int]bool{}
	marked := 0
	for _, line := range lines {
		if strings.HasPrefix(line, "- ") {
			marked++
		}
	}
	if 2*marked < len(lines) {
		return nil, false
	}
	for i, line := range lines {
		label, rest, _ := strings.Cut(line, " ")
		lines[i] = rest
		if label != "-" {
			alerts[i] = true
		}
	}
	return alerts, true
}

// normalLogs are the patterns of logs without faults.
var normalLogs = []string{"*/normal*.log", "loghub_2k/Apache/*_2k.log", "loghub_2k/Thunderbird/*_2k.log"}

// evalNormal counts false alarms in logs without faults.
func evalNormal(ctx context.Context, w *report, data string) error {
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
		r, err := analyse(ctx, entries(filepath.Base(file), lines))
		if err != nil {
			return err
		}
		part := ratio(len(flaggedLines(&r, domain.SeverityHigh)), len(lines))
		w.check("normal logs", filepath.Base(file), fmt.Sprintf("%.2f %% of %d lines are flagged high or critical", 100*part, len(lines)), "≤ 2 %", part <= .02)
	}
	return nil
}

// baselineFile is the fault-free log beside the logs of faults: the one with most
// of their day, or the first.
func baselineFile(folder string, fault string) (string, error) {
	files, err := find(folder, "normal logs", "normal*.log")
	if err != nil {
		return "", err
	}
	first, err := firstLine(fault)
	if err != nil {
		return "", err
	}
	slices.Sort(files)
	for _, f := range files {
		if line, err := firstLine(f); err == nil && len(line) >= 10 && len(first) >= 10 && line[:10] == first[:10] {
			return f, nil
		}
	}
	return files[0], nil
}

func firstLine(path string) (string, error) {
	data, err := os.ReadFile(path) //nolint:gosec // The user names the file.
	if err != nil {
		return "", fmt.Errorf("read logs: %w", err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return line, nil
}
