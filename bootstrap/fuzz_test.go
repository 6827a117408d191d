package bootstrap_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"logsift/bootstrap"
)

// FuzzLoad checks that any configuration file and environment is refused, or gives
// a valid configuration.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"", "workers: 3\nqueues: [a, b]\nlease: 20s\n", "store: redis://:secret@host/0\n", "retry_kind: fixed\nretry_base: 1e3s\n", "workers: {a: b}\n",
		"bogus: 1\n", "- 1\n", "a: &a [*a]\n", "workers: !!binary AAAA\n", "queues:\n- [x]\n", "\x00", "addr: [::]:80\n", "batch_age: 9999999999h\n",
	} {
		f.Add([]byte(seed), "workers", "7")
	}
	f.Add([]byte("workers: 1\n"), "store", "sqlite:")
	f.Add([]byte("workers: 1\n"), "ai_timeout", "-1s")
	f.Add([]byte("workers: 1\n"), "allow_eviction", "perhaps")
	f.Fuzz(func(t *testing.T, file []byte, key, value string) {
		path := filepath.Join(t.TempDir(), "logsift.yaml")
		require.NoError(t, os.WriteFile(path, file, 0o600))
		config := bootstrap.DefaultConfig()
		fs := pflag.NewFlagSet("logsift", pflag.ContinueOnError)
		config.Flags(fs, allGroups)
		err := config.Load(fs, path, func(name string) string {
			if name == "LOGSIFT_"+strings.ToUpper(key) {
				return value
			}
			return ""
		})
		if err == nil {
			require.NoError(t, config.Validate())
			return
		}
		require.NotEmpty(t, err.Error())
	})
}
