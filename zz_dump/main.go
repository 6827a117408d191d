package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf8"
	"github.com/google/uuid"
	"logsift/adapters/builtin"
	"logsift/domain"
)

type st struct{ m map[string]domain.State }
func (s *st) LoadStates(_ context.Context, keys ...string) ([]domain.State, error) {
	var out []domain.State
	for _, k := range keys { x := s.m[k]; x.Key = k; out = append(out, x) }
	return out, nil
}
func (s *st) SaveState(_ context.Context, x domain.State, _ time.Duration) (int64, error) {
	if s.m[x.Key].Revision != x.Revision { return 0, domain.ErrStateConflict }
	x.Revision++; s.m[x.Key] = x; return x.Revision, nil
}
func read(p string, cut bool) []domain.LogEntry {
	f, _ := os.Open(p); s := bufio.NewScanner(f); s.Buffer(nil, 1<<22)
	var out []domain.LogEntry
	now := time.Date(2026,1,1,0,0,0,0,time.UTC)
	for s.Scan() {
		l := s.Text(); if !utf8.ValidString(l) { l = strings.ToValidUTF8(l, "?") }
		if cut { _, l, _ = strings.Cut(l, " ") }
		e := domain.ParseLogLine(l, now); e.ID = uuid.New(); e.Source = p[strings.LastIndex(p, "/")+1:]; e.ReceivedAt = now
		if e.Timestamp.IsZero() { e.Timestamp = now }
		out = append(out, e)
	}
	return out
}
func main() {
	s := &st{map[string]domain.State{}}
	a := builtin.New(builtin.Config{States: s, MaxLogIDs: 1 << 30})
	args := os.Args[1:]
	if args[0] == "-stream" { stream(args[1], args[2]); return }
	cut := false
	if args[0] == "-cut" { cut = true; args = args[1:] }
	base := ""
	if len(args) > 1 {
		base = "n"
		_, err := a.Analyze(context.Background(), domain.AnalysisRequest{TaskID: uuid.New(), Baseline: "n", Learn: true, Logs: read(args[1], cut)})
		if err != nil { panic(err) }
	}
	logs := read(args[0], cut)
	t := time.Now()
	r, err := a.Analyze(context.Background(), domain.AnalysisRequest{TaskID: uuid.New(), Baseline: base, Logs: logs})
	if err != nil { panic(err) }
	fmt.Println(time.Since(t), r.Summary, r.Warnings)
	for _, x := range r.Anomalies {
		fmt.Printf("%-8s %.2f c%.2f %-15s n=%d exp=%.1f ids=%d ses=%d %v\n     %.200s\n     %s\n", x.Severity, x.Score, x.Confidence, x.Kind, x.Count, x.Expected, len(x.LogIDs), len(x.Sessions), x.Services, x.Template, x.Evidence)
	}
}
