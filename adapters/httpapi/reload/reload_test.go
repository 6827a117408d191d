package reload_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/reload"
)

func files(paths ...string) func() []string { return func() []string { return paths } }

func TestAChangedFileIsReadAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	write := func(text string) {
		fresh := path + ".new"
		require.NoError(t, os.WriteFile(fresh, []byte(text), 0o600))
		require.NoError(t, os.Rename(fresh, path))
	}
	now, reads := time.Unix(0, 0), 0
	var failures []error
	var forbidden error
	read := func() (string, error) {
		reads++
		raw, err := os.ReadFile(path)
		if string(raw) == "broken" {
			err = errors.New("broken")
		}
		return string(raw), errors.Join(err, forbidden)
	}
	_, err := reload.New(files(path), read, func() time.Time { return now }, nil)
	require.ErrorIs(t, err, os.ErrNotExist)

	write("one")
	v, err := reload.New(files(path, path+".other"), read, func() time.Time { return now }, func(err error) { failures = append(failures, err) })
	require.NoError(t, err)
	reads = 0
	later := func() string {
		now = now.Add(reload.Interval)
		return v.Get()
	}
	write("two")
	now = now.Add(reload.Interval - 1)
	require.Equal(t, "one", v.Get(), "it looks at most once in an interval")
	require.Equal(t, "two", later())
	require.Equal(t, "two", later())
	require.Equal(t, 1, reads, "what did not change is not read")

	_, err = v.Failure()
	require.NoError(t, err)
	write("broken")
	require.NoError(t, os.Chtimes(path, now, now.Add(reload.Interval/2)))
	broke := now.Add(reload.Interval / 2)
	require.Equal(t, "two", later(), "the value from before stays")
	require.Equal(t, "two", later())
	require.Len(t, failures, 1, "it is told once")
	since, err := v.Failure()
	require.EqualError(t, err, "broken")
	require.True(t, broke.Equal(since), since)
	write("mended")
	forbidden = errors.New("its mode lets others change it")
	require.Equal(t, "two", later())
	require.Len(t, failures, 2)
	forbidden = nil
	require.Equal(t, "mended", later(), "it can be read, although it has not changed")
	_, err = v.Failure()
	require.NoError(t, err)
	reads = 0
	require.Equal(t, "mended", later())
	require.Zero(t, reads)
	write("broken")
	require.Equal(t, "mended", later())
	write("two")
	require.Equal(t, "two", later())
	require.NoError(t, os.Remove(path))
	require.Equal(t, "two", later())
	require.Len(t, failures, 4)
	write("three")
	require.Equal(t, "three", later())
	require.NoError(t, os.WriteFile(path+".other", nil, 0o600))
	require.NoError(t, os.WriteFile(path, []byte("threefour"), 0o600))
	require.Equal(t, "threefour", later(), "changed in place")
	reads = 0
	require.NoError(t, os.Chmod(path, 0o640))
	later()
	require.Equal(t, 1, reads, "another mode may forbid it")
}
