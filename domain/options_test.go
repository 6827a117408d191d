package domain

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestATasksOwnBackoffReplacesThatOfTheScheduler(t *testing.T) {
	t.Parallel()
	task := NewTask(uuid.New(), "type", nil)
	task.Attempt = 1
	scheduler := RetryPolicy{Kind: RetryFixed, Base: time.Hour}
	failed := errors.New("failed")
	require.Equal(t, time.Hour, scheduler.Decide(task, failed, ReasonError, 0).In)
	task.Backoff = RetryPolicy{Kind: RetryExponential, Base: time.Second, Cap: 3 * time.Second}
	require.Equal(t, 2*time.Second, scheduler.Decide(task, failed, ReasonError, 0).In)
	require.Equal(t, 3*time.Second, scheduler.Decide(task, RetryAfter(time.Hour, failed), ReasonError, 0).In)
}

func TestDamagedOptionsAreCorrupt(t *testing.T) {
	t.Parallel()
	_, err := DecodeTaskOptions([]byte(`{"key":7}`))
	require.ErrorIs(t, err, ErrCorruptRecord)
}
