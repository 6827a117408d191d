package redisstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
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

// analysisScan is how many analyses, and how many anomalies for a filter that may
// select few of them, a script looks at for a page.
const analysisScan = 500

// SaveAnalysis implements ports.AnalysisStore.
func (r *LogRepository) SaveAnalysis(ctx context.Context, task domain.TaskID, result domain.AnalysisResult) error {
	if task == uuid.Nil {
		return &domain.ValidationError{Field: "task_id", Rule: "must be a UUID that is not nil"}
	}
	encoded, err := encodeAnalysis(result)
	if err != nil {
		return fmt.Errorf("analysis of task %s: %w", task, err)
	}
	_, err = r.client.run(ctx, logsSaveAnalysisScript, []string{r.keys.analyses, r.keys.history}, r.client.offset(), task[:], encoded)
	return err
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

// high is the upper end of the index behind the place.
func (p anomalyPlace) high() string {
	switch {
	case p.analysis == "":
		return "+"
	case p.number == wholeAnalysis:
		return "(" + p.analysis
	default:
		return "[" + p.analysis
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
	selective := filter.Source != "" || !filter.From.IsZero() || !filter.To.IsZero()
	var page domain.AnomalyPage
	size := filter.PageSize()
	for range maxListRounds {
		want := size - len(page.Anomalies) + 1 // one more, to know whether there is one
		if selective {
			want = analysisScan
		}
		reply, err := r.client.runSlice(ctx, logsListAnalysesScript, []string{r.keys.history, r.keys.analyses},
			last.high(), last.analysis, last.number, int(filter.MinSeverity), analysisScan, want, enoughBytes)
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
	return purge(age, limit, func(n int) (found, removed int, err error) {
		n, err = r.runInt(ctx, logsPurgeAnalysesScript, []string{r.keys.history, r.keys.analyses}, r.client.offset(), age.Microseconds(), n)
		return n, n, err
	})
}
