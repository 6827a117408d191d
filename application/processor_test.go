package application_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang/mock/gomock"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/application"
	"logsift/domain"
	"logsift/mocks"
)

// analysis is a processor whose ports are mocks.
type analysis struct {
	logs      *mocks.MockLogRepository
	analyzer  *mocks.MockLogAnalyzer
	processor *application.LogAnalysisProcessor
}

func newAnalysis(t *testing.T) *analysis {
	t.Helper()
	ctrl := gomock.NewController(t)
	a := &analysis{logs: mocks.NewMockLogRepository(ctrl), analyzer: mocks.NewMockLogAnalyzer(ctrl)}
	a.processor = application.NewLogAnalysisProcessor(a.logs, a.analyzer, nil)
	return a
}

// isNew says that no analysis is stored yet.
func (a *analysis) isNew(task *domain.Task) *gomock.Call {
	return a.logs.EXPECT().GetAnalysis(gomock.Any(), task.ID).Return(domain.Analysis{}, domain.ErrAnalysisNotFound)
}

func entries(n int) ([]domain.LogEntry, []domain.LogID) {
	logs, ids := make([]domain.LogEntry, n), make([]domain.LogID, n)
	for i := range logs {
		ids[i] = uuid.Must(uuid.NewV7())
		logs[i] = domain.LogEntry{ID: ids[i], Message: fmt.Sprintf("line %d", i)}
	}
	return logs, ids
}

func TestAnAnalysisIsStoredBeforeItIsReturned(t *testing.T) {
	t.Parallel()
	a := newAnalysis(t)
	logs, ids := entries(2)
	task := domain.NewLogBatchTask(uuid.New())
	found := domain.AnalysisResult{Analyzer: "builtin", Summary: "<*> is odd", AnalysedCount: 2}
	want := found
	want.LogCount = 2
	gomock.InOrder(
		a.isNew(task),
		a.logs.EXPECT().CloseBatch(gomock.Any(), task.ID).Return(ids, nil),
		a.logs.EXPECT().GetLogs(gomock.Any(), ids[0], ids[1]).Return(logs, nil),
		a.analyzer.EXPECT().Analyze(gomock.Any(), domain.AnalysisRequest{TaskID: task.ID, Logs: logs}).Return(found, nil),
		a.logs.EXPECT().SaveAnalysis(gomock.Any(), task.ID, want).Return(nil),
	)
	out, err := a.processor.Process(t.Context(), task)
	require.NoError(t, err)
	var got domain.AnalysisResult
	require.NoError(t, json.Unmarshal(out, &got))
	require.Equal(t, want, got)
	require.Contains(t, string(out), "<*>", "templates stay readable")
}

func TestAnAnalysisThatIsNotStoredIsNotReturned(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	a := newAnalysis(t)
	logs, ids := entries(1)
	task := domain.NewLogAnalysisTask(uuid.New(), ids...)
	a.isNew(task)
	a.logs.EXPECT().GetLogs(gomock.Any(), ids[0]).Return(logs, nil)
	a.analyzer.EXPECT().Analyze(gomock.Any(), gomock.Any()).Return(domain.AnalysisResult{}, nil)
	a.logs.EXPECT().SaveAnalysis(gomock.Any(), task.ID, gomock.Any()).Return(refused)
	out, err := a.processor.Process(t.Context(), task)
	require.ErrorIs(t, err, refused)
	require.False(t, domain.IsPermanent(err))
	require.Nil(t, out)
}

func TestARedeliveredTaskIsNotAnalysedAgain(t *testing.T) {
	t.Parallel()
	a := newAnalysis(t)
	task := domain.NewLogAnalysisTask(uuid.New(), uuid.New())
	stored := domain.AnalysisResult{Analyzer: "openai", Summary: "known"}
	a.logs.EXPECT().GetAnalysis(gomock.Any(), task.ID).Return(domain.Analysis{TaskID: task.ID, Result: stored}, nil)
	out, err := a.processor.Process(t.Context(), task)
	require.NoError(t, err)
	require.Contains(t, string(out), `"summary":"known"`)
}

func TestAPayloadThatCannotBeReadIsPermanent(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{``, `{}`, `{"log_ids":["x"]}`, `[]`} {
		a := newAnalysis(t)
		task := domain.NewTask(uuid.New(), domain.TaskTypeLogAnalysis, []byte(payload))
		a.isNew(task)
		_, err := a.processor.Process(t.Context(), task)
		require.True(t, domain.IsPermanent(err), payload)
		require.ErrorIs(t, err, domain.ErrInvalid)
	}
}

func TestManyLogsAreReadInParts(t *testing.T) {
	t.Parallel()
	a := newAnalysis(t)
	logs, ids := entries(2001)
	task := domain.NewLogAnalysisTask(uuid.New(), append(ids, ids[0], ids[7])...)
	byID := map[domain.LogID]domain.LogEntry{}
	for _, e := range logs {
		byID[e.ID] = e
	}
	var sizes []int
	a.isNew(task)
	a.logs.EXPECT().GetLogs(gomock.Any(), gomock.Any()).Times(3).
		DoAndReturn(func(_ context.Context, part ...domain.LogID) ([]domain.LogEntry, error) {
			sizes = append(sizes, len(part))
			out := make([]domain.LogEntry, len(part))
			for i, id := range part {
				out[i] = byID[id]
			}
			return out, nil
		})
	a.analyzer.EXPECT().Analyze(gomock.Any(), domain.AnalysisRequest{TaskID: task.ID, Logs: logs}).Return(domain.AnalysisResult{}, nil)
	a.logs.EXPECT().SaveAnalysis(gomock.Any(), task.ID, gomock.Any()).Return(nil)
	_, err := a.processor.Process(t.Context(), task)
	require.NoError(t, err)
	require.Equal(t, []int{1000, 1000, 1}, sizes, "in order, and each once")
}

func TestMissingLogsAreToldNotFatal(t *testing.T) {
	t.Parallel()
	a := newAnalysis(t)
	logs, ids := entries(30)
	task := domain.NewLogAnalysisTask(uuid.New(), ids...)
	a.isNew(task)
	a.logs.EXPECT().GetLogs(gomock.Any(), gomock.Any()).Return(logs[:5], nil)
	a.analyzer.EXPECT().Analyze(gomock.Any(), gomock.Any()).Return(domain.AnalysisResult{AnalysedCount: 5}, nil)
	a.logs.EXPECT().SaveAnalysis(gomock.Any(), task.ID, gomock.Any()).Return(nil)
	out, err := a.processor.Process(t.Context(), task)
	require.NoError(t, err)
	var got domain.AnalysisResult
	require.NoError(t, json.Unmarshal(out, &got))
	require.Equal(t, []int{30, 5, 25}, []int{got.LogCount, got.AnalysedCount, got.MissingCount})
	require.Equal(t, ids[5:25], got.MissingLogIDs)
	require.Equal(t, []string{"25 of 30 log entries are no longer stored"}, got.Warnings)
}

func TestErrorsOfTheAnalyserDecideAboutTheTask(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err       error
		permanent bool
		delay     time.Duration
	}{
		"unavailable is retried":               {&domain.AnalyzerError{Kind: domain.AnalyzerUnavailable}, false, 0},
		"a bad answer is retried":              {&domain.AnalyzerError{Kind: domain.AnalyzerBadAnswer}, false, 0},
		"rate limited waits as it was told":    {&domain.AnalyzerError{Kind: domain.AnalyzerRateLimited, RetryAfter: 42 * time.Second}, false, 42 * time.Second},
		"rate limited without a word retries":  {&domain.AnalyzerError{Kind: domain.AnalyzerRateLimited}, false, 0},
		"unavailable may name a delay":         {&domain.AnalyzerError{Kind: domain.AnalyzerUnavailable, RetryAfter: time.Minute}, false, time.Minute},
		"too large is permanent":               {&domain.AnalyzerError{Kind: domain.AnalyzerTooLarge}, true, 0},
		"refused is permanent":                 {&domain.AnalyzerError{Kind: domain.AnalyzerRefused}, true, 0},
		"misconfigured is permanent":           {&domain.AnalyzerError{Kind: domain.AnalyzerMisconfigured}, true, 0},
		"quota is permanent, whatever it asks": {&domain.AnalyzerError{Kind: domain.AnalyzerQuota, RetryAfter: time.Hour}, true, 0},
		"an ended context is retried":          {context.DeadlineExceeded, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAnalysis(t)
			task := domain.NewLogAnalysisTask(uuid.New(), uuid.New())
			a.isNew(task)
			a.logs.EXPECT().GetLogs(gomock.Any(), gomock.Any()).Return(nil, nil)
			a.analyzer.EXPECT().Analyze(gomock.Any(), gomock.Any()).Return(domain.AnalysisResult{}, c.err)
			_, err := a.processor.Process(t.Context(), task)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.permanent, domain.IsPermanent(err))
			delay, named := domain.RetryDelay(err)
			require.Equal(t, c.delay, delay)
			require.Equal(t, c.delay > 0, named)
		})
	}
}

func TestErrorsOfTheRepositoryAreRetried(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for name, expect := range map[string]func(*analysis, *domain.Task){
		"reading the earlier analysis": func(a *analysis, task *domain.Task) {
			a.logs.EXPECT().GetAnalysis(gomock.Any(), task.ID).Return(domain.Analysis{}, down)
		},
		"closing the batch": func(a *analysis, task *domain.Task) {
			a.isNew(task)
			a.logs.EXPECT().CloseBatch(gomock.Any(), task.ID).Return(nil, down)
		},
		"reading the entries": func(a *analysis, task *domain.Task) {
			a.isNew(task)
			a.logs.EXPECT().CloseBatch(gomock.Any(), task.ID).Return([]domain.LogID{uuid.New()}, nil)
			a.logs.EXPECT().GetLogs(gomock.Any(), gomock.Any()).Return(nil, down)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAnalysis(t)
			task := domain.NewLogBatchTask(uuid.New())
			expect(a, task)
			_, err := a.processor.Process(t.Context(), task)
			require.ErrorIs(t, err, down)
			require.False(t, domain.IsPermanent(err))
		})
	}
}

func TestARunWaitsForARepositoryThatIsAway(t *testing.T) {
	t.Parallel()
	away := fmt.Errorf("connection refused: %w", domain.ErrStoreUnavailable)
	inBubble(t, "and analyses once", func(t *testing.T) {
		a := newAnalysis(t)
		task := domain.NewLogBatchTask(uuid.New())
		ids := []domain.LogID{uuid.New()}
		gomock.InOrder(
			a.logs.EXPECT().GetAnalysis(gomock.Any(), task.ID).Return(domain.Analysis{}, away).Times(2),
			a.logs.EXPECT().GetAnalysis(gomock.Any(), task.ID).Return(domain.Analysis{}, domain.ErrAnalysisNotFound),
			a.logs.EXPECT().CloseBatch(gomock.Any(), task.ID).Return(nil, away),
			a.logs.EXPECT().CloseBatch(gomock.Any(), task.ID).Return(ids, nil),
			a.logs.EXPECT().GetLogs(gomock.Any(), ids[0]).Return(nil, away),
			a.logs.EXPECT().GetLogs(gomock.Any(), ids[0]).Return(nil, nil),
			a.analyzer.EXPECT().Analyze(gomock.Any(), gomock.Any()).Return(domain.AnalysisResult{}, nil),
			a.logs.EXPECT().SaveAnalysis(gomock.Any(), task.ID, gomock.Any()).Return(away).Times(10),
			a.logs.EXPECT().SaveAnalysis(gomock.Any(), task.ID, gomock.Any()).Return(domain.ErrStoreFull),
			a.logs.EXPECT().SaveAnalysis(gomock.Any(), task.ID, gomock.Any()).Return(domain.ErrStoreReadOnly),
			a.logs.EXPECT().SaveAnalysis(gomock.Any(), task.ID, gomock.Any()).Return(nil),
		)
		_, err := a.processor.Process(t.Context(), task)
		require.NoError(t, err)
	})

	inBubble(t, "until its context ends", func(t *testing.T) {
		a := newAnalysis(t)
		task := domain.NewLogBatchTask(uuid.New())
		a.logs.EXPECT().GetAnalysis(gomock.Any(), task.ID).Return(domain.Analysis{}, away).MinTimes(2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := a.processor.Process(ctx, task)
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
		require.Equal(t, time.Minute, time.Since(start))
	})
}

func TestAResultThatIsTooLongLosesItsLeast(t *testing.T) {
	t.Parallel()
	a := newAnalysis(t)
	task := domain.NewLogAnalysisTask(uuid.New(), uuid.New())
	result := domain.AnalysisResult{Severity: domain.SeverityHigh}
	for i := range domain.MaxAnomalies {
		found := domain.Anomaly{
			ID: strconv.Itoa(i), Severity: domain.SeverityHigh, Source: "local",
			Explanation: strings.Repeat("x", 6000), SampleLines: []string{"sample"},
		}
		for range domain.MaxAnomalyLogIDs {
			found.LogIDs = append(found.LogIDs, task.ID)
		}
		result.Anomalies = append(result.Anomalies, found)
	}
	var saved domain.AnalysisResult
	a.isNew(task)
	a.logs.EXPECT().GetLogs(gomock.Any(), gomock.Any()).Return(nil, nil)
	a.analyzer.EXPECT().Analyze(gomock.Any(), gomock.Any()).Return(result, nil)
	a.logs.EXPECT().SaveAnalysis(gomock.Any(), task.ID, gomock.Any()).
		DoAndReturn(func(_ context.Context, _ domain.TaskID, r domain.AnalysisResult) error { saved = r; return nil })
	out, err := a.processor.Process(t.Context(), task)
	require.NoError(t, err)
	require.LessOrEqual(t, len(out), domain.MaxResult)
	var got domain.AnalysisResult
	require.NoError(t, json.Unmarshal(out, &got))
	require.True(t, got.Truncated)
	require.Len(t, got.Anomalies, 500)
	require.Equal(t, "0", got.Anomalies[0].ID, "the most severe stay")
	require.Empty(t, got.Anomalies[0].SampleLines)
	require.Len(t, got.Anomalies[0].LogIDs, 10)
	require.Len(t, saved.Anomalies, 500, "what is stored is what is returned")
	require.Len(t, result.Anomalies[0].LogIDs, domain.MaxAnomalyLogIDs, "the analyser's own result is left alone")
}
