package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"logsift/domain"
)

var (
	logsSaveAnalysisScript  = loadScript("logs_save_analysis")
	logsListAnalysesScript  = loadScript("logs_list_analyses")
	logsPurgeAnalysesScript = loadScript("logs_purge_analyses")
)

const (
	// analysisScan is how many analyses, and how many anomalies for a filter that
	// may select few of them, a script looks at for a page.
	analysisScan = 500
	// anomalyStep is how many anomalies one script removes at most, or those of
	// one analysis.
	anomalyStep = 10_000
)

// SaveAnalysis implements ports.AnalysisStore.
func (r *LogRepository) SaveAnalysis(ctx context.Context, task domain.TaskID, result domain.AnalysisResult) error {
	if task == uuid.Nil {
		return &domain.ValidationError{Field: "task_id", Rule: "must be a UUID that is not nil"}
	}
	encoded, err := encodeAnalysis(result)
	if err != nil {
		return fmt.Errorf("analysis of task %s: %w", task, err)
	}
	k := &r.keys
	_, err = r.client.run(ctx, logsSaveAnalysisScript, []string{k.analyses, k.history, k.anomalies, k.anomalyIDs},
		r.client.offset(), task[:], encoded, anomalyDigests(result.Anomalies))
	return err
}

// anomalyDigests are what the index of the anomalies knows of their ids, of each
// one that digestOf makes.
func anomalyDigests(anomalies []domain.Anomaly) string {
	var b strings.Builder
	for i := range anomalies {
		b.WriteString(digestOf(anomalies[i].ID))
	}
	return b.String()
}

// digestSize is the size of a digest. Two ids may have the same: it finds what may
// be of an id, and the record tells.
const digestSize = 8

// digestOf is the digest of an anomaly's id as it comes back out of JSON, in which
// bytes that are no UTF-8 are replaced.
func digestOf(id string) string {
	sum := sha256.Sum256([]byte(string([]rune(id))))
	return string(sum[:digestSize])
}

// GetAnalysis implements ports.AnalysisStore.
func (r *LogRepository) GetAnalysis(ctx context.Context, task domain.TaskID) (domain.Analysis, error) {
	ctx, cancel := r.client.bound(ctx)
	defer cancel()
	record, err := r.client.rdb.HGet(ctx, r.keys.analyses, string(task[:])).Result()
	if errors.Is(err, redis.Nil) {
		return domain.Analysis{}, fmt.Errorf("analysis of task %s: %w", task, domain.ErrAnalysisNotFound)
	}
	if err != nil {
		return domain.Analysis{}, fmt.Errorf("get the analysis of task %s: %w", task, r.client.translate(ctx, err))
	}
	return decodeAnalysis(task, record)
}

// anomalyPlace is where a page of anomalies ended: the analysis, as its member of
// the index, and the number in it of the last anomaly that was listed, from 1.
type anomalyPlace struct {
	analysis string
	number   uint32
}

// wholeAnalysis is the number of a place behind all anomalies of an analysis.
const wholeAnalysis = math.MaxUint32

func (p anomalyPlace) cursor() string {
	return encodePlace(anomalyCursorPrefix, string(binary.BigEndian.AppendUint32([]byte(p.analysis), p.number)))
}

func parseAnomalyPlace(cursor string) (anomalyPlace, error) {
	place, err := decodePlace(anomalyCursorPrefix, cursor, 28)
	if err != nil || place == "" {
		return anomalyPlace{}, err
	}
	return anomalyPlace{place[:24], binary.BigEndian.Uint32([]byte(place[24:]))}, nil
}

// high is the upper end of the index behind the place; digest is what its members
// begin with, "" in that of the analyses.
func (p anomalyPlace) high(digest string) string {
	switch {
	case p.analysis == "" && digest == "":
		return "+"
	case p.analysis == "":
		return "[" + digest + strings.Repeat("\xff", 24)
	case p.number == wholeAnalysis:
		return "(" + digest + p.analysis
	default:
		return "[" + digest + p.analysis
	}
}

// ListAnomalies implements ports.AnalysisStore. A page looks at 10,000 analyses
// or anomalies at most.
func (r *LogRepository) ListAnomalies(ctx context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error) {
	if err := filter.Validate(); err != nil {
		return domain.AnomalyPage{}, err
	}
	last, err := parseAnomalyPlace(filter.Cursor)
	if err != nil {
		return domain.AnomalyPage{}, err
	}
	index, low, digest := r.keys.history, "-", ""
	if filter.ID != "" {
		digest = digestOf(filter.ID)
		index, low = r.keys.anomalies, "["+digest
	}
	selective := filter.Kind != "" || filter.Source != "" || filter.Text != "" || !filter.From.IsZero() || !filter.To.IsZero()
	var page domain.AnomalyPage
	size := filter.PageSize()
	for range maxListRounds {
		want := size - len(page.Anomalies) + 1 // one more, to know whether there is one
		if selective {
			want = analysisScan
		}
		reply, err := r.client.runSlice(ctx, logsListAnalysesScript, []string{r.keys.analyses, index, r.keys.anomalyIDs},
			last.high(digest), low, digest, last.analysis, last.number, int(filter.MinSeverity), analysisScan, want, enoughBytes)
		if err != nil {
			return domain.AnomalyPage{}, err
		}
		for i := 2; i+2 < len(reply); i += 3 {
			if len(page.Anomalies) == size {
				page.NextCursor = last.cursor()
				return page, nil
			}
			found, place, err := readAnomaly(reply, i)
			if err != nil {
				return domain.AnomalyPage{}, err
			}
			last = place
			if filter.Matches(&found.Anomaly) {
				page.Anomalies = append(page.Anomalies, found)
			}
		}
		if ended, _ := intAt(reply, 0); ended == 1 {
			return page, nil
		}
		// The analyses behind the last anomaly need not be looked at again.
		if looked := textAt(reply, 1); looked != "" && (last.analysis == "" || looked <= last.analysis) {
			last = anomalyPlace{looked, wholeAnalysis}
		}
	}
	page.NextCursor = last.cursor()
	return page, nil
}

// readAnomaly reads the anomaly at i of a reply of logs_list_analyses.lua.
func readAnomaly(reply []any, i int) (domain.FoundAnomaly, anomalyPlace, error) {
	place := anomalyPlace{analysis: textAt(reply, i)}
	task, err := memberID(place.analysis)
	if err != nil {
		return domain.FoundAnomaly{}, place, err
	}
	n, _ := intAt(reply, i+1)
	place.number = uint32(n)
	a, err := decodeAnomaly(task, textAt(reply, i+2))
	return domain.FoundAnomaly{Anomaly: a, TaskID: task, FoundAt: keyTime(place.analysis[:8])}, place, err
}

// PurgeAnalyses implements ports.AnalysisStore. The limit is at least 1.
func (r *LogRepository) PurgeAnalyses(ctx context.Context, age time.Duration, limit int) (int, error) {
	k := &r.keys
	return purge(age, limit, func(n int) (found, removed int, err error) {
		reply, err := r.client.runSlice(ctx, logsPurgeAnalysesScript, []string{k.analyses, k.history, k.anomalies, k.anomalyIDs},
			r.client.offset(), age.Microseconds(), n, anomalyStep)
		if err != nil {
			return 0, 0, err
		}
		gone, _ := intAt(reply, 0)
		if more, _ := intAt(reply, 1); more == 1 {
			return n, int(gone), nil
		}
		return int(gone), int(gone), nil
	})
}
