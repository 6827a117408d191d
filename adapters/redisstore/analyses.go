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
	logsSaveAnalysisScript  = loadScript("logs_save_analysis", "common", "logs_common")
	logsListAnalysesScript  = loadScript("logs_list_analyses")
	logsPurgeAnalysesScript = loadScript("logs_purge_analyses", "common", "logs_common")
)

// analysisScan is how many analyses a script looks at for a page of anomalies.
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
// the index, and the place in it of the last anomaly that was listed.
type anomalyPlace struct {
	analysis string
	anomaly  uint32
}

// wholeAnalysis is the place behind all anomalies of an analysis.
const wholeAnalysis = math.MaxUint32

func (p anomalyPlace) cursor() string {
	return encodePlace(anomalyCursorPrefix, string(binary.BigEndian.AppendUint32([]byte(p.analysis), p.anomaly)))
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
	case p.anomaly == wholeAnalysis:
		return "(" + p.analysis
	default:
		return "[" + p.analysis
	}
}

// ListAnomalies implements ports.AnalysisStore. A page looks at 10,000 analyses
// at most.
func (r *LogRepository) ListAnomalies(ctx context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error) {
	if err := filter.Validate(); err != nil {
		return domain.AnomalyPage{}, err
	}
	last, err := parseAnomalyPlace(filter.Cursor)
	if err != nil {
		return domain.AnomalyPage{}, err
	}
	var page domain.AnomalyPage
	for range maxListRounds {
		reply, err := r.client.runSlice(ctx, logsListAnalysesScript, []string{r.keys.history, r.keys.analyses},
			last.high(), int(filter.MinSeverity), analysisScan, enoughBytes)
		if err != nil {
			return domain.AnomalyPage{}, err
		}
		for i := 2; i+1 < len(reply); i += 2 {
			full, err := addAnomalies(&page, &last, filter, textAt(reply, i), textAt(reply, i+1))
			if err != nil {
				return domain.AnomalyPage{}, err
			}
			if full {
				page.NextCursor = last.cursor()
				return page, nil
			}
		}
		if ended, _ := intAt(reply, 0); ended == 1 {
			return page, nil
		}
		last = anomalyPlace{textAt(reply, 1), wholeAnalysis}
	}
	page.NextCursor = last.cursor()
	return page, nil
}

// addAnomalies adds those of one analysis to the page that are behind last and
// that the filter selects, moves last to each of them, and reports whether there
// is one more than the page takes.
func addAnomalies(page *domain.AnomalyPage, last *anomalyPlace, filter domain.AnomalyFilter, member, record string) (full bool, err error) {
	task, err := memberID(member)
	if err != nil {
		return false, err
	}
	a, err := decodeAnalysis(task, record)
	if err != nil {
		return false, err
	}
	for i := range a.Result.Anomalies {
		listed := last.analysis == member && uint32(i) <= last.anomaly
		if listed || !filter.Matches(&a.Result.Anomalies[i]) {
			continue
		}
		if len(page.Anomalies) == filter.PageSize() {
			return true, nil
		}
		page.Anomalies = append(page.Anomalies, domain.FoundAnomaly{Anomaly: a.Result.Anomalies[i], TaskID: task, FoundAt: a.StoredAt})
		*last = anomalyPlace{member, uint32(i)}
	}
	return false, nil
}

// PurgeAnalyses implements ports.AnalysisStore. The limit is at least 1.
func (r *LogRepository) PurgeAnalyses(ctx context.Context, age time.Duration, limit int) (int, error) {
	return purge(age, limit, func(n int) (found, removed int, err error) {
		n, err = r.runInt(ctx, logsPurgeAnalysesScript, []string{r.keys.history, r.keys.analyses}, r.client.offset(), age.Microseconds(), n)
		return n, n, err
	})
}
