package bootstrap

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"logsift/adapters/openai"
	"logsift/adapters/redisstore"
	"logsift/domain"
	"logsift/ports"
)

// Config is everything that can be set. [DefaultConfig] gives the defaults;
// [Config.Flags] and [Config.Load] read flags, environment and file over them. What a
// setting means, its default and its rules are its row in settings.go; what stands here
// is besides.
type Config struct {
	// Store may be memory: too, which keeps nothing.
	Store         string
	Namespace     string
	AllowEviction bool
	Partitions    int

	// Addr is empty to serve no API. The command sets that, not a setting.
	Addr string
	// Keys is read again when it changes, and so are TLSCert and TLSKey.
	Keys            string
	InsecureNoAuth  bool
	AllowedHosts    []string
	TrustedProxies  []string
	TLSCert, TLSKey string
	BehindTLS       bool
	AuditLog        string
	// MetricsAddr asks for keys and speaks TLS as Addr does.
	MetricsAddr  string
	OTLPEndpoint string
	TraceRatio   float64

	Workers       int
	Queues        []string
	Ageing        time.Duration
	Lease         time.Duration
	DrainTimeout  time.Duration
	TaskRetention time.Duration
	// FailedRetention is how long FAILED tasks are kept, if that is longer.
	FailedRetention time.Duration
	LogRetention    time.Duration
	MaxRecoveries   int
	Retry           domain.RetryPolicy

	// Processors are what runs the tasks of further types; that of log analysis is
	// always there. They are set by a program that is built on this package.
	Processors map[domain.TaskType]ports.TaskProcessor `json:"-" yaml:"-"`
	// Schedules are set at the start, by name, if they are others than those stored: each
	// is what a PUT of the API has, in JSON. The file has them as the mapping schedules.
	Schedules map[string]json.RawMessage `json:"-" yaml:"-"`
	// Limits are like Schedules, as the mapping limits.
	Limits map[string]json.RawMessage `json:"-" yaml:"-"`

	Timezone string

	BatchSize int
	BatchAge  time.Duration
	// BatchBytes bounds a batch too; 0 is the default of the application. It is set by
	// the command, and so are Baseline and Learn of the automatic analysis tasks.
	BatchBytes int
	Baseline   string
	Learn      bool
	// PrivateLearning has the built-in analyser keep what it learns to this process:
	// it neither uses nor changes what others have learned in the store. It is set by
	// the command too.
	PrivateLearning           bool
	NormalAfter               time.Duration
	MaxPending                int
	TaskTypes                 []string
	RateLimit, MaxConnections int
	AnalysisQueue             string

	Analyzer                             string
	AIBaseURL                            string
	AIModel                              string
	AITimeout                            time.Duration
	AITemperature                        float64 // AnyTemperature leaves it to the service
	AIMaxPromptTokens, AIMaxAnswerTokens int
	AICacheTTL                           time.Duration
	AIRedact                             openai.RedactMode
	AIRedactIPs                          bool
	AIPrices                             openai.Prices
	AIDailyBudget                        openai.Micros
	// AIKey is read from LOGSIFT_AI_API_KEY only, and never printed.
	AIKey openai.Secret

	LogLevel  string
	LogFormat string
}

// The names of the analysers.
const (
	AnalyzerBuiltin = "builtin"
	AnalyzerOpenAI  = "openai"
)

// AnyTemperature is the AITemperature that is not sent.
const AnyTemperature = -1

// DefaultConfig returns the defaults. The SQLite file is in the user's data
// folder, which is not made yet.
func DefaultConfig() Config {
	var c Config
	c.settings(true)
	return c
}

// dataFolder is where the user's programs keep their data, by the convention of
// the platform.
func dataFolder() string {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "logsift")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "logsift-data"
	}
	return filepath.Join(home, ".local", "share", "logsift")
}

// Groups of settings, for commands that need only some.
const (
	GroupStore = 1 << iota
	GroupKeys
	GroupAPI
	GroupReading
	GroupWork
	GroupQueues
	GroupAnalysis
	GroupLogging
	GroupServer
)

// GroupAll has every setting.
const GroupAll = GroupServer<<1 - 1

// groupNames are the groups as people see them.
var groupNames = map[int]string{
	GroupStore: "store", GroupKeys: "keys", GroupAPI: "api", GroupReading: "reading", GroupWork: "work", GroupQueues: "queues",
	GroupAnalysis: "analysis", GroupLogging: "logging", GroupServer: "server",
}

// Flags adds a flag for each setting of the groups (an or of the Group
// constants) to fs. The defaults shown are the present values of c.
func (c *Config) Flags(fs *pflag.FlagSet, groups int) {
	for _, s := range c.settings(false) {
		if s.group&groups != 0 {
			f := fs.VarPF(s.value, s.name, "", s.usage)
			if s.value.Type() == "bool" {
				f.NoOptDefVal = "true"
			}
		}
	}
}

// Load fills in what no flag of fs has set: from the environment, else from the
// YAML file at path (none if it is empty), else the defaults stay. An empty
// environment variable counts as none, and one that is no setting is left alone.
// Unknown keys of the file are errors that name them. The result is checked with
// [Config.Validate].
func (c *Config) Load(fs *pflag.FlagSet, path string, getenv func(string) string) error {
	fromFile, err := c.readFile(path)
	if err != nil {
		return err
	}
	c.AIKey = openai.Secret(getenv("LOGSIFT_AI_API_KEY"))
	if fs.Lookup("otlp-endpoint") != nil && c.OTLPEndpoint == "" {
		c.OTLPEndpoint = getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
	}
	for _, s := range c.settings(false) {
		key := strings.ReplaceAll(s.name, "-", "_")
		env := "LOGSIFT_" + strings.ToUpper(key)
		text, ok := fromFile[key]
		origin := "key " + key + " of " + path
		delete(fromFile, key)
		if v := getenv(env); v != "" {
			text, ok, origin = v, true, "environment variable "+env
		}
		if f := fs.Lookup(s.name); !ok || f != nil && f.Changed {
			continue
		}
		// A list's value replaces only before its first Set; s is new, so this is it.
		if err := s.value.Set(text); err != nil {
			return &domain.ValidationError{Field: origin, Value: text, Rule: "is not a valid " + s.value.Type()}
		}
	}
	var unknown []error
	for _, key := range slices.Sorted(maps.Keys(fromFile)) {
		unknown = append(unknown, &domain.ValidationError{Field: "configuration file " + path, Rule: fmt.Sprintf("has the unknown key %q", key)})
	}
	if len(unknown) > 0 {
		return errors.Join(unknown...)
	}
	return c.Validate()
}

// readFile reads a YAML mapping of names to scalars or lists of scalars, and the
// schedules and limits.
func (c *Config) readFile(path string) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(path) //nolint:gosec // The user names the file.
	if err != nil {
		return nil, fmt.Errorf("read configuration file: %w", err)
	}
	var nodes map[string]yaml.Node
	if err := yaml.Unmarshal(raw, &nodes); err != nil {
		return nil, fmt.Errorf("configuration file %s: %w", path, err)
	}
	out := make(map[string]string, len(nodes))
	for key, node := range nodes {
		if named := map[string]*map[string]json.RawMessage{schedulesKey: &c.Schedules, limitsKey: &c.Limits}[key]; named != nil {
			if *named, err = readNamed(&node); err != nil {
				return nil, fmt.Errorf("configuration file %s, line %d: %s: %w", path, node.Line, key, err)
			}
			continue
		}
		switch node.Kind {
		case yaml.ScalarNode:
			out[key] = node.Value
		case yaml.SequenceNode:
			var list []string
			if err := node.Decode(&list); err != nil {
				return nil, fmt.Errorf("configuration file %s, line %d: %s: %w", path, node.Line, key, err)
			}
			out[key] = strings.Join(list, ",")
		default:
			return nil, &domain.ValidationError{Field: fmt.Sprintf("configuration file %s, line %d", path, node.Line), Rule: fmt.Sprintf("must give %s a value or a list", key)}
		}
	}
	return out, nil
}

// Validate checks all settings and returns every fault, each a
// *domain.ValidationError that names its setting.
func (c *Config) Validate() error {
	var errs []error
	for _, s := range c.settings(false) {
		errs = append(errs, s.check())
	}
	if err := c.Retry.Validate(); err != nil {
		errs = append(errs, retrySetting(err))
	}
	errs = append(errs, c.validateSchedules(), c.validateLimits())
	// The AI service has to be right also if it is not used, as far as it is set.
	ai := c.openai()
	ai.BaseURL, ai.Model = cmp.Or(ai.BaseURL, "http://localhost"), cmp.Or(ai.Model, "none")
	return errors.Join(append(errs, ai.Validate())...)
}

// openai is the configuration of the AI service.
func (c *Config) openai() openai.Config {
	out := openai.Config{
		BaseURL: c.AIBaseURL, Model: c.AIModel, APIKey: c.AIKey, Timeout: c.AITimeout,
		MaxPromptTokens: c.AIMaxPromptTokens, MaxAnswerTokens: c.AIMaxAnswerTokens, CacheTTL: c.AICacheTTL,
		Redact: c.AIRedact, RedactIPs: c.AIRedactIPs, Prices: c.AIPrices, DailyBudget: c.AIDailyBudget,
	}
	if c.AITemperature != AnyTemperature {
		out.Temperature = &c.AITemperature
	}
	return out
}

// redis is the configuration of a store in Redis.
func (c *Config) redis() redisstore.Config {
	return redisstore.Config{URL: c.Store, Namespace: c.Namespace, AllowEviction: c.AllowEviction, Partitions: c.Partitions}
}

// validAddr reports whether addr is a host, which may be empty, and a port.
func validAddr(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// retrySetting names the setting in an error of a retry policy, whose fields the
// domain calls retry.kind and so on.
func retrySetting(err error) error {
	var invalid *domain.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	return &domain.ValidationError{Field: strings.ReplaceAll(invalid.Field, ".", "-"), Value: invalid.Value, Rule: invalid.Rule}
}

// Kinds of store.
const (
	storeSQLite = "sqlite"
	storeRedis  = "redis"
	storeMemory = "memory"
)

// storeKind takes the store's name apart into its kind and the rest.
func (c *Config) storeKind() (kind, rest string, err error) {
	scheme, rest, ok := strings.Cut(c.Store, ":")
	switch {
	case ok && scheme == "sqlite" && rest != "":
		return storeSQLite, rest, nil
	case ok && scheme == "memory" && rest == "":
		return storeMemory, "", nil
	case ok && (scheme == "redis" || scheme == "rediss" || strings.HasPrefix(scheme, "redis+")):
		if err := redisstore.ValidateURL(c.Store); err != nil {
			return "", "", fmt.Errorf("store: %w", err)
		}
		return storeRedis, c.Store, nil
	default:
		return "", "", &domain.ValidationError{Field: "store", Rule: "must be sqlite:PATH, redis://…, rediss://…, redis+sentinel://…, redis+cluster://… or memory:"}
	}
}
