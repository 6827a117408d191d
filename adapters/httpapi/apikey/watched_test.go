package apikey_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/apikey"
)

// watched is a file with one good key and one that was revoked, and a clock for it.
type watched struct {
	t        *testing.T
	path     string
	good     string // the key
	session  string
	clock    time.Time
	file     *apikey.File
	failures []error
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	// The clock goes on from the file's own time, as it does for a server.
	w := &watched{t: t, path: filepath.Join(t.TempDir(), "keys.yaml"), clock: time.Now()}
	_, text, err := apikey.Create(w.path, "anna", apikey.Admin, w.clock, time.Time{})
	require.NoError(t, err)
	w.good = text
	w.file, err = apikey.Open(w.path, func() time.Time { return w.clock }, func(err error) { w.failures = append(w.failures, err) })
	require.NoError(t, err)
	_, w.session, _, err = w.file.Keys().SignIn(text, w.clock)
	require.NoError(t, err)
	return w
}

// after moves the clock and tells whether the key is good then. It is so for its
// session too.
func (w *watched) after(d time.Duration) bool {
	w.t.Helper()
	w.clock = w.clock.Add(d)
	_, err := w.file.Keys().Authenticate(w.good, w.clock)
	_, sessionErr := w.file.Keys().Session(w.session, w.clock)
	require.Equal(w.t, err, sessionErr)
	return err == nil
}

func TestAFileThatIsGoneOrExposedHoldsNoGoodKey(t *testing.T) {
	t.Parallel()
	chmod := func(mode fs.FileMode, name string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.Chmod(filepath.Join(filepath.Dir(path), name), mode))
		}
	}
	for name, c := range map[string]struct {
		harm, mend func(t *testing.T, path string)
		want       string
	}{
		"removed": {
			harm: rename("keys.yaml", "away"), mend: rename("away", "keys.yaml"),
			want: "logsift key create",
		},
		"its group may write":             {chmod(0o660, "keys.yaml"), chmod(0o600, "keys.yaml"), "chmod 600"},
		"everybody may write":             {chmod(0o602, "keys.yaml"), chmod(0o600, "keys.yaml"), "chmod 600"},
		"a folder its group may write":    {chmod(0o770, "."), chmod(0o700, "."), "chmod go-w"},
		"a folder everybody may write":    {chmod(0o707, "."), chmod(0o700, "."), "chmod go-w"},
		"a link to what everybody writes": {harm: link(0o777), mend: unlink, want: "chmod go-w"},
		"a link to nothing":               {harm: link(0), mend: unlink, want: "logsift key create"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t)
			require.True(t, w.after(time.Second))
			c.harm(t, w.path)
			require.False(t, w.after(time.Second))
			kept, err := w.file.State()
			require.False(t, kept)
			require.ErrorContains(t, err, c.want)
			require.False(t, w.after(time.Hour))
			require.Len(t, w.failures, 1, "it is told once")
			_, err = apikey.Open(w.path, time.Now, nil)
			require.Error(t, err, "nor does a server begin with it")
			c.mend(t, w.path)
			require.True(t, w.after(time.Second))
			_, err = w.file.State()
			require.NoError(t, err)
		})
	}
}

func rename(from, to string) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		t.Helper()
		dir := filepath.Dir(path)
		require.NoError(t, os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)))
	}
}

// link puts a link in the place of the file, to one in a folder of that mode, or to
// nothing.
func link(mode fs.FileMode) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		t.Helper()
		away := filepath.Join(filepath.Dir(path), "away")
		require.NoError(t, os.Mkdir(away, 0o700))
		require.NoError(t, os.Rename(path, filepath.Join(away, "keys.yaml")))
		target := "nothing"
		if mode != 0 {
			target = "away/keys.yaml"
			require.NoError(t, os.Chmod(away, mode))
		}
		require.NoError(t, os.Symlink(target, path))
	}
}

func unlink(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Rename(filepath.Join(filepath.Dir(path), "away", "keys.yaml"), path))
}

func TestAFolderWhereOthersMayOnlyAddIsNoHarm(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	require.NoError(t, os.Chmod(filepath.Dir(w.path), 0o777|fs.ModeSticky))
	require.True(t, w.after(time.Second))
}

func TestABrokenFileKeepsTheKeysForAMinute(t *testing.T) {
	t.Parallel()
	write := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		}
	}
	for name, harm := range map[string]func(*testing.T, string){
		"no YAML":       write("keys: ["),
		"another field": write("keys:\n  - id: x\n"),
		"too long":      write(strings.Repeat("#", 5<<20)),
		"a folder": func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Mkdir(path, 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t)
			harm(t, w.path)
			require.True(t, w.after(time.Second))
			kept, err := w.file.State()
			require.True(t, kept)
			require.Error(t, err)
			require.True(t, w.after(apikey.KeptFor-2*time.Second))
			require.False(t, w.after(2*time.Second))
			kept, err = w.file.State()
			require.False(t, kept)
			require.Error(t, err)
			require.Len(t, w.failures, 1)

			require.NoError(t, os.RemoveAll(w.path))
			_, text, err := apikey.Create(w.path, "ben", apikey.Read, now, time.Time{})
			require.NoError(t, err)
			require.False(t, w.after(time.Second), "the file no longer has it")
			w.good = text
			_, err = w.file.Keys().Authenticate(text, w.clock)
			require.NoError(t, err)
		})
	}
	t.Run("a minute since it broke, whether or not somebody asked", func(t *testing.T) {
		t.Parallel()
		w := newWatched(t)
		write("keys: [")(t, w.path)
		require.False(t, w.after(2*apikey.KeptFor))
	})
	t.Run("a minute although nobody asked before it broke", func(t *testing.T) {
		t.Parallel()
		w := newWatched(t)
		w.clock = w.clock.Add(time.Hour)
		write("keys: [")(t, w.path)
		require.NoError(t, os.Chtimes(w.path, w.clock, w.clock))
		require.True(t, w.after(time.Second))
	})
}

func TestANamedPipeIsNoFileOfKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := apikey.Open(dir, time.Now, nil)
	require.ErrorContains(t, err, "not a regular file")
	if _, err := os.Stat("/dev/null"); err == nil {
		_, err = apikey.Open("/dev/null", time.Now, nil)
		require.ErrorContains(t, err, "not a regular file")
	}
}
