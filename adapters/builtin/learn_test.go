package builtin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/builtin"
	"logsift/domain"
)

// worker is an analyser of a process of its own on shared states.
func worker(s *states) *builtin.Analyzer { return builtin.New(builtin.Config{Documents: s}) }

// batch analyses lines as one task and learns from them.
func batch(t *testing.T, a *builtin.Analyzer, task string, lines []string) domain.AnalysisResult {
	t.Helper()
	r, err := a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: taskID(task), Logs: entries("app", lines...)})
	require.NoError(t, err)
	return r
}

func taskID(name string) domain.TaskID { return uuid.NewSHA1(uuid.Nil, []byte(name)) }

// troubled is the routine with lines that it does not have, far from each other.
func troubled(lines ...string) []string {
	out := routine(1000)
	for i, line := range lines {
		out[500+100*i] = "2026-05-01 08:08:20 " + line
	}
	return out
}

func TestWhatWasLearnedOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	s := newStates()
	require.Nil(t, find(batch(t, worker(s), "1", troubled("ERROR disk 7 is slow")), "new thing"))
	r := batch(t, worker(s), "2", troubled("ERROR disk 9 is slow", "ERROR new thing happened"))
	learned, novel := find(r, "disk"), find(r, "new thing")
	require.Equal(t, domain.AnomalyNewTemplate, novel.Kind)
	require.Equal(t, domain.SeverityHigh, novel.Severity)
	require.NotEqual(t, domain.AnomalyNewTemplate, learned.Kind, "it was learned by another process")

	r = batch(t, worker(s), "3", troubled("ERROR disk 9 is slow", "ERROR new thing happened"))
	require.Empty(t, ofKind(r, domain.AnomalyNewTemplate, ""))
}

func TestATroubleThatIsUsualIsLessSevereButNeverHarmless(t *testing.T) {
	t.Parallel()
	s := newStates()
	lines := []string{"ERROR cannot reach the printer", "ERROR write failed: No space left on device"}
	first := batch(t, worker(s), "1", troubled(lines...))
	again := batch(t, worker(s), "2", troubled(lines...))
	require.GreaterOrEqual(t, find(first, "printer").Severity, domain.SeverityMedium)
	require.Equal(t, domain.SeverityLow, find(again, "printer").Severity)
	require.Contains(t, find(again, "printer").Evidence, "1 of 1000 lines is an error; 1 is normal")
	require.Equal(t, domain.SeverityHigh, find(first, "No space").Severity)
	require.Equal(t, domain.SeverityMedium, find(again, "No space").Severity)
}

func TestABatchThatComesAgainIsJudgedTheSameAndNotLearnedAgain(t *testing.T) {
	t.Parallel()
	s := newStates()
	batch(t, worker(s), "1", routine(1000))
	odd := troubled("ERROR new thing happened", "WARN disk is slow", "ERROR new thing happened")
	first := batch(t, worker(s), "2", odd)
	require.NotEmpty(t, ofKind(first, domain.AnomalyNewTemplate, "new thing"))
	saves := s.saves
	for range 3 {
		require.Equal(t, kindsOf(first), kindsOf(batch(t, worker(s), "2", odd)))
	}
	require.Equal(t, saves, s.saves)
	require.Empty(t, ofKind(batch(t, worker(s), "3", odd), domain.AnomalyNewTemplate, ""), "another task has the same lines")
}

// kindsOf tells anomalies shortly.
func kindsOf(r domain.AnalysisResult) []string {
	var out []string
	for _, a := range r.Anomalies {
		out = append(out, fmt.Sprintf("%s %s %s %d", a.ID, a.Kind, a.Severity, a.Count))
	}
	slices.Sort(out)
	return out
}

func TestTwoWorkersLearnFromEachOther(t *testing.T) {
	t.Parallel()
	s := newStates()
	other := worker(s)
	s.before = func() {
		s.before = nil // the other worker saves too
		batch(t, other, "meanwhile", troubled("ERROR seen by the other worker"))
	}
	batch(t, worker(s), "1", troubled("ERROR seen by this worker"))
	require.Equal(t, 1, s.refusals, "the first save was too late")
	require.Equal(t, 2, s.saves)

	r := batch(t, worker(s), "2", troubled("ERROR seen by the other worker", "ERROR seen by this worker", "ERROR never seen before"))
	require.Len(t, ofKind(r, domain.AnomalyNewTemplate, ""), 1)
	require.NotEmpty(t, ofKind(r, domain.AnomalyNewTemplate, "never seen before"))
	require.Contains(t, ofKind(r, domain.AnomalyNewTemplate, "")[0].Evidence, "in the 2000 lines learned", "both batches count")
}

func TestManyWorkersLearnEveryBatchOnce(t *testing.T) {
	t.Parallel()
	s := newStates()
	a := worker(s)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			r, err := a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: taskID(strconv.Itoa(i)), Logs: entries("app", routine(300)...)})
			if err != nil || len(r.Warnings) > 0 {
				t.Errorf("batch %d: %v %v", i, err, r.Warnings)
			}
		})
	}
	wg.Wait()
	r := batch(t, worker(s), "last", troubled("ERROR never seen before"))
	require.Contains(t, find(r, "never seen").Evidence, "in the 4800 lines learned before")
}

func TestASaveThatAlwaysConflictsIsGivenUpWithAWarning(t *testing.T) {
	t.Parallel()
	s := newStates()
	s.saveErr = domain.ErrDocumentConflict
	r := batch(t, worker(s), "1", troubled("ERROR it broke"))
	require.NotNil(t, find(r, "it broke"))
	require.Contains(t, strings.Join(r.Warnings, "\n"), "nothing was learned from these logs")
}

func TestAnAnalysisNeedsNoStore(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*states{
		"cannot be read":    {all: map[string]domain.Document{}, loadErr: errors.New("connection refused")},
		"cannot be written": {all: map[string]domain.Document{}, saveErr: errors.New("connection refused")},
		"has what no version wrote": {all: map[string]domain.Document{
			"builtin/learned": {Key: "builtin/learned", Revision: 7, Data: []byte{99, 1, 2, 3}},
		}},
		"has damaged state": {all: map[string]domain.Document{
			"builtin/learned": {Key: "builtin/learned", Revision: 7, Data: []byte{2, 2, 3}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := batch(t, worker(s), "1", troubled("ERROR it broke"))
			require.NotNil(t, find(r, "it broke"))
			require.Len(t, r.Warnings, 1)
			require.Zero(t, s.saves, "what cannot be read is not overwritten")
		})
	}
}

func TestWhatAnEarlierVersionLearnedIsLearnedAnew(t *testing.T) {
	t.Parallel()
	s := newStates()
	learn := func(task string) domain.AnalysisResult {
		r, err := worker(s).Analyze(t.Context(), domain.AnalysisRequest{TaskID: taskID(task), Baseline: "monday", Learn: true, Logs: entries("app", routine(1000)...)})
		require.NoError(t, err)
		return r
	}
	learn("1")
	batch(t, worker(s), "2", routine(1000))
	for key, doc := range s.all {
		doc.Data = append([]byte{1}, "what no version reads"...)
		s.all[key] = doc
	}
	require.Len(t, batch(t, worker(s), "3", routine(1000)).Warnings, 1)
	require.Empty(t, batch(t, worker(s), "4", routine(1000)).Warnings)

	compared := domain.AnalysisRequest{TaskID: taskID("5"), Baseline: "monday", Logs: entries("app", routine(1000)...)}
	_, err := worker(s).Analyze(t.Context(), compared)
	require.ErrorContains(t, err, `the baseline "monday" was learned by an earlier version of logsift: learn it again`)
	require.Len(t, learn("6").Warnings, 1)
	_, err = worker(s).Analyze(t.Context(), compared)
	require.NoError(t, err)
}

func TestABaselineIsNotChangedByWhatIsComparedWithIt(t *testing.T) {
	t.Parallel()
	s := newStates()
	a := worker(s)
	request := func(learn bool, task string, lines []string) domain.AnalysisResult {
		r, err := a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: taskID(task), Baseline: "monday", Learn: learn, Logs: entries("app", lines...)})
		require.NoError(t, err)
		require.Equal(t, "monday", r.Baseline)
		return r
	}
	r := request(true, "1", routine(1000))
	require.Empty(t, r.Anomalies)
	require.Equal(t, "learned 1000 lines of 3 templates as normal", r.Summary)
	before := s.saves
	first := request(false, "2", troubled("ERROR it broke"))
	require.NotEmpty(t, ofKind(first, domain.AnomalyNewTemplate, "it broke"))
	require.Equal(t, first, request(false, "3", troubled("ERROR it broke")), "the same logs and baseline give the same")
	require.Equal(t, before, s.saves)

	request(true, "4", troubled("ERROR it broke"))
	require.Empty(t, ofKind(request(false, "5", troubled("ERROR it broke")), domain.AnomalyNewTemplate, ""), "learned as normal")
	require.Zero(t, s.bytes("builtin/learned"), "a baseline is apart from what all logs taught")
}

func TestABaselineOfAnotherSourceIsCompared(t *testing.T) {
	t.Parallel()
	a := worker(newStates())
	for _, source := range []string{"normal.log", "other.log"} {
		_, err := a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: taskID(source), Baseline: "b", Learn: true, Logs: entries(source, routine(1000)...)})
		require.NoError(t, err)
		r, err := a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: taskID("x"), Baseline: "b", Logs: entries("today.log", troubled("ERROR it broke")...)})
		require.NoError(t, err)
		require.Len(t, ofKind(r, domain.AnomalyNewTemplate, ""), 1, "the routine is known from %s", source)
	}
}

func TestAnUnknownBaselineIsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	for _, a := range []*builtin.Analyzer{worker(newStates()), builtin.New(builtin.Config{})} {
		_, err := a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: uuid.New(), Baseline: "sunday", Logs: entries("app", routine(10)...)})
		var analyzerErr *domain.AnalyzerError
		require.ErrorAs(t, err, &analyzerErr)
		require.Equal(t, domain.AnalyzerMisconfigured, analyzerErr.Kind)
		require.False(t, analyzerErr.Retryable())
		require.Contains(t, err.Error(), `"sunday"`)
	}
}

func TestABaselineThatCannotBeLoadedIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := newStates()
	s.loadErr = errors.New("connection refused")
	req := domain.AnalysisRequest{TaskID: uuid.New(), Baseline: "monday", Logs: entries("app", troubled("ERROR it broke")...)}
	_, err := worker(s).Analyze(t.Context(), req)
	var analyzerErr *domain.AnalyzerError
	require.ErrorAs(t, err, &analyzerErr)
	require.True(t, analyzerErr.Retryable())

	req.LastAttempt = true
	r, err := worker(s).Analyze(t.Context(), req)
	require.NoError(t, err)
	require.NotNil(t, find(r, "it broke"))
	require.NotEmpty(t, r.DegradedReason)

	req.Learn = true
	_, err = worker(s).Analyze(t.Context(), req)
	require.Error(t, err, "learning nothing is no success")
}

func TestLearningEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := newStates()
	ctx, cancel := context.WithCancel(t.Context())
	s.before = cancel
	s.saveErr = context.Canceled
	_, err := worker(s).Analyze(ctx, domain.AnalysisRequest{TaskID: uuid.New(), Logs: entries("app", routine(300)...)})
	require.ErrorIs(t, err, context.Canceled)
}

func TestLearnedStateIsBounded(t *testing.T) {
	t.Parallel()
	s := newStates()
	a := worker(s)
	for i := range 11 {
		var logs []domain.LogEntry
		for j := range 50 {
			source := "source " + letters(i*50+j)
			var lines []string
			for k := range 60 {
				lines = append(lines, at(time.Duration(i)*time.Minute, "INFO %s said %s to %s", letters(k*31+i), letters(k*17+j), letters(k)))
			}
			logs = append(logs, entries(source, lines...)...)
		}
		_, err := a.Analyze(t.Context(), domain.AnalysisRequest{TaskID: taskID(strconv.Itoa(i)), Logs: logs})
		require.NoError(t, err)
	}
	require.Less(t, s.bytes("builtin/learned"), domain.MaxDocumentData/2)
	require.Positive(t, s.bytes("builtin/learned"))
}

// letters writes a number in letters.
func letters(n int) string {
	var b strings.Builder
	for {
		b.WriteByte('a' + byte(n%26))
		if n /= 26; n == 0 {
			return b.String() + "x"
		}
	}
}

func TestTheSameLogsGiveTheSameResult(t *testing.T) {
	t.Parallel()
	lines := troubled("ERROR it broke", "WARN it bends", "INFO took 99999 ms")
	lines = append(lines, sessionLines(300, func(i int, _ string, l []string) []string { return l[:3-i%100/99] })...)
	var first []byte
	for range 5 {
		r, err := worker(newStates()).Analyze(t.Context(), domain.AnalysisRequest{TaskID: taskID("1"), Logs: entries("app", lines...)})
		require.NoError(t, err)
		data, err := json.Marshal(r)
		require.NoError(t, err)
		if first == nil {
			first = data
		}
		require.JSONEq(t, string(first), string(data))
	}
}
