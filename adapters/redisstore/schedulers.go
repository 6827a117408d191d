package redisstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/adapters/redisstore/internal/server"
	"logsift/domain"
	"logsift/ports"
)

var (
	reportScript         = layout.LoadScript("schedulers/report")
	listSchedulersScript = layout.LoadScript("schedulers/list")
)

// reportsAtOnce is how many reports are read in one step: each may be some 50 KB.
const reportsAtOnce = 20

// SchedulerRegistry is a ports.SchedulerRegistry on Redis. It is safe for concurrent use.
type SchedulerRegistry struct {
	client *server.Client
	keys   layout.SchedulerKeys
}

var _ ports.SchedulerRegistry = (*SchedulerRegistry)(nil)

func newSchedulerRegistry(c *server.Client) *SchedulerRegistry {
	return &SchedulerRegistry{client: c, keys: layout.NewSchedulerKeys(c.Config.Namespace)}
}

func (r *SchedulerRegistry) ReportScheduler(ctx context.Context, report domain.SchedulerReport, ttl time.Duration) (time.Time, error) {
	if err := ports.ValidateReport(&report, ttl); err != nil {
		return time.Time{}, err
	}
	body, err := json.Marshal(report)
	if err != nil {
		return time.Time{}, fmt.Errorf("encode the report of a scheduler: %w", err)
	}
	reply, err := r.client.Run(ctx, reportScript, []string{r.keys.Schedulers, r.keys.Ends},
		r.client.Offset(), report.ID[:], layout.DelayMicro(ttl), ports.MaxReportTTL.Milliseconds(), body)
	if err != nil {
		return time.Time{}, err
	}
	now, ok := reply.(int64)
	if !ok {
		return time.Time{}, fmt.Errorf("redis script %s: reply is %T, not a number", reportScript.Name, reply)
	}
	return layout.MicroTime(now), nil
}

func (r *SchedulerRegistry) RemoveScheduler(ctx context.Context, id domain.SchedulerID) error {
	ctx, cancel := r.client.Bound(ctx)
	defer cancel()
	_, err := r.client.Redis.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.ZRem(ctx, r.keys.Ends, string(id[:]))
		pipe.HDel(ctx, r.keys.Schedulers, string(id[:]))
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove the report of a scheduler: %w", r.client.Translate(ctx, err))
	}
	return nil
}

func (r *SchedulerRegistry) ListSchedulers(ctx context.Context) ([]domain.SchedulerReport, error) {
	reply, err := r.client.RunSlice(ctx, listSchedulersScript, []string{r.keys.Ends}, r.client.Offset())
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(reply))
	for i := range reply {
		ids[i] = layout.TextAt(reply, i)
	}
	slices.Sort(ids)
	out := make([]domain.SchedulerReport, 0, len(ids))
	for part := range slices.Chunk(ids, reportsAtOnce) {
		records, err := r.records(ctx, part)
		if err != nil {
			return nil, err
		}
		for i, record := range records {
			if report, ok := decodeReport(part[i], record); ok {
				out = append(out, report)
			}
		}
	}
	return out, nil
}

// records reads stored reports; one that is gone meanwhile is nil.
func (r *SchedulerRegistry) records(ctx context.Context, ids []string) ([]any, error) {
	ctx, cancel := r.client.Bound(ctx)
	defer cancel()
	records, err := r.client.Redis.HMGet(ctx, r.keys.Schedulers, ids...).Result()
	if err != nil {
		return nil, fmt.Errorf("read the reports of schedulers: %w", r.client.Translate(ctx, err))
	}
	return records, nil
}

// decodeReport reads a stored report, and whether that can be done.
func decodeReport(id string, record any) (domain.SchedulerReport, bool) {
	const head = 7
	var report domain.SchedulerReport
	text, _ := record.(string)
	if len(text) < head || json.Unmarshal([]byte(text[head:]), &report) != nil {
		return report, false
	}
	report.SeenAt = layout.MicroTime(layout.Int56(text))
	stored, err := uuid.FromBytes([]byte(id))
	return report, err == nil && stored == report.ID && report.Validate() == nil
}
