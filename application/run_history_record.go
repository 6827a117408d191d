package application

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
)

const (
	// historyKept is how long the history is kept: as far as GetHistory looks back,
	// and the hour that a minute is stored with.
	historyKept    = 25 * time.Hour
	historyVersion = 1
	// historyPrefix begins the keys of the hours, whose number since 1970 follows.
	historyPrefix = "history/"
	// maxHistoryWriters bounds the writers that an hour remembers. A batch of a
	// writer that is forgotten would be counted again if its save is in doubt; so
	// many processes in an hour are more than there are.
	maxHistoryWriters = 4096
)

// minuteCounts is what happened in a minute, in this process or in all.
type minuteCounts struct {
	Enqueued  int64                    `json:"enqueued,omitempty"`
	Completed int64                    `json:"completed,omitempty"`
	Failed    int64                    `json:"failed,omitempty"`
	Retried   int64                    `json:"retried,omitempty"`
	Wait      domain.DurationHistogram `json:"wait"`
	Run       domain.DurationHistogram `json:"run"`
	// SampledAt is when Pending and Processing were counted, in microseconds since
	// 1970 by the store's clock, 0 if they were not.
	SampledAt  int64 `json:"sampled_at,omitempty"`
	Pending    int64 `json:"pending,omitempty"`
	Processing int64 `json:"processing,omitempty"`
}

// counted reports whether there is more than a sample.
func (m *minuteCounts) counted() bool {
	return m.Enqueued+m.Completed+m.Failed+m.Retried+m.Wait.Count()+m.Run.Count() > 0
}

// add adds what another one counted. Of two samples the later one stays.
func (m *minuteCounts) add(other *minuteCounts) {
	m.Enqueued += other.Enqueued
	m.Completed += other.Completed
	m.Failed += other.Failed
	m.Retried += other.Retried
	m.Wait.Merge(&other.Wait)
	m.Run.Merge(&other.Run)
	if other.SampledAt > m.SampledAt {
		m.SampledAt, m.Pending, m.Processing = other.SampledAt, other.Pending, other.Processing
	}
}

// valid reports whether the numbers can be.
func (m *minuteCounts) valid() bool {
	return m != nil && min(m.Enqueued, m.Completed, m.Failed, m.Retried, m.SampledAt, m.Pending, m.Processing) >= 0
}

// historyBatch is what a process counted in some minutes of an hour and merges into
// the stored hour in one step. Once it was sent it does not change, so that a repeat
// can be told by its number.
type historyBatch struct {
	hour    int64 // since 1970
	number  int64 // rises with each batch of the process
	minutes map[int]*minuteCounts
}

// hourRecord is the stored history of an hour.
type hourRecord struct {
	Version int `json:"version"`
	// Writers holds, for each process that has merged a batch, the number of the
	// newest. A save whose reply was lost is not repeated because of it.
	Writers map[uuid.UUID]int64 `json:"writers"`
	// Minutes are the minutes of the hour in which something happened, 0 to 59.
	Minutes map[int]*minuteCounts `json:"minutes"`
}

func historyKey(hour int64) string { return historyPrefix + strconv.FormatInt(hour, 10) }

// readHour reads a stored hour, an empty one if there is none. The error wraps
// domain.ErrCorruptRecord and comes with an empty hour.
func readHour(data []byte) (*hourRecord, error) {
	empty := &hourRecord{Version: historyVersion, Writers: map[uuid.UUID]int64{}, Minutes: map[int]*minuteCounts{}}
	if len(data) == 0 {
		return empty, nil
	}
	r := &hourRecord{}
	if err := json.Unmarshal(data, r); err != nil {
		return empty, fmt.Errorf("%w: history: %w", domain.ErrCorruptRecord, err)
	}
	if r.Version != historyVersion || r.Writers == nil || r.Minutes == nil {
		return empty, fmt.Errorf("%w: history: it has version %d", domain.ErrCorruptRecord, r.Version)
	}
	for n, m := range r.Minutes {
		if n < 0 || n > 59 || !m.valid() {
			return empty, fmt.Errorf("%w: history: minute %d cannot be", domain.ErrCorruptRecord, n)
		}
	}
	return r, nil
}

// has reports whether a batch of a process was merged.
func (r *hourRecord) has(writer uuid.UUID, b *historyBatch) bool {
	return r.Writers[writer] >= b.number
}

// merge merges a batch of a process, and reports whether that changes what the hour
// tells: a second sample of a minute does not.
func (r *hourRecord) merge(writer uuid.UUID, b *historyBatch) bool {
	changed := false
	for n, m := range b.minutes {
		stored := r.Minutes[n]
		if stored == nil {
			stored = &minuteCounts{}
			r.Minutes[n] = stored
		}
		changed = changed || m.counted() || stored.SampledAt == 0
		stored.add(m)
	}
	for other := range r.Writers {
		if len(r.Writers) < maxHistoryWriters {
			break
		}
		delete(r.Writers, other)
	}
	r.Writers[writer] = b.number
	return changed
}

// encodeHour is the inverse of readHour.
func encodeHour(r *hourRecord) ([]byte, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode history: %w", err)
	}
	return data, nil
}
