package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
	"logsift/ports"
)

var (
	createWorkflowScript = layout.LoadScript("workflows/create")
	getWorkflowScript    = layout.LoadScript("workflows/get")
	listWorkflowsScript  = layout.LoadScript("workflows/list")
	changeWorkflowScript = layout.LoadScript("workflows/change")
	predecessorsScript   = layout.LoadScript("workflows/predecessors")
	waitingScript        = layout.LoadScript("workflows/waiting")
)

// stagedFor is how long what was written of a workflow stays that is not created.
const stagedFor = time.Hour

// infoFields is how many replies workflows/common.lua has for a workflow.
const infoFields = 4

func (p *partition) createWorkflow(ctx context.Context, w *domain.Workflow) (domain.WorkflowInfo, error) {
	tasks, all, errs := make([]*domain.Task, len(w.Nodes)), make([]int, len(w.Nodes)), make([]error, len(w.Nodes))
	size, digest := 0, w.Digest()
	for i := range w.Nodes {
		tasks[i], all[i] = w.Task(i), i
		size += len(tasks[i].Payload)
	}
	reply, err := p.withTable(ctx, func(table *readyTable) ([]any, error) {
		if missing := table.missing(tasks, all); len(missing) > 0 {
			var err error
			if table, err = p.addLists(ctx, table, missing); err != nil {
				return nil, err
			}
			if len(withRoom(table, tasks, all, errs)) < len(all) {
				return nil, errors.Join(errs...)
			}
		}
		if queue := table.keyed(tasks, all); queue != "" {
			var err error
			if table, err = p.beginTurns(ctx, table, queue); err != nil {
				return nil, err
			}
			if len(table.missing(tasks, all)) > 0 {
				return layout.Stale(), nil
			}
		}
		lists, wake := make([]int, len(tasks)), ""
		for i, t := range tasks {
			if lists[i] = table.number[layout.ListName(t.Queue, t.Type)]; len(w.Nodes[i].After) == 0 && !table.isPaused(lists[i]) {
				wake = p.keys.Wake
			}
		}
		gates, records, fields := layout.EncodeWorkflow(w, tasks, lists)
		if err := p.stage(ctx, w.ID, digest, fields); err != nil {
			return nil, err
		}
		id := w.ID
		args := append([]any{
			p.client.Offset(), table.epoch, wake, id[:], digest[:], w.Name, strconv.Itoa(len(tasks)), gates,
			layout.NewEpoch(p.client.Config.Partitions), strconv.Itoa(layout.Version),
		}, records...)
		return p.client.RunSliceWithin(ctx, p.client.LimitFor(size), createWorkflowScript, p.keys.All(table.ready), args...)
	})
	if err != nil {
		return domain.WorkflowInfo{}, err
	}
	switch n, _ := layout.IntAt(reply, 0); n {
	case -2:
		id, err := uuid.FromBytes([]byte(layout.TextAt(reply, 1)))
		return domain.WorkflowInfo{}, errors.Join(fmt.Errorf("task %s: %w", id, domain.ErrTaskExists), err)
	case -3:
		return domain.WorkflowInfo{}, fmt.Errorf("workflow %s: %w", w.ID, domain.ErrWorkflowExists)
	case -4:
		return domain.WorkflowInfo{}, fmt.Errorf("create workflow %s: %w: what was written of it is gone", w.ID, domain.ErrStoreUnavailable)
	}
	info, _, err := layout.DecodeWorkflow(reply)
	return info, err
}

// stage writes the hash of a workflow under a name that nobody looks at, unless the workflow
// is there.
func (p *partition) stage(ctx context.Context, id domain.WorkflowID, digest [32]byte, fields []any) error {
	ctx, cancel := p.client.Bound(ctx)
	defer cancel()
	there, err := p.client.Redis.Exists(ctx, p.keys.Workflow(id)).Result()
	if err == nil && there == 0 {
		staged := p.keys.Staged(id, digest)
		_, err = p.client.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for part := range slices.Chunk(fields, 2*ports.MaxNodePage) {
				pipe.HSet(ctx, staged, part...)
				// After the first already: a program that ends here leaves nothing for good.
				pipe.PExpire(ctx, staged, stagedFor)
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("write a workflow: %w", p.client.Translate(ctx, err))
	}
	return nil
}

func (p *partition) getWorkflow(ctx context.Context, id domain.WorkflowID, page ports.PlacePage) (domain.WorkflowPage, error) {
	var names []string
	reply, err := p.withTable(ctx, func(table *readyTable) ([]any, error) {
		names = table.names
		return p.client.RunSlice(ctx, getWorkflowScript, p.keys.All(table.ready), table.epoch, id[:], page.From, page.Limit)
	})
	if err != nil {
		return domain.WorkflowPage{}, err
	}
	if len(reply) == 0 {
		return domain.WorkflowPage{}, fmt.Errorf("workflow %s: %w", id, domain.ErrWorkflowNotFound)
	}
	out := domain.WorkflowPage{}
	var count int
	if out.WorkflowInfo, count, err = layout.DecodeWorkflow(reply); err != nil {
		return domain.WorkflowPage{}, err
	}
	_, _, out.Next = page.Cut(count)
	refs := map[int]string{}
	var missing []int
	var after [][]int
	for i := infoFields; i+2 < len(reply); i += 3 {
		status, _ := layout.IntAt(reply, i+2)
		n, err := layout.DecodeNode(id, layout.TextAt(reply, i), names)
		if err != nil {
			return domain.WorkflowPage{}, err
		}
		n.Status = layout.StatusOf[byte(status)]
		refs[page.From+len(out.Nodes)] = n.Ref
		out.Nodes, after = append(out.Nodes, n), append(after, layout.DecodePlaces(layout.TextAt(reply, i+1)))
	}
	for _, places := range after {
		for _, place := range places {
			if _, known := refs[place]; !known {
				refs[place], missing = "", append(missing, place)
			}
		}
	}
	if err := p.loadRefs(ctx, id, missing, refs); err != nil {
		return domain.WorkflowPage{}, err
	}
	for i, places := range after {
		for _, place := range places {
			out.Nodes[i].After = append(out.Nodes[i].After, refs[place])
		}
	}
	return out, nil
}

// loadRefs reads the refs of nodes, which never change.
func (p *partition) loadRefs(ctx context.Context, id domain.WorkflowID, places []int, refs map[int]string) error {
	for part := range slices.Chunk(places, ports.MaxNodePage) {
		fields := make([]string, len(part))
		for i, place := range part {
			fields[i] = layout.NodeField(place)
		}
		bound, cancel := p.client.Bound(ctx)
		nodes, err := p.client.Redis.HMGet(bound, p.keys.Workflow(id), fields...).Result()
		cancel()
		if err != nil {
			return fmt.Errorf("read a workflow: %w", p.client.Translate(ctx, err))
		}
		for i, place := range part {
			n, err := layout.DecodeNode(id, layout.TextAt(nodes, i), nil)
			if err != nil {
				return err
			}
			refs[place] = n.Ref
		}
	}
	return nil
}

func (p *partition) listWorkflows(ctx context.Context, high string, limit int) ([]domain.WorkflowInfo, error) {
	reply, err := p.client.RunSlice(ctx, listWorkflowsScript, p.keys.All(nil), high, limit)
	if err != nil {
		return nil, err
	}
	var out []domain.WorkflowInfo
	for ; len(reply) >= infoFields; reply = reply[infoFields:] {
		w, _, err := layout.DecodeWorkflow(reply)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, nil
}

// changeWorkflow begins what is asked for and goes on until it is done.
func (p *partition) changeWorkflow(ctx context.Context, id domain.WorkflowID, what int) (domain.WorkflowInfo, error) {
	for {
		reply, err := p.withTable(ctx, func(table *readyTable) ([]any, error) {
			return p.client.RunSlice(ctx, changeWorkflowScript, p.keys.All(table.ready), p.client.Offset(), table.epoch, id[:], what)
		})
		if err != nil {
			return domain.WorkflowInfo{}, err
		}
		if len(reply) == 1 {
			return domain.WorkflowInfo{}, fmt.Errorf("workflow %s: %w", id, domain.ErrWorkflowNotFound)
		}
		if more, _ := layout.IntAt(reply, 0); more == 0 {
			info, _, err := layout.DecodeWorkflow(reply[1:])
			return info, err
		}
		what = 0
	}
}

func (p *partition) predecessors(ctx context.Context, id domain.TaskID, page ports.PlacePage) (domain.Predecessors, error) {
	limit := p.client.LimitFor(ports.MaxCallBytes + domain.MaxResult)
	reply, err := p.client.RunSliceWithin(ctx, limit, predecessorsScript, p.keys.All(nil), id[:], page.From, page.Limit, ports.MaxCallBytes)
	if err != nil {
		return domain.Predecessors{}, err
	}
	all, _ := layout.IntAt(reply, 0)
	if all < 0 {
		return domain.Predecessors{}, fmt.Errorf("task %s: %w", id, domain.ErrTaskNotFound)
	}
	var out domain.Predecessors
	for i := 1; i+4 < len(reply); i += 5 {
		status, _ := layout.IntAt(reply, i+2)
		before, err := layout.DecodePredecessor(layout.TextAt(reply, i), layout.TextAt(reply, i+1), byte(status), layout.TextAt(reply, i+3), layout.TextAt(reply, i+4))
		if err != nil {
			return domain.Predecessors{}, err
		}
		out.Predecessors = append(out.Predecessors, before)
	}
	if next := page.From + len(out.Predecessors); next < int(all) {
		out.Next = next
	}
	return out, nil
}

// loadWaiting fills in for which others a task waits, if it may.
func (p *partition) loadWaiting(ctx context.Context, t *domain.Task) error {
	if t.Workflow == nil || t.Status != domain.TaskStatusPending {
		return nil
	}
	reply, err := p.client.RunSlice(ctx, waitingScript, p.keys.All(nil), t.ID[:], domain.MaxWaitingFor)
	if err != nil {
		return err
	}
	for i := range reply {
		t.WaitingFor = append(t.WaitingFor, layout.TextAt(reply, i))
	}
	return nil
}
