package bootstrap_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/bootstrap"
)

// set returns the defaults with some settings changed as on a command line.
func set(t *testing.T, args ...string) bootstrap.Config {
	t.Helper()
	config := bootstrap.DefaultConfig()
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.Flags(fs, allGroups)
	require.NoError(t, fs.Parse(args))
	return config
}

func shown(t *testing.T, config bootstrap.Config, name string) wire.Setting {
	t.Helper()
	for _, s := range config.Settings().Settings {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("there is no setting %s", name)
	return wire.Setting{}
}

func TestSettingsAreShownAsAUserWritesThem(t *testing.T) {
	t.Parallel()
	var args []string
	for name, values := range settingValues {
		args = append(args, "--"+name+"="+values[1])
	}
	config, again := set(t, args...), []string{}
	for _, s := range config.Settings().Settings {
		require.NotEmpty(t, s.Usage, s.Name)
		require.NotEmpty(t, s.Group, s.Name)
		if s.Name == "ai-api-key" {
			continue // it is no flag
		}
		require.Contains(t, settingValues, s.Name)
		require.Equal(t, shown(t, bootstrap.DefaultConfig(), s.Name).Value, s.Default)
		again = append(again, "--"+s.Name+"="+s.Value)
	}
	require.Len(t, again, len(settingValues), "each is shown")
	require.Equal(t, config, set(t, again...), "what is shown can be given back")

	for _, c := range [][3]string{
		{"lease", "90s", "1m30s"}, {"lease", "1h", "1h"}, {"retention", "48h", "48h"}, {"batch-age", "1500ms", "1.5s"}, {"batch-age", "0s", "0s"},
		{"retention", "1h10m", "1h10m"}, {"queues", "a,b", "a,b"}, {"allow-eviction", "true", "true"}, {"ai-daily-budget", "1.5", "1.5"},
	} {
		require.Equal(t, c[2], shown(t, set(t, "--"+c[0]+"="+c[1]), c[0]).Value)
	}
	require.Empty(t, shown(t, bootstrap.DefaultConfig(), "queues").Value)
}

func TestSettingsShowNoSecrets(t *testing.T) {
	t.Parallel()
	config := set(t)
	require.Empty(t, shown(t, config, "ai-api-key").Value)
	config.AIKey = "canary"
	for _, secret := range []string{
		"redis://u:canary@host/0", "https://u:canary@ai.test/v1", "redis://host/0?password=canary", "https://ai.test/v1?api-key=canary",
		"https://ai.test/v1?token=canary&x=1", "https://ai.test/v1?client_secret=canary",
	} {
		config.Store, config.AIBaseURL = secret, secret
		text, err := json.Marshal(config.Settings())
		require.NoError(t, err)
		require.NotContains(t, string(text), "canary")
		require.Equal(t, 3, strings.Count(string(text), "[redacted]"), secret)
	}
}

func TestSettingsAreServed(t *testing.T) {
	t.Parallel()
	c := config("memory:")
	c.BatchSize = 77
	a := start(t, c)
	var got wire.Settings
	require.Equal(t, http.StatusOK, call(t, a, http.MethodGet, "/api/v1/settings", "", "", &got))
	require.Equal(t, bootstrap.ReadVersion().Version, got.Version)
	want := shown(t, c, "batch-size")
	require.Equal(t, "77", want.Value)
	require.Contains(t, got.Settings, want)
}
