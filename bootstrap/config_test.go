package bootstrap_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"logsift/bootstrap"
	"logsift/domain"
)

const allGroups = bootstrap.GroupStore | bootstrap.GroupKeys | bootstrap.GroupAPI | bootstrap.GroupReading | bootstrap.GroupWork | bootstrap.GroupQueues |
	bootstrap.GroupAnalysis | bootstrap.GroupLogging | bootstrap.GroupServer

// settingValues are three valid values of each setting, none of them the
// default: for the file, the environment and the flag.
var settingValues = map[string][3]string{
	"store":                {"sqlite:a.db", "redis://localhost:6379/1", "memory:"},
	"namespace":            {"a", "b", "c"},
	"allow-eviction":       {"true", "false", "true"},
	"partitions":           {"2", "3", "64"},
	"addr":                 {"127.0.0.1:1", "localhost:2", ":3"},
	"otlp-endpoint":        {"http://a:4318", "https://b", "http://127.0.0.1:1/x"},
	"trace-ratio":          {"0.1", "0", "0.5"},
	"metrics-addr":         {"127.0.0.1:1", "localhost:2", ":3"},
	"keys":                 {"a.yaml", "b.yaml", "c.yaml"},
	"insecure-no-auth":     {"true", "false", "true"},
	"allowed-hosts":        {"a.test", "a.test,b.test", "::1"},
	"trusted-proxies":      {"10.0.0.0/8", "10.0.0.0/8,::1", "127.0.0.1"},
	"tls-cert":             {"a.pem", "b.pem", "c.pem"},
	"tls-key":              {"a.pem", "b.pem", "c.pem"},
	"behind-tls":           {"true", "false", "true"},
	"audit-log":            {"a.log", "b.log", "-"},
	"workers":              {"1", "2", "3"},
	"ageing":               {"1s", "0s", "10m0s"},
	"queues":               {"a", "a,b", "a=3,b,c=0"},
	"task-types":           {"a", "a,b", "a,b,c"},
	"lease":                {"1s", "2s", "3s"},
	"drain-timeout":        {"1s", "2s", "3s"},
	"retention":            {"1h0m0s", "2h0m0s", "3h0m0s"},
	"failed-retention":     {"1h0m0s", "2h0m0s", "3h0m0s"},
	"log-retention":        {"1h0m0s", "2h0m0s", "3h0m0s"},
	"max-recoveries":       {"1", "0", "2"},
	"retry-kind":           {"fixed", "exponential", "quadratic"},
	"retry-base":           {"1s", "2s", "3s"},
	"retry-cap":            {"1s", "2s", "3s"},
	"retry-jitter":         {"0.1", "0.2", "0.3"},
	"batch-size":           {"1", "2", "3"},
	"batch-age":            {"1s", "3s", "4s"},
	"normal-after":         {"24h0m0s", "48h0m0s", "72h0m0s"},
	"timezone":             {"Europe/Berlin", "+02:00", "Local"},
	"rate-limit":           {"5", "10", "20"},
	"max-connections":      {"1", "10", "20"},
	"max-pending":          {"0", "7", "8"},
	"analysis-queue":       {"a", "b", "c"},
	"analyzer":             {"openai", "builtin", "openai"},
	"ai-base-url":          {"http://a/v1", "http://b/v1", "http://c/v1"},
	"ai-model":             {"a", "b", "c"},
	"ai-timeout":           {"1s", "2s", "3s"},
	"ai-temperature":       {"0", "0.5", "2"},
	"ai-max-prompt-tokens": {"4096", "8192", "9000"},
	"ai-max-answer-tokens": {"1", "2", "3"},
	"ai-cache-ttl":         {"1h0m0s", "2h0m0s", "3h0m0s"},
	"ai-redact":            {"always", "never", "always"},
	"ai-redact-ips":        {"true", "false", "true"},
	"ai-price-input":       {"0.15", "2.5", "10"},
	"ai-price-cached":      {"0.075", "1", "5"},
	"ai-price-output":      {"0.6", "10", "40"},
	"ai-currency":          {"EUR", "CHF", "JPY"},
	"ai-daily-budget":      {"0.5", "1", "2"},
	"log-level":            {"debug", "warn", "error"},
	"log-format":           {"json", "console", "json"},
}

// load reads the settings from flags, an environment and a file; "" for no file.
func load(t *testing.T, config *bootstrap.Config, args []string, env map[string]string, file string) (*pflag.FlagSet, error) {
	t.Helper()
	fs := pflag.NewFlagSet("logsift", pflag.ContinueOnError)
	config.Flags(fs, allGroups)
	if err := fs.Parse(args); err != nil {
		return fs, err
	}
	path := ""
	if file != "" {
		path = filepath.Join(t.TempDir(), "logsift.yaml")
		require.NoError(t, os.WriteFile(path, []byte(file), 0o600))
	}
	return fs, config.Load(fs, path, func(name string) string { return env[name] })
}

func TestFlagsWinOverTheEnvironmentOverTheFileOverDefaults(t *testing.T) {
	t.Parallel()
	defaults := bootstrap.DefaultConfig()
	known := pflag.NewFlagSet("logsift", pflag.ContinueOnError)
	defaults.Flags(known, allGroups)
	known.VisitAll(func(f *pflag.Flag) {
		require.Contains(t, settingValues, f.Name, "each setting has values here")
	})

	for name, values := range settingValues {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NotNil(t, known.Lookup(name))
			key := strings.ReplaceAll(name, "-", "_")
			// The AI settings that the analyzer openai needs, for values that ask for it.
			needed := "ai_base_url: http://x/v1\nai_model: x\n"
			switch {
			case name == "ai-daily-budget":
				needed = "ai_price_output: 1\n"
			case strings.HasPrefix(name, "ai-"):
				needed = ""
			case name == "tls-cert":
				needed = "tls_key: k.pem\n"
			case name == "tls-key":
				needed = "tls_cert: c.pem\n"
			}
			file := needed + fmt.Sprintf("%s: %q\n", key, values[0])
			env := map[string]string{"LOGSIFT_" + strings.ToUpper(key): values[1]}
			args := []string{"--" + name + "=" + values[2]}
			for i, c := range []struct {
				what string
				args []string
				env  map[string]string
				file string
			}{
				{what: "the file wins over the default", file: file},
				{what: "the environment wins over the file", env: env, file: file},
				{what: "a flag wins over both", args: args, env: env, file: file},
			} {
				config := bootstrap.DefaultConfig()
				fs, err := load(t, &config, c.args, c.env, c.file)
				require.NoError(t, err)
				require.Equal(t, values[i], strings.Trim(fs.Lookup(name).Value.String(), "[]"), c.what)
			}
			config := bootstrap.DefaultConfig()
			fs, err := load(t, &config, nil, map[string]string{"LOGSIFT_" + strings.ToUpper(key): ""}, "")
			require.NoError(t, err)
			require.Equal(t, known.Lookup(name).DefValue, fs.Lookup(name).Value.String(), "an empty variable counts as none")
		})
	}
}

func TestTheDefaultsAreValid(t *testing.T) {
	t.Parallel()
	config := bootstrap.DefaultConfig()
	require.NoError(t, config.Validate())
	require.Equal(t, "127.0.0.1:8080", config.Addr, "the API is not open to others unless asked to")
	require.Equal(t, 15*time.Second, config.Lease)
	require.Equal(t, domain.RetryQuadratic, config.Retry.Kind)
}

func TestTheDefaultStoreIsInTheUsersDataFolder(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", "/data")
	require.Equal(t, "sqlite:/data/logsift/logsift.db", bootstrap.DefaultConfig().Store)
	t.Setenv("XDG_DATA_HOME", "relative, which the standard says to ignore")
	t.Setenv("HOME", "/home/me")
	require.Equal(t, "sqlite:/home/me/.local/share/logsift/logsift.db", bootstrap.DefaultConfig().Store)
}

func TestTheFileTakesListsAndComments(t *testing.T) {
	t.Parallel()
	config := bootstrap.DefaultConfig()
	_, err := load(t, &config, nil, nil, "# ours\nqueues: [a, b]\nworkers: 3 # enough\nallow_eviction: true\nlease: 20s\n")
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, config.Queues)
	require.Equal(t, 3, config.Workers)
	require.True(t, config.AllowEviction)
	require.Equal(t, 20*time.Second, config.Lease)
}

func TestAWrongFileIsRefusedByWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		want []string
	}{
		"unknown keys are named, all of them": {"wrokers: 3\nleese: 4s\nlease: 3s\n", []string{`unknown key "leese"`, `unknown key "wrokers"`, "logsift.yaml"}},
		"a flag's spelling is not a key":      {"batch-size: 3\n", []string{`unknown key "batch-size"`}},
		"the key of the AI is not taken here": {"ai_api_key: sk-secret\n", []string{`unknown key "ai_api_key"`}},
		"a wrong type is named":               {"workers: many\n", []string{"key workers of", "logsift.yaml", "not a valid int", `"many"`}},
		"a list for a number":                 {"workers: [1, 2]\n", []string{"key workers of", "not a valid int"}},
		"nothing for a number":                {"workers:\n", []string{"key workers of", "not a valid int"}},
		"a mapping for a value":               {"store:\n  redis: x\n", []string{"line 2", "must give store a value or a list"}},
		"a mapping in a list":                 {"queues:\n- a: b\n", []string{"line 2", "queues"}},
		"a key that comes twice":              {"workers: 1\nworkers: 2\n", []string{"logsift.yaml", "workers", "already"}},
		"a schedule of another form":          {"schedules: [a]\n", []string{"line 1", "schedules"}},
		"a schedule that never fires":         {"schedules:\n  a: {cron: 0 0 30 2 *, timezone: Mars, task: {type: log_analysis, payload: {batch_id: 0198c5a2-0000-7000-8000-000000000001}}}\n", []string{"schedules.a.timezone"}},
		"a schedule of no task":               {"schedules:\n  a: {every_seconds: 5}\n", []string{"schedules.a.task"}},
		"no mapping at all":                   {"- a\n", []string{"logsift.yaml"}},
		"no YAML":                             {"a: b: c\n", []string{"logsift.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := bootstrap.DefaultConfig()
			_, err := load(t, &config, nil, nil, c.file)
			require.Error(t, err)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "sk-secret")
		})
	}
	t.Run("a file that is not there", func(t *testing.T) {
		t.Parallel()
		config := bootstrap.DefaultConfig()
		err := config.Load(pflag.NewFlagSet("", pflag.ContinueOnError), "/no/such/file", os.Getenv)
		require.ErrorIs(t, err, os.ErrNotExist)
		require.ErrorContains(t, err, "/no/such/file")
	})
}

func TestAWrongVariableIsRefusedByName(t *testing.T) {
	t.Parallel()
	for variable, value := range map[string]string{
		"LOGSIFT_LEASE": "soon", "LOGSIFT_WORKERS": "1.5", "LOGSIFT_ALLOW_EVICTION": "maybe",
		"LOGSIFT_RETRY_KIND": "cubic", "LOGSIFT_RETRY_JITTER": "half", "LOGSIFT_BATCH_AGE": "5",
	} {
		t.Run(variable, func(t *testing.T) {
			t.Parallel()
			config := bootstrap.DefaultConfig()
			_, err := load(t, &config, nil, map[string]string{variable: value}, "")
			var invalid *domain.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.Contains(t, invalid.Field, variable)
			require.Equal(t, value, invalid.Value)
		})
	}
	t.Run("one that is no setting is left alone", func(t *testing.T) {
		t.Parallel()
		config, want := bootstrap.DefaultConfig(), bootstrap.DefaultConfig()
		_, err := load(t, &config, nil, map[string]string{"LOGSIFT_REDIS_SERVER": "valkey-server", "LOGSIFT_WROKERS": "3"}, "")
		require.NoError(t, err)
		require.Equal(t, want, config)
	})
}

func TestAnInvalidValueIsRefusedByTheNameOfItsSetting(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 65)
	for setting, values := range map[string][]string{
		"store":                {"", "sqlite:", "sqlite", "mysql://localhost", "redis:", "redis://host:port/x", "redis+sentinel://a/0", "redis+cluster://a/3", "redis+x://a", "memory:x"},
		"namespace":            {"", "a b", "{a}", long},
		"partitions":           {"0", "-1", "65"},
		"addr":                 {"8080", "localhost", "localhost:http", "localhost:65536", "::1:80"},
		"workers":              {"-1", "10001"},
		"queues":               {"a b", "a,," + "b", long, "a=", "a=1001", "a=-1", "=1", "a=1,a=2"},
		"task-types":           {"a b", "a,," + "b", long},
		"ageing":               {"-1s", "999ms", "8761h"},
		"lease":                {"0s", "999ms", "61m"},
		"drain-timeout":        {"-1s"},
		"retention":            {"0s", "-1s"},
		"failed-retention":     {"0s", "-1s"},
		"log-retention":        {"0s", "-1s"},
		"max-recoveries":       {"-1", "101"},
		"retry-base":           {"-1s"},
		"retry-cap":            {"-1s"},
		"retry-jitter":         {"-0.1", "1.1", "NaN"},
		"batch-size":           {"0", "250001"},
		"batch-age":            {"0s", "61m"},
		"normal-after":         {"59m", "8761h"},
		"max-pending":          {"-1"},
		"analysis-queue":       {"", "a b", long},
		"analyzer":             {"", "gpt"},
		"ai-timeout":           {"0s", "-1s"},
		"ai-base-url":          {"localhost:11434", "ftp://a", "http://u:p@a"},
		"ai-temperature":       {"-0.5", "2.1", "NaN"},
		"ai-max-prompt-tokens": {"0", "-1", "4095"},
		"ai-max-answer-tokens": {"0", "-1"},
		"timezone":             {"Berlin", "+25:00", "../UTC"},
		"rate-limit":           {"-1", "1000001"},
		"max-connections":      {"0", "1000001"},
		"ai-cache-ttl":         {"0s", "-1s"},
		"ai-redact":            {"", "sometimes"},
		"ai-price-input":       {"10001"},
		"ai-price-cached":      {"10001"},
		"ai-price-output":      {"10001"},
		"ai-currency":          {"", "dollars"},
		"ai-daily-budget":      {"1"},
		"log-level":            {"", "loud"},
		"log-format":           {"", "xml"},
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			for _, value := range values {
				config := bootstrap.DefaultConfig()
				_, err := load(t, &config, []string{"--" + setting + "=" + value}, nil, "")
				var invalid *domain.ValidationError
				require.ErrorAs(t, err, &invalid, "%q", value)
				require.ErrorIs(t, err, domain.ErrInvalid)
				require.Regexp(t, `\b`+setting+`\b`, err.Error(), "%q", value)
			}
		})
	}
	t.Run("all that is wrong is told", func(t *testing.T) {
		t.Parallel()
		config := bootstrap.DefaultConfig()
		config.Workers, config.Lease, config.Analyzer, config.Queues = -1, 0, "openai", []string{"a b", "c d"}
		err := config.Validate()
		for _, fault := range []string{"workers", "lease", "ai-base-url", "ai-model", `"a b"`, `"c d"`} {
			require.ErrorContains(t, err, fault)
		}
		_, newErr := bootstrap.New(t.Context(), config)
		require.EqualError(t, newErr, err.Error(), "New checks too")
	})
}

func TestWhatTheConfigurationAcceptsTheSystemAccepts(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*bootstrap.Config){
		"the least values": func(c *bootstrap.Config) {
			c.Workers, c.Lease, c.DrainTimeout, c.MaxRecoveries, c.BatchSize, c.BatchAge = 0, time.Second, 0, 0, 1, time.Millisecond
			c.TaskRetention, c.LogRetention, c.Retry, c.MaxPending = 1, 1, domain.RetryPolicy{}, 0
		},
		"the greatest values": func(c *bootstrap.Config) {
			c.Workers, c.Lease, c.MaxRecoveries, c.BatchSize, c.BatchAge = 10000, time.Hour, 100, 10000, time.Hour
			c.Queues, c.MaxPending = []string{strings.Repeat("x", 64)}, math.MaxInt
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := bootstrap.DefaultConfig()
			config.Store, config.Addr, config.LogLevel = "memory:", "", "error"
			change(&config)
			app, err := bootstrap.New(t.Context(), config)
			require.NoError(t, err)
			require.NoError(t, app.Stop(t.Context()))
		})
	}
}

func TestTheAIKeyIsNeverShown(t *testing.T) {
	t.Parallel()
	config := bootstrap.DefaultConfig()
	_, err := load(t, &config, nil, map[string]string{"LOGSIFT_AI_API_KEY": "sk-secret"}, "")
	require.NoError(t, err)
	require.Equal(t, "sk-secret", string(config.AIKey))
	asJSON, err := json.Marshal(config)
	require.NoError(t, err)
	asYAML, err := yaml.Marshal(config)
	require.NoError(t, err)
	for _, text := range []string{
		fmt.Sprint(config), fmt.Sprintf("%v", config), fmt.Sprintf("%+v", config), fmt.Sprintf("%#v", config),
		fmt.Sprintf("%+v", &config), fmt.Sprintf("%x %q", config.AIKey, config.AIKey), string(asJSON), string(asYAML),
	} {
		require.NotContains(t, text, "sk-secret")
		require.NotContains(t, text, fmt.Sprintf("%x", "sk-secret"))
	}
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.Flags(fs, allGroups)
	require.NotContains(t, fs.FlagUsages(), "sk-secret")
	require.Nil(t, fs.Lookup("ai-api-key"), "a flag would show it to everyone who lists the processes")
}

func TestTheStoresPasswordIsNeverShown(t *testing.T) {
	t.Parallel()
	for _, store := range []string{
		"redis://u:hunter2@host/0", "rediss://:hunter2@host:1/0", "redis+sentinel://u:hunter2@a:1,b:2/0?master=m&sentinel_user=s&sentinel_password=hunter2",
		"redis+cluster://u:hunter2@a:1,b:2", "redis://u:pass@hunter2@host/0", "redis://u:hunter2/@host/0",
	} {
		config := bootstrap.DefaultConfig()
		config.Store = store
		asJSON, err := json.Marshal(config)
		require.NoError(t, err)
		asYAML, err := yaml.Marshal(config)
		require.NoError(t, err)
		for _, text := range []string{
			fmt.Sprint(config), fmt.Sprintf("%+v", config), fmt.Sprintf("%#v", config), fmt.Sprintf("%s", config), fmt.Sprintf("%+v", &config),
			fmt.Sprintf("%+v", []bootstrap.Config{config}), string(asJSON), string(asYAML),
		} {
			require.NotContains(t, text, "hunter2")
			require.Contains(t, text, "[redacted]@", "the rest is shown")
			require.Contains(t, text, "logsift", "and so are the other settings")
		}
		require.NotContains(t, fmt.Sprintf("%x", config), fmt.Sprintf("%x", "hunter2"))
		require.Equal(t, store, config.Store)
	}
	config := bootstrap.DefaultConfig()
	config.Store = "sqlite:a@b.db"
	require.Contains(t, fmt.Sprintf("%+v", config), "sqlite:a@b.db")
}

func TestAnErrorOfTheStoreShowsNoPassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"redis://u:hunter2@host:port/0", "redis://u:hunter2@[::1/0", "redis://u:hunter2@host/zero",
		"redis+sentinel://u:hunter2@a,b/0", "redis+cluster://u:hunter2@a,b/1", "redis+other://u:hunter2@a", "reddis://u:hunter2@a",
		"redis://u:hunter2%zz@host/0",
	} {
		config := bootstrap.DefaultConfig()
		config.Store = url
		err := config.Validate()
		require.Error(t, err, url)
		require.NotContains(t, err.Error(), "hunter2")
		require.True(t, errors.Is(err, domain.ErrInvalid))
	}
}
