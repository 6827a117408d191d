package redisstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
	"logsift/ports"
)

var (
	logsSaveAnalysisScript  = layout.LoadScript("logs/save_analysis")
	logsListAnalysesScript  = layout.LoadScript("logs/list_analyses")
	logsPurgeAnalysesScript = layout.LoadScript("logs/purge_analyses")
)

const (
	// analysisScan is how many analyses, and how many anomalies for a filter that
	// may select few of them, a script looks at for a page.
	analysisScan = 500
	// anomalyStep is how many anomalies one script removes at most, or those of
	// one analysis.
	anomalyStep = 10_000
)

func (r *LogRepository) SaveAnalysis(ctx context.Context, task domain.TaskID, result domain.AnalysisResult) error {
	if err := ports.ValidateAnalysed(task); err != nil {
		return err
	}
	encoded, err := layout.EncodeAnalysis(result)
	if err != nil {
		return fmt.Errorf("analysis of task %s: %w", task, err)
	}
	k := &r.keys
	_, err = r.client.Run(ctx, logsSaveAnalysisScript, []string{k.Analyses, k.History, k.Anomalies, k.AnomalyIDs},
		r.client.Offset(), task[:], encoded, layout.AnomalyDigests(result.Anomalies))
	return err
}

func (r *LogRepository) GetAnalysis(ctx context.Context, task domain.TaskID) (domain.Analysis, error) {
	ctx, cancel := r.client.Bound(ctx)
	defer cancel()
	record, err := r.client.Redis.HGet(ctx, r.keys.Analyses, string(task[:])).Result()
	if errors.Is(err, redis.Nil) {
		return domain.Analysis{}, fmt.Errorf("analysis of task %s: %w", task, domain.ErrAnalysisNotFound)
	}
	if err != nil {
		return domain.Analysis{}, fmt.Errorf("get the analysis of task %s: %w", task, r.client.Translate(ctx, err))
	}
	return layout.DecodeAnalysis(task, record)
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

// ListAnomalies looks at maxListRounds × analysisScan analyses or anomalies at most for
// a page.
func (r *LogRepository) ListAnomalies(ctx context.Context, filter domain.AnomalyFilter) (domain.AnomalyPage, error) {
	if err := filter.Validate(); err != nil {
		return domain.AnomalyPage{}, err
	}
	last, err := parseAnomalyPlace(filter.Cursor)
	if err != nil {
		return domain.AnomalyPage{}, err
	}
	index, low, digest := r.keys.History, "-", ""
	if filter.ID != "" {
		digest = layout.DigestOf(filter.ID)
		index, low = r.keys.Anomalies, "["+digest
	}
	selective := filter.Kind != "" || filter.Source != "" || filter.Text != "" || !filter.From.IsZero() || !filter.To.IsZero()
	var page domain.AnomalyPage
	size, bytes := filter.PageSize(), 0
	for range maxListRounds {
		want := size - len(page.Anomalies) + 1 // one more, to know whether there is one
		if selective {
			want = analysisScan
		}
		reply, err := r.client.RunSlice(ctx, logsListAnalysesScript, []string{r.keys.Analyses, index, r.keys.AnomalyIDs},
			last.high(digest), low, digest, last.analysis, last.number, int(filter.MinSeverity), analysisScan, want, enoughBytes)
		if err != nil {
			return domain.AnomalyPage{}, err
		}
		for i := 2; i+2 < len(reply); i += 3 {
			if len(page.Anomalies) == size || bytes >= enoughBytes {
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
				bytes += len(layout.TextAt(reply, i+2))
			}
		}
		if ended, _ := layout.IntAt(reply, 0); ended == 1 {
			return page, nil
		}
		// The analyses behind the last anomaly need not be looked at again.
		if looked := layout.TextAt(reply, 1); looked != "" && (last.analysis == "" || looked <= last.analysis) {
			last = anomalyPlace{looked, wholeAnalysis}
		}
	}
	page.NextCursor = last.cursor()
	return page, nil
}

// readAnomaly reads the anomaly at i of a reply of logs/list_analyses.lua.
func readAnomaly(reply []any, i int) (domain.FoundAnomaly, anomalyPlace, error) {
	place := anomalyPlace{analysis: layout.TextAt(reply, i)}
	task, err := layout.MemberID(place.analysis)
	if err != nil {
		return domain.FoundAnomaly{}, place, err
	}
	n, _ := layout.IntAt(reply, i+1)
	place.number = uint32(n)
	a, err := layout.DecodeAnomaly(task, layout.TextAt(reply, i+2))
	return domain.FoundAnomaly{Anomaly: a, TaskID: task, FoundAt: layout.KeyTime(place.analysis[:8])}, place, err
}

func (r *LogRepository) PurgeAnalyses(ctx context.Context, age time.Duration, limit int) (int, error) {
	k := &r.keys
	return purge(age, limit, func(n int) (found, removed int, err error) {
		reply, err := r.client.RunSlice(ctx, logsPurgeAnalysesScript, []string{k.Analyses, k.History, k.Anomalies, k.AnomalyIDs},
			r.client.Offset(), age.Microseconds(), n, anomalyStep)
		if err != nil {
			return 0, 0, err
		}
		gone, _ := layout.IntAt(reply, 0)
		if more, _ := layout.IntAt(reply, 1); more == 1 {
			return n, int(gone), nil
		}
		return int(gone), int(gone), nil
	})
}
