package redisstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
	"logsift/ports"
)

var (
	setLimitScript   = layout.LoadScript("limits/set")
	buildLimitScript = layout.LoadScript("limits/build")
	listLimitsScript = layout.LoadScript("limits/list")
)

// limitStep is how many tasks one call looks at when a limit of keys has changed.
const limitStep = 1000

var _ ports.LimitKeeper = (*TaskQueue)(nil)

// SetLimit returns when the tasks of the queue that were there before are under the limit,
// if it is of keys. If it ends before, a repeat goes on with that.
func (q *TaskQueue) SetLimit(ctx context.Context, limit domain.Limit) error {
	if err := limit.Validate(); err != nil {
		return err
	}
	if len(q.parts) > 1 && limit.Scope != domain.LimitKey {
		return &domain.ValidationError{Field: "scope", Value: string(limit.Scope), Rule: fmt.Sprintf("needs a queue with one partition, and this one has %d; key goes with any number", len(q.parts))}
	}
	return q.changeLimit(ctx, limit.Name, &limit)
}

func (q *TaskQueue) DeleteLimit(ctx context.Context, name string) error {
	if err := domain.ValidateName("name", name); err != nil {
		return err
	}
	return q.changeLimit(ctx, name, nil)
}

// changeLimit tells one partition after another, the first of them last when a limit is
// deleted, so that a repeat finds it there.
func (q *TaskQueue) changeLimit(ctx context.Context, name string, limit *domain.Limit) error {
	parts := slices.Clone(q.parts)
	if limit == nil {
		slices.Reverse(parts)
	}
	for i, p := range parts {
		err := p.changeLimit(ctx, name, limit)
		if limit == nil && i < len(parts)-1 && errors.Is(err, domain.ErrLimitNotFound) {
			continue // A delete that was cut off has been here.
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// changeLimit stores a limit, or deletes that of the name if it is nil.
func (p *partition) changeLimit(ctx context.Context, name string, limit *domain.Limit) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("limit %q: %w", name, err)
	}
	change := []any{"delete", name, ports.MaxLimits}
	if limit != nil {
		stored, err := json.Marshal(limit)
		if err != nil {
			return fmt.Errorf("limit %q: %w", name, err)
		}
		change = []any{"set", name, ports.MaxLimits, layout.Limit(limit), limitTerms(limit), stored}
	}
	reply, err := p.withTable(ctx, func(table *readyTable) ([]any, error) {
		if limit != nil && table.epoch == "" {
			return layout.Stale(), p.begin(ctx)
		}
		args := append([]any{p.client.Offset(), table.epoch, layout.NewEpoch(p.client.Config.Partitions), layout.Version, layout.PlainVersion}, change...)
		return p.client.RunSlice(ctx, setLimitScript, p.keys.ForTable(), args...)
	})
	if err != nil {
		return err
	}
	switch n, _ := layout.IntAt(reply, 0); n {
	case -2:
		return fmt.Errorf("limit %q: %w", name, domain.ErrLimitNotFound)
	case -3:
		return fmt.Errorf("limit %q: %w", layout.TextAt(reply, 1), domain.ErrLimitExists)
	case -4:
		return ports.TooManyLimits(name)
	}
	for i := 1; i < len(reply); i++ {
		if err := p.buildLimits(ctx, layout.TextAt(reply, i)); err != nil {
			return fmt.Errorf("limit %q is stored and not yet kept to everywhere, call again: %w", name, err)
		}
	}
	return nil
}

// buildLimits brings what is known of the keys of a queue to what its limits say.
func (p *partition) buildLimits(ctx context.Context, queue string) error {
	for at := firstPlace; !at.done(); {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.buildStep(ctx, queue, &at); err != nil {
			return err
		}
	}
	return nil
}

// buildPlace is how far limits/build.lua has come.
type buildPlace struct{ phase, place, stage string }

var firstPlace = buildPlace{phase: "clear", place: "0"}

func (b buildPlace) done() bool { return b.phase == "" }

// buildStep does the next part of what limits/build.lua has to do.
func (p *partition) buildStep(ctx context.Context, queue string, at *buildPlace) error {
	reply, err := p.client.RunSlice(ctx, buildLimitScript, p.keys.ForTable(),
		p.client.Offset(), queue, at.phase, at.place, at.stage, limitStep, layout.NewEpoch(p.client.Config.Partitions))
	if err == nil {
		*at = buildPlace{layout.TextAt(reply, 0), layout.TextAt(reply, 1), layout.TextAt(reply, 2)}
	}
	return err
}

// limitTerms are what the scripts keep to; see limit_of in limits/common.lua. The last of
// them tells rates apart.
func limitTerms(l *domain.Limit) []byte {
	every, size := 0.0, 0
	if l.Rate.Count > 0 {
		every, size = float64(l.Rate.Per)/float64(time.Microsecond)/float64(l.Rate.Count), l.Rate.Size()
	}
	flag := map[bool]int{true: 1}
	// Numbers and valid names always marshal.
	terms, _ := json.Marshal([]any{
		l.Concurrency, every, size, 0, flag[l.Blocks()], flag[l.Ordered()], l.Name,
		fmt.Sprint(l.Rate.Count, l.Rate.Per, l.Rate.Burst),
	})
	return terms
}

// ListLimits asks each partition at one moment, several at moments close to each other.
func (q *TaskQueue) ListLimits(ctx context.Context) ([]domain.LimitUse, error) {
	parts, err := fromEach(q, func(p *partition) ([]domain.LimitUse, error) { return p.listLimits(ctx) })
	if err != nil {
		return nil, err
	}
	out := parts[0]
	slices.SortFunc(out, func(a, b domain.LimitUse) int { return cmp.Compare(a.Name, b.Name) })
	for _, part := range parts[1:] {
		for _, l := range part {
			if i, ok := slices.BinarySearchFunc(out, l, func(a, b domain.LimitUse) int { return cmp.Compare(a.Name, b.Name) }); ok {
				out[i].Running += l.Running
				out[i].Waiting += l.Waiting
			}
		}
	}
	return out, nil
}

func (p *partition) listLimits(ctx context.Context) ([]domain.LimitUse, error) {
	reply, err := p.client.RunSlice(ctx, listLimitsScript, []string{p.keys.Meta}, p.client.Offset())
	if err != nil {
		return nil, err
	}
	out := make([]domain.LimitUse, 0, len(reply)/3)
	for i := 0; i+2 < len(reply); i += 3 {
		var l domain.LimitUse
		if err := json.Unmarshal([]byte(layout.TextAt(reply, i)), &l.Limit); err != nil {
			continue // It is kept to by nobody, and the verifier tells of it.
		}
		l.Running, _ = layout.IntAt(reply, i+1)
		l.Waiting, _ = layout.IntAt(reply, i+2)
		out = append(out, l)
	}
	return out, nil
}
