package application_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/memstore"
	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

// found stores an analysis that found the anomaly in these entries, and returns
// its task.
func (w *logWorld) found(id string, logs ...domain.LogID) domain.TaskID {
	w.t.Helper()
	task := uuid.New()
	require.NoError(w.t, w.logs.SaveAnalysis(w.t.Context(), task, domain.AnalysisResult{Anomalies: []domain.Anomaly{
		{ID: "other", Severity: domain.SeverityLow, Count: 100},
		{ID: id, Severity: domain.SeverityHigh, Count: max(len(logs), 1), LogIDs: logs, Evidence: task.String()},
	}}))
	return task
}

// stored stores n entries.
func (w *logWorld) stored(n int) []domain.LogID {
	w.t.Helper()
	return w.create(lines(n)...).LogIDs
}

func TestGetAnomaly(t *testing.T) {
	t.Parallel()
	t.Run("its findings are put together, the newest one speaks", func(t *testing.T) {
		t.Parallel()
		w := newLogWorld(t, application.LogServiceConfig{})
		ids := w.stored(5)
		first, second := w.found("a", ids[:2]...), w.found("a", ids[2:]...)
		got, err := w.service.GetAnomaly(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, []domain.TaskID{second, first}, got.TaskIDs)
		require.Equal(t, 5, got.Count)
		require.Equal(t, second.String(), got.Evidence)
		require.Equal(t, slices.Concat(ids[2:], ids[:2]), got.LogIDs)
		require.False(t, got.Truncated)
	})
	t.Run("one that was never found is not there", func(t *testing.T) {
		t.Parallel()
		w := newLogWorld(t, application.LogServiceConfig{})
		w.found("a")
		_, err := w.service.GetAnomaly(t.Context(), "b")
		require.ErrorIs(t, err, domain.ErrAnomalyNotFound)
		_, err = w.service.ListAnomalyLogs(t.Context(), "b", 0, "")
		require.ErrorIs(t, err, domain.ErrAnomalyNotFound)
	})
	t.Run("a walk that is cut says so", func(t *testing.T) {
		t.Parallel()
		w := newLogWorld(t, application.LogServiceConfig{})
		for range domain.MaxAnomalyFindings {
			w.found("a")
		}
		got, err := w.service.GetAnomaly(t.Context(), "a")
		require.NoError(t, err)
		require.False(t, got.Truncated, "all of them were put together")
		w.found("a")
		got, err = w.service.GetAnomaly(t.Context(), "a")
		require.NoError(t, err)
		require.True(t, got.Truncated)
		require.Equal(t, domain.MaxAnomalyFindings, got.Count)
	})
	t.Run("an id that cannot be is refused", func(t *testing.T) {
		t.Parallel()
		w := newLogWorld(t, application.LogServiceConfig{})
		for _, id := range []string{"", strings.Repeat("x", domain.MaxLogSource+1)} {
			_, err := w.service.GetAnomaly(t.Context(), id)
			require.ErrorIs(t, err, domain.ErrInvalid)
			_, err = w.service.ListAnomalyLogs(t.Context(), id, 0, "")
			require.ErrorIs(t, err, domain.ErrInvalid)
		}
	})
	t.Run("a store that is away is no anomaly that is not there", func(t *testing.T) {
		t.Parallel()
		service, err := application.NewLogService(awayLogs{}, memstore.NewTaskQueue(memstore.Config{}), application.LogServiceConfig{}, nil)
		require.NoError(t, err)
		_, err = service.GetAnomaly(t.Context(), "a")
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
		_, err = service.ListAnomalyLogs(t.Context(), "a", 0, "")
		require.ErrorIs(t, err, domain.ErrStoreUnavailable)
	})
}

// readBehind pages through the entries behind the anomaly, and calls between after
// each page.
func (w *logWorld) readBehind(id string, limit int, between func()) (ids []domain.LogID, missing int) {
	w.t.Helper()
	cursor := ""
	for range 1000 {
		page, err := w.service.ListAnomalyLogs(w.t.Context(), id, limit, cursor)
		require.NoError(w.t, err)
		require.LessOrEqual(w.t, len(page.Logs), limit)
		for _, e := range page.Logs {
			ids = append(ids, e.ID)
		}
		missing += page.Missing
		if cursor = page.NextCursor; cursor == "" {
			return ids, missing
		}
		between()
	}
	w.t.Fatal("the list has no end")
	return nil, 0
}

func TestListAnomalyLogs(t *testing.T) {
	t.Parallel()
	reversed := func(ids []domain.LogID) []domain.LogID {
		ids = slices.Clone(ids)
		slices.Reverse(ids)
		return ids
	}
	for _, limit := range []int{1, 2, 3, 7, 50} {
		t.Run(fmt.Sprintf("every entry is listed once, the newest first, in pages of %d", limit), func(t *testing.T) {
			t.Parallel()
			w := newLogWorld(t, application.LogServiceConfig{})
			ids := w.stored(7)
			w.found("a", ids[:3]...)
			w.found("a") // names no entries
			w.found("a", ids[3:]...)
			got, missing := w.readBehind("a", limit, func() {})
			require.Equal(t, reversed(ids), got)
			require.Zero(t, missing)
		})
		t.Run(fmt.Sprintf("findings that come meanwhile change nothing, in pages of %d", limit), func(t *testing.T) {
			t.Parallel()
			w := newLogWorld(t, application.LogServiceConfig{})
			ids := w.stored(7)
			w.found("a", ids[:3]...)
			w.found("a", ids[3:]...)
			got, _ := w.readBehind("a", limit, func() { w.found("a", w.stored(2)...) })
			require.Equal(t, reversed(ids), got)
		})
	}
	t.Run("entries that are gone are counted", func(t *testing.T) {
		t.Parallel()
		w := newLogWorld(t, application.LogServiceConfig{})
		ids := w.stored(2)
		w.found("a", uuid.New(), ids[0], uuid.New(), ids[1], uuid.New())
		got, missing := w.readBehind("a", 2, func() {})
		require.Equal(t, reversed(ids), got)
		require.Equal(t, 3, missing)
	})
	t.Run("a finding that goes meanwhile takes only its own entries", func(t *testing.T) {
		t.Parallel()
		w := newLogWorld(t, application.LogServiceConfig{})
		ids := w.stored(6)
		w.found("a", ids[:3]...)
		newest := w.found("a", ids[3:]...)
		got, _ := w.readBehind("a", 1, func() { require.NoError(t, w.logs.DeleteBatches(t.Context(), newest)) })
		require.Equal(t, []domain.LogID{ids[5], ids[2], ids[1], ids[0]}, got)
	})
	t.Run("a call has a bound where all entries are gone", func(t *testing.T) {
		t.Parallel()
		w := newLogWorld(t, application.LogServiceConfig{})
		ids := w.stored(1)
		w.found("a", ids...)
		for range 250 {
			w.found("a", uuid.New())
		}
		pages := 0
		got, missing := w.readBehind("a", 50, func() { pages++ })
		require.Equal(t, ids, got)
		require.Equal(t, 250, missing)
		require.Equal(t, 2, pages)
	})
	t.Run("limits and cursors are checked", func(t *testing.T) {
		t.Parallel()
		w := newLogWorld(t, application.LogServiceConfig{})
		w.found("a", uuid.New())
		for _, limit := range []int{-1, domain.MaxPageSize + 1} {
			_, err := w.service.ListAnomalyLogs(t.Context(), "a", limit, "")
			require.ErrorIs(t, err, domain.ErrInvalid)
		}
		for _, cursor := range []string{"x", "!", "MSAyIDM", "LTEgMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwIDAg"} {
			_, err := w.service.ListAnomalyLogs(t.Context(), "a", 0, cursor)
			require.ErrorIs(t, err, domain.ErrInvalidCursor, cursor)
		}
	})
}

// awayLogs is a repository that cannot be reached.
type awayLogs struct{ ports.LogRepository }

func (awayLogs) ListAnomalies(context.Context, domain.AnomalyFilter) (domain.AnomalyPage, error) {
	return domain.AnomalyPage{}, domain.ErrStoreUnavailable
}
