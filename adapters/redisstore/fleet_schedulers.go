package redisstore

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"logsift/domain"
	"logsift/ports"
)

var (
	fleetReportScript = loadScript("fleet_report")
	fleetListScript   = loadScript("fleet_list")
)

// reportsAtOnce is how many reports are read in one step: each may be some 50 KB.
const reportsAtOnce = 20

// SchedulerRegistry is a ports.SchedulerRegistry on Redis, with the hash tag
// {namespace:fleet}. It is safe for concurrent use.
type SchedulerRegistry struct {
	client *Client
	// reports holds the reports by the 16 bytes of the scheduler's id: when it was
	// stored, in microseconds since 1970 (7 bytes, big-endian), and its JSON. ends
	// holds the ids by when the report ends.
	reports, ends string
}

var _ ports.SchedulerRegistry = (*SchedulerRegistry)(nil)

// NewSchedulerRegistry returns the registry of the client's namespace.
func NewSchedulerRegistry(client *Client) *SchedulerRegistry {
	return &SchedulerRegistry{client: client, reports: client.fleetKey("schedulers"), ends: client.fleetKey("ends")}
}

// ReportScheduler implements ports.SchedulerRegistry.
func (r *SchedulerRegistry) ReportScheduler(ctx context.Context, report domain.SchedulerReport, ttl time.Duration) (time.Time, error) {
	if err := ports.ValidateReport(&report, ttl); err != nil {
		return time.Time{}, err
	}
	body, err := json.Marshal(report)
	if err != nil {
		return time.Time{}, fmt.Errorf("encode the report of a scheduler: %w", err)
	}
	reply, err := r.client.run(ctx, fleetReportScript, []string{r.reports, r.ends},
		r.client.offset(), report.ID[:], delayMicro(ttl), ports.MaxReportTTL.Milliseconds(), body)
	if err != nil {
		return time.Time{}, err
	}
	now, ok := reply.(int64)
	if !ok {
		return time.Time{}, fmt.Errorf("redis script fleet_report: reply is %T, not a number", reply)
	}
	return microTime(now), nil
}

// RemoveScheduler implements ports.SchedulerRegistry.
func (r *SchedulerRegistry) RemoveScheduler(ctx context.Context, id domain.SchedulerID) error {
	ctx, cancel := r.client.bound(ctx)
	defer cancel()
	_, err := r.client.rdb.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.ZRem(ctx, r.ends, string(id[:]))
		pipe.HDel(ctx, r.reports, string(id[:]))
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove the report of a scheduler: %w", r.client.translate(ctx, err))
	}
	return nil
}

// ListSchedulers implements ports.SchedulerRegistry.
func (r *SchedulerRegistry) ListSchedulers(ctx context.Context) ([]domain.SchedulerReport, error) {
	reply, err := r.client.runSlice(ctx, fleetListScript, []string{r.ends}, r.client.offset())
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(reply))
	for i := range reply {
		ids[i] = textAt(reply, i)
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
	ctx, cancel := r.client.bound(ctx)
	defer cancel()
	records, err := r.client.rdb.HMGet(ctx, r.reports, ids...).Result()
	if err != nil {
		return nil, fmt.Errorf("read the reports of schedulers: %w", r.client.translate(ctx, err))
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
	var seen [8]byte
	copy(seen[1:], text)
	report.SeenAt = microTime(int64(binary.BigEndian.Uint64(seen[:])))
	stored, err := uuid.FromBytes([]byte(id))
	return report, err == nil && stored == report.ID && report.Validate() == nil
}
