package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/google/uuid"

	"logsift/adapters/builtin"
	"logsift/domain"
)

// Of the stream: how many lines come at once, and how many orders are tried.
const (
	chunkLines = 1000
	orders     = 4
)

// evalOrder streams the labelled logs in chunks, in their order and in others, and
// measures what that changes.
func evalOrder(ctx context.Context, w *report, data string) error {
	all, err := allLabelled(data)
	if err != nil {
		return err
	}
	for _, l := range all {
		chunks := slices.Collect(slices.Chunk(entries(l.name, l.lines), chunkLines))
		if len(chunks) < 3 {
			continue
		}
		var runs []*streamed
		for order := range orders {
			run, err := stream(ctx, l, shuffled(chunks, uint64(order)))
			if err != nil {
				return err
			}
			runs = append(runs, run)
		}
		w.add("stream", l.name+" in chunks of 1000 lines, without the first", runs[0].score.String())
		least, most := 1.0, 0.0
		common := 1.0
		for _, run := range runs {
			least, most = min(least, run.score.f1()), max(most, run.score.f1())
			common = min(common, jaccard(runs[0].anomalies, run.anomalies))
		}
		w.add("stream", fmt.Sprintf("%s in %d orders of the chunks", l.name, orders), fmt.Sprintf("F1 %.3f to %.3f; at least %.0f %% of the anomalies, medium or higher, are the same", least, most, 100*common))
		w.add("stream", l.name+", learned state", fmt.Sprintf("%d KB", runs[0].bytes>>10))
	}
	return nil
}

// shuffled returns the chunks in another order; order 0 is their own.
func shuffled(chunks [][]domain.LogEntry, order uint64) [][]domain.LogEntry {
	out := slices.Clone(chunks)
	if order > 0 {
		r := rand.New(rand.NewPCG(order, 1))
		r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	}
	return out
}

// streamed is what came of one stream.
type streamed struct {
	score     score
	anomalies map[string]bool
	bytes     int
}

// stream analyses the chunks one after the other with learned state. The sessions
// that have lines in other chunks than the first are scored.
func stream(ctx context.Context, l *labelled, chunks [][]domain.LogEntry) (*streamed, error) {
	states := newStates()
	a := builtin.New(config(states))
	out := &streamed{anomalies: map[string]bool{}}
	found := map[string]bool{}
	for i, chunk := range chunks {
		var task uuid.UUID
		binary.BigEndian.PutUint64(task[:], uint64(i)+1)
		r, err := a.Analyze(ctx, domain.AnalysisRequest{TaskID: task, Logs: chunk})
		if err != nil {
			return nil, fmt.Errorf("analyse chunk %d of %s: %w", i, l.name, err)
		}
		if i == 0 {
			continue
		}
		for s := range flaggedSessions(&r) {
			found[s] = true
		}
		for _, anomaly := range r.Anomalies {
			if anomaly.Severity >= flagged {
				out.anomalies[anomaly.ID] = true
			}
		}
	}
	out.score, out.bytes = scoreSessions(l.bad, found), states.bytes()
	return out, nil
}

// jaccard is the part of what two sets have together that both have.
func jaccard(a, b map[string]bool) float64 {
	both := 0
	for id := range a {
		if b[id] {
			both++
		}
	}
	if len(a)+len(b) == 0 {
		return 1
	}
	return float64(both) / float64(len(a)+len(b)-both)
}
