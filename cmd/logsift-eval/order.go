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

// How many lines a chunk has, and how many orders of the chunks are tried; the
// first is their own.
const (
	chunkLines = 1000
	orders     = 4
)

// evalOrder measures what the order of chunks changes: with all of them in one
// request, and with one request for each and learned state between them.
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
		var batch, stream []*outcome
		for order := range orders {
			b, err := inBatch(ctx, l, shuffled(chunks, uint64(order)))
			if err != nil {
				return err
			}
			s, err := inStream(ctx, l, shuffled(chunks, uint64(order)))
			if err != nil {
				return err
			}
			batch, stream = append(batch, b), append(stream, s)
		}
		w.add("order of chunks", l.name+", one request", compare(batch))
		w.add("order of chunks", l.name+", a request for each", compare(stream))
		w.add("order of chunks", l.name+", a request for each, sessions of the first left out", stream[0].rest.String())
		w.add("order of chunks", l.name+", learned state", fmt.Sprintf("%.1f KB", float64(stream[0].bytes)/1024))
	}
	return nil
}

// shuffled returns the chunks in another order; order 0 is their own.
func shuffled[T any](chunks [][]T, order uint64) [][]T {
	out := slices.Clone(chunks)
	if order > 0 {
		r := rand.New(rand.NewPCG(order, 1))
		r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	}
	return out
}

// outcome is what came of the chunks in one order.
type outcome struct {
	// all is the score of all chunks, rest without the first.
	all, rest score
	// templates have the flagged anomalies.
	templates map[string]bool
	// bytes is how large the learned state is.
	bytes int
}

func (o *outcome) note(r *domain.AnalysisResult) {
	for _, a := range r.Anomalies {
		if a.Severity >= flagged && a.TemplateID != "" {
			o.templates[a.TemplateID] = true
		}
	}
}

// compare tells how far the outcomes are apart.
func compare(all []*outcome) string {
	least, most, common := 1.0, 0.0, 1.0
	for _, o := range all {
		least, most = min(least, o.all.f1()), max(most, o.all.f1())
		common = min(common, jaccard(all[0].templates, o.templates))
	}
	return fmt.Sprintf("F1 %.3f to %.3f in %d orders; %.0f %% of the flagged templates are the same, at least", least, most, len(all), 100*common)
}

// inBatch analyses the chunks in one request.
func inBatch(ctx context.Context, l *labelled, chunks [][]domain.LogEntry) (*outcome, error) {
	r, err := analyse(ctx, slices.Concat(chunks...))
	if err != nil {
		return nil, err
	}
	o := &outcome{templates: map[string]bool{}, all: scoreSessions(l.bad, flaggedSessions(&r))}
	o.note(&r)
	return o, nil
}

// inStream analyses the chunks one after the other with learned state.
func inStream(ctx context.Context, l *labelled, chunks [][]domain.LogEntry) (*outcome, error) {
	docs := newDocuments()
	a := builtin.New(config(docs))
	o := &outcome{templates: map[string]bool{}}
	all, rest := map[string]bool{}, map[string]bool{}
	for i, chunk := range chunks {
		var task uuid.UUID
		binary.BigEndian.PutUint64(task[:], uint64(i)+1)
		r, err := a.Analyze(ctx, domain.AnalysisRequest{TaskID: task, Logs: chunk})
		if err != nil {
			return nil, fmt.Errorf("analyse chunk %d of %s: %w", i, l.name, err)
		}
		o.note(&r)
		for s := range flaggedSessions(&r) {
			all[s] = true
			if i > 0 {
				rest[s] = true
			}
		}
	}
	o.all, o.rest, o.bytes = scoreSessions(l.bad, all), scoreSessions(l.bad, rest), docs.bytes()
	return o, nil
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
