package bootstrap

import (
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

	"logsift/adapters/httpapi"
	"logsift/adapters/openai"
	"logsift/adapters/oteltrace"
	"logsift/adapters/redisstore"
	"logsift/application"
	"logsift/domain"
	"logsift/ports"
)

// Config is everything that can be set. [DefaultConfig] gives the defaults;
// [Config.Flags] and [Config.Load] read flags, environment and file over them.
type Config struct {
	// Store names the store: sqlite:PATH, redis://…, rediss://…,
	// redis+sentinel://…, redis+cluster://…, or memory:, which keeps nothing.
	Store string
	// Namespace is the prefix of all Redis keys.
	Namespace string
	// AllowEviction accepts a Redis that may drop tasks.
	AllowEviction bool
	// Partitions is over how many partitions, 1 to 64, a queue in Redis is spread.
	// It must be the same for every process; changing it needs an empty queue.
	Partitions int

	// Addr is where the API listens; port 0 picks a free one. Empty serves no
	// API; it is set by the command, not by a setting of that value.
	Addr string
	// Keys is the file of the API keys, which is read again when it changes; empty
	// asks for no keys, which only an address of this machine may do.
	Keys string
	// InsecureNoAuth lets everybody in who reaches the address.
	InsecureNoAuth bool
	// AllowedHosts are the names in the Host header that the API answers to, besides
	// those of the loopback address if it listens there; empty for any elsewhere.
	AllowedHosts []string
	// TLSCert and TLSKey are the files, in PEM, of the certificate with its chain and
	// of its key, which are read again when they change; empty for no TLS. BehindTLS
	// is whether a proxy before the API speaks TLS to its clients.
	TLSCert, TLSKey string
	BehindTLS       bool
	// AuditLog is the file to whose end each change by the API is written, as a line of
	// JSON; "-" is standard error, empty the program's own log.
	AuditLog string

	// MetricsAddr is where /metrics, /healthz and /readyz are served besides the API,
	// or without it; port 0 picks a free one. It is asked for keys and speaks TLS as Addr
	// does. Empty serves them with the API only.
	MetricsAddr string

	// OTLPEndpoint is the base URL of the OTLP/HTTP collector that takes the traces,
	// such as http://127.0.0.1:4318; empty traces nothing. TraceRatio is the part of
	// the traces that is recorded, 0 to 1.
	OTLPEndpoint string
	TraceRatio   float64

	// Workers is how many tasks are worked on at once; 0 for none.
	Workers int
	// Queues are the queues to work on; empty for all.
	Queues []string
	// Lease is how long a claimed task is held without a sign of life.
	Lease time.Duration
	// DrainTimeout is how long running tasks may go on after a stop.
	DrainTimeout time.Duration
	// TaskRetention is how long finished tasks and their logs are kept.
	TaskRetention time.Duration
	// LogRetention is how long log entries are kept whatever their task does.
	LogRetention time.Duration
	// MaxRecoveries is how often a task is taken back from dead workers.
	MaxRecoveries int
	// Retry says when failed tasks run again.
	Retry domain.RetryPolicy

	// Processors are what runs the tasks of further types; that of log analysis is
	// always there. They are set by a program that is built on this package.
	Processors map[domain.TaskType]ports.TaskProcessor `json:"-" yaml:"-"`

	// BatchSize and BatchAge bound the batches of automatic analysis tasks.
	BatchSize int
	BatchAge  time.Duration
	// BatchBytes bounds them too; 0 is the default of the application. It is set by
	// the command, and so are Baseline and Learn of the automatic analysis tasks.
	BatchBytes int
	Baseline   string
	Learn      bool
	// PrivateLearning has the built-in analyser keep what it learns to this process:
	// it neither uses nor changes what others have learned in the store. It is set by
	// the command too.
	PrivateLearning bool
	// MaxPending is how many tasks may wait before log entries are refused; 0 for
	// no limit.
	MaxPending int
	// RateLimit is how many requests a second one caller of the API may send; 0 for no
	// limit. MaxConnections is how many connections the API serves at the same time.
	RateLimit, MaxConnections int
	// AnalysisQueue is the queue of automatic analysis tasks.
	AnalysisQueue string

	// Analyzer is builtin or openai.
	Analyzer  string
	AIBaseURL string
	AIModel   string
	AITimeout time.Duration
	// AITemperature is sent to the AI service, 0 to 2; AnyTemperature leaves it to
	// the service.
	AITemperature float64
	// AIMaxPromptTokens and AIMaxAnswerTokens bound one request and its answer.
	AIMaxPromptTokens, AIMaxAnswerTokens int
	// AICacheTTL is how long an explanation is used again for the same template.
	AICacheTTL time.Duration
	// AIRedact is auto, always or never; AIRedactIPs redacts IP addresses too.
	AIRedact    openai.RedactMode
	AIRedactIPs bool
	// AIPrices are those of a million tokens, AIDailyBudget what may be spent in a
	// day; 0 is without bound.
	AIPrices      openai.Prices
	AIDailyBudget openai.Micros
	// AIKey is read from LOGSIFT_AI_API_KEY only, and never printed.
	AIKey openai.Secret

	// LogLevel is debug, info, warn or error; LogFormat auto, console or json.
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
	return Config{
		Store:     "sqlite:" + filepath.Join(dataFolder(), "logsift.db"),
		Namespace: "logsift", Partitions: 1,
		Addr:    "127.0.0.1:8080",
		Workers: 10, Lease: 15 * time.Second, DrainTimeout: 30 * time.Second,
		TaskRetention: 24 * time.Hour, LogRetention: 7 * 24 * time.Hour, MaxRecoveries: 3,
		Retry:     domain.RetryPolicy{Kind: domain.RetryQuadratic, Base: domain.DefaultRetryBase, Cap: domain.DefaultRetryCap},
		BatchSize: 1000, BatchAge: 2 * time.Second, MaxPending: 10_000, MaxConnections: httpapi.DefaultMaxConnections, AnalysisQueue: domain.DefaultQueue,
		Analyzer: AnalyzerBuiltin, AITimeout: openai.DefaultTimeout, AITemperature: AnyTemperature,
		AIMaxPromptTokens: openai.DefaultMaxPromptTokens, AIMaxAnswerTokens: openai.DefaultMaxAnswerTokens,
		AICacheTTL: openai.DefaultCacheTTL, AIRedact: openai.RedactAuto, AIPrices: openai.Prices{Currency: openai.DefaultCurrency},
		TraceRatio: 1, LogLevel: "info", LogFormat: "auto",
	}
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
	GroupStore: "store", GroupKeys: "keys", GroupAPI: "api", GroupWork: "work", GroupQueues: "queues",
	GroupAnalysis: "analysis", GroupLogging: "logging", GroupServer: "server",
}

// setting is one thing that can be set: a flag --some-name, the environment
// variable LOGSIFT_SOME_NAME, and the key some_name of the file.
type setting struct {
	name  string
	group int
	usage string
	value pflag.Value
}

// settings lists what can be set, each bound to its field of c.
func (c *Config) settings() []setting {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	var out []setting
	add := func(group int) {
		fs.VisitAll(func(f *pflag.Flag) {
			if !slices.ContainsFunc(out, func(s setting) bool { return s.name == f.Name }) {
				out = append(out, setting{name: f.Name, group: group, usage: f.Usage, value: f.Value})
			}
		})
	}
	fs.StringVar(&c.Store, "store", c.Store, "where tasks and logs are kept: sqlite:PATH, redis://…, rediss://…, redis+sentinel://…, redis+cluster://…")
	fs.StringVar(&c.Namespace, "namespace", c.Namespace, "prefix of all Redis keys")
	fs.BoolVar(&c.AllowEviction, "allow-eviction", c.AllowEviction, "accept a Redis whose eviction policy may drop tasks")
	fs.IntVar(&c.Partitions, "partitions", c.Partitions, "over how many partitions the queue is spread, so that it uses several nodes of a Redis Cluster; must be the same for every process; changing it needs an empty queue")
	add(GroupStore)
	fs.StringVar(&c.Keys, "keys", c.Keys, "file of the API keys, see logsift key; needed by an address that other machines reach")
	add(GroupKeys)
	fs.StringVar(&c.Addr, "addr", c.Addr, "where the API listens; port 0 picks a free one")
	fs.BoolVar(&c.BehindTLS, "behind-tls", c.BehindTLS, "a proxy before the API speaks TLS: browsers are to use nothing else")
	fs.StringVar(&c.AuditLog, "audit-log", c.AuditLog, "file to which each change by the API is appended, as JSON; - for standard error (default the program's own log)")
	fs.IntVar(&c.MaxPending, "max-pending", c.MaxPending, "how many tasks may wait before log entries are refused with 429; 0 for no limit")
	add(GroupAPI)
	fs.BoolVar(&c.InsecureNoAuth, "insecure-no-auth", c.InsecureNoAuth, "let everybody in who reaches the address, without a key")
	fs.StringSliceVar(&c.AllowedHosts, "allowed-hosts", c.AllowedHosts, "names that clients may reach the API by; those of this machine always if it listens there (default any elsewhere)")
	fs.StringVar(&c.TLSCert, "tls-cert", c.TLSCert, "certificate of the API with its chain, a PEM file; with --tls-key, the API speaks TLS")
	fs.StringVar(&c.TLSKey, "tls-key", c.TLSKey, "private key of the certificate, a PEM file")
	fs.StringVar(&c.MetricsAddr, "metrics-addr", c.MetricsAddr, "where /metrics, /healthz and /readyz are served by themselves, such as 127.0.0.1:9464; port 0 picks a free one (default with the API only)")
	fs.IntVar(&c.RateLimit, "rate-limit", c.RateLimit, "how many requests a second a caller of the API may send, and twice as many at once; a caller is an API key, or an address; 0 for no limit")
	fs.IntVar(&c.MaxConnections, "max-connections", c.MaxConnections, "how many connections the API serves at the same time; others wait")
	fs.StringVar(&c.OTLPEndpoint, "otlp-endpoint", c.OTLPEndpoint, "base URL of the OTLP/HTTP collector that takes traces, such as http://127.0.0.1:4318 (default OTEL_EXPORTER_OTLP_ENDPOINT; no traces without)")
	fs.Float64Var(&c.TraceRatio, "trace-ratio", c.TraceRatio, "part of the traces that is recorded, 0 to 1; of those that begin elsewhere, their beginning decides")
	add(GroupServer)
	fs.IntVar(&c.Workers, "workers", c.Workers, "how many tasks to work on at once; 0 for the API only")
	fs.DurationVar(&c.Lease, "lease", c.Lease, "how long a task is held without a sign of life from its worker")
	fs.DurationVar(&c.DrainTimeout, "drain-timeout", c.DrainTimeout, "how long running tasks may go on after a stop")
	fs.DurationVar(&c.TaskRetention, "retention", c.TaskRetention, "how long finished tasks and their logs are kept")
	fs.DurationVar(&c.LogRetention, "log-retention", c.LogRetention, "how long log entries are kept at most")
	fs.IntVar(&c.MaxRecoveries, "max-recoveries", c.MaxRecoveries, "how often a task is taken back from dead workers before it fails as poison")
	fs.Var((*retryKind)(&c.Retry.Kind), "retry-kind", "shape of the delays between attempts: quadratic, exponential or fixed")
	fs.DurationVar(&c.Retry.Base, "retry-base", c.Retry.Base, "delay after the first failed attempt")
	fs.DurationVar(&c.Retry.Cap, "retry-cap", c.Retry.Cap, "longest delay between attempts")
	fs.Float64Var(&c.Retry.Jitter, "retry-jitter", c.Retry.Jitter, "part of the delay that is spread at random, 0 to 1")
	add(GroupWork)
	fs.StringSliceVar(&c.Queues, "queues", c.Queues, "queues to work on (default all)")
	fs.StringVar(&c.AnalysisQueue, "analysis-queue", c.AnalysisQueue, "queue of the automatic analysis tasks")
	add(GroupQueues)
	fs.IntVar(&c.BatchSize, "batch-size", c.BatchSize, "log entries that are analysed together at most")
	fs.DurationVar(&c.BatchAge, "batch-age", c.BatchAge, "how long a batch waits for more log entries")
	fs.StringVar(&c.Analyzer, "analyzer", c.Analyzer, "who analyses: builtin, or openai for any OpenAI-compatible service")
	fs.StringVar(&c.AIBaseURL, "ai-base-url", c.AIBaseURL, "base URL of the AI service, such as http://127.0.0.1:11434/v1")
	fs.StringVar(&c.AIModel, "ai-model", c.AIModel, "model that the AI service shall use")
	fs.DurationVar(&c.AITimeout, "ai-timeout", c.AITimeout, "how long the AI service may take for one analysis")
	fs.Float64Var(&c.AITemperature, "ai-temperature", c.AITemperature, "temperature of the model, 0 to 2; -1 leaves it to the AI service")
	fs.IntVar(&c.AIMaxPromptTokens, "ai-max-prompt-tokens", c.AIMaxPromptTokens, "tokens of one request to the AI service, at least 4096; less than the context of its model")
	fs.IntVar(&c.AIMaxAnswerTokens, "ai-max-answer-tokens", c.AIMaxAnswerTokens, "tokens of one answer of the AI service, thoughts included")
	fs.DurationVar(&c.AICacheTTL, "ai-cache-ttl", c.AICacheTTL, "how long an explanation of the AI service is used again for the same template")
	fs.Var((*redactMode)(&c.AIRedact), "ai-redact", "when secrets are replaced before anything is sent to the AI service: auto (unless it is on this machine), always or never")
	fs.BoolVar(&c.AIRedactIPs, "ai-redact-ips", c.AIRedactIPs, "replace IP addresses too")
	fs.Var((*amount)(&c.AIPrices.Input), "ai-price-input", "price of a million tokens of the prompt, such as 0.15")
	fs.Var((*amount)(&c.AIPrices.Cached), "ai-price-cached", "price of a million tokens of the prompt that the AI service had cached; 0 for that of the others")
	fs.Var((*amount)(&c.AIPrices.Output), "ai-price-output", "price of a million tokens of the answer")
	fs.StringVar(&c.AIPrices.Currency, "ai-currency", c.AIPrices.Currency, "currency of the prices and the budget")
	fs.Var((*amount)(&c.AIDailyBudget), "ai-daily-budget", "what all processes together may spend on the AI service in a day of UTC; 0 for any amount")
	add(GroupAnalysis)
	fs.StringVar(&c.LogLevel, "log-level", c.LogLevel, "least level of the program's own log: debug, info, warn, error")
	fs.StringVar(&c.LogFormat, "log-format", c.LogFormat, "form of the program's own log: console, json, or auto for console on a terminal")
	add(GroupLogging)
	return out
}

// retryKind lets a flag set a domain.RetryKind.
type retryKind domain.RetryKind

func (k *retryKind) String() string { return string(*k) }
func (k *retryKind) Type() string   { return "kind" }
func (k *retryKind) Set(s string) error {
	*k = retryKind(s)
	return domain.RetryPolicy{Kind: domain.RetryKind(s)}.Validate()
}

// redactMode lets a flag set an openai.RedactMode.
type redactMode openai.RedactMode

func (m *redactMode) String() string { return string(*m) }
func (m *redactMode) Type() string   { return "mode" }
func (m *redactMode) Set(s string) error {
	*m = redactMode(s)
	return nil // Validate knows the modes.
}

// amount lets a flag set an amount of money.
type amount openai.Micros

func (a *amount) String() string { return openai.Micros(*a).String() }
func (a *amount) Type() string   { return "amount" }
func (a *amount) Set(s string) error {
	parsed, err := openai.ParseMicros(s)
	if err == nil {
		*a = amount(parsed)
	}
	return err
}

// Flags adds a flag for each setting of the groups (an or of the Group
// constants) to fs. The defaults shown are the present values of c.
func (c *Config) Flags(fs *pflag.FlagSet, groups int) {
	for _, s := range c.settings() {
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
	fromFile, err := readFile(path)
	if err != nil {
		return err
	}
	c.AIKey = openai.Secret(getenv("LOGSIFT_AI_API_KEY"))
	if fs.Lookup("otlp-endpoint") != nil && c.OTLPEndpoint == "" {
		c.OTLPEndpoint = getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
	}
	for _, s := range c.settings() {
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

// readFile reads a YAML mapping of names to scalars or lists of scalars.
func readFile(path string) (map[string]string, error) {
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
	check := func(ok bool, field, rule string) {
		if !ok {
			errs = append(errs, &domain.ValidationError{Field: field, Rule: rule})
		}
	}
	if _, _, err := c.storeKind(); err != nil {
		errs = append(errs, err)
	}
	check(domain.ValidateName("namespace", c.Namespace) == nil, "namespace", "must be 1 to 64 letters, digits, '.', '_' or '-'")
	check(c.Partitions >= 1 && c.Partitions <= redisstore.MaxPartitions, "partitions", fmt.Sprintf("must be between 1 and %d", redisstore.MaxPartitions))
	check(c.Addr == "" || validAddr(c.Addr), "addr", "must be host:port, such as 127.0.0.1:8080")
	check(c.MetricsAddr == "" || validAddr(c.MetricsAddr), "metrics-addr", "must be host:port, such as 127.0.0.1:9464")
	if c.OTLPEndpoint != "" {
		errs = append(errs, oteltrace.ValidateEndpoint("otlp-endpoint", c.OTLPEndpoint))
	}
	check(c.TraceRatio >= 0 && c.TraceRatio <= 1, "trace-ratio", "must be between 0 and 1")
	errs = append(errs, c.validateAccess())
	check(c.Workers >= 0 && c.Workers <= 10000, "workers", "must be between 0 and 10000")
	check(c.Lease >= time.Second && c.Lease <= time.Hour, "lease", "must be between 1s and 1h")
	check(c.DrainTimeout >= 0, "drain-timeout", "must not be negative")
	check(c.TaskRetention > 0, "retention", "must be positive")
	check(c.LogRetention > 0, "log-retention", "must be positive")
	check(c.MaxRecoveries >= 0 && c.MaxRecoveries <= 100, "max-recoveries", "must be between 0 and 100")
	check(c.BatchSize >= 1 && c.BatchSize <= application.MaxBatchSize, "batch-size", fmt.Sprintf("must be between 1 and %d", application.MaxBatchSize))
	check(c.BatchAge >= time.Millisecond && c.BatchAge <= time.Hour, "batch-age", "must be between 1ms and 1h")
	check(c.RateLimit >= 0 && c.RateLimit <= 1_000_000, "rate-limit", "must be between 0 and 1000000")
	check(c.MaxConnections >= 1 && c.MaxConnections <= 1_000_000, "max-connections", "must be between 1 and 1000000")
	check(c.MaxPending >= 0, "max-pending", "must not be negative")
	if err := domain.ValidateName("analysis-queue", c.AnalysisQueue); err != nil {
		errs = append(errs, err)
	}
	for _, q := range c.Queues {
		if err := domain.ValidateName("queues", q); err != nil {
			errs = append(errs, err)
		}
	}
	if err := c.Retry.Validate(); err != nil {
		errs = append(errs, retrySetting(err))
	}
	check(slices.Contains([]string{AnalyzerBuiltin, AnalyzerOpenAI}, c.Analyzer), "analyzer", "must be builtin or openai")
	if c.Analyzer == AnalyzerOpenAI {
		check(c.AIBaseURL != "", "ai-base-url", "is needed by the analyzer openai")
		check(c.AIModel != "", "ai-model", "is needed by the analyzer openai")
	}
	errs = append(errs, c.validateAI())
	check(slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel), "log-level", "must be debug, info, warn or error")
	check(slices.Contains([]string{"auto", "console", "json"}, c.LogFormat), "log-format", "must be auto, console or json")
	return errors.Join(errs...)
}

// validateAccess checks who may reach the API. Whether its address may do without keys
// is checked when it is to be served.
func (c *Config) validateAccess() error {
	var errs []error
	for _, host := range c.AllowedHosts {
		if host == "" || strings.ContainsAny(host, "/*@ ") || strings.Count(host, ":") == 1 {
			errs = append(errs, &domain.ValidationError{Field: "allowed-hosts", Value: host, Rule: "must be names or addresses without scheme and port"})
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		errs = append(errs, &domain.ValidationError{Field: "tls-cert", Rule: "and tls-key need each other"})
	}
	if c.Keys != "" && c.InsecureNoAuth {
		errs = append(errs, &domain.ValidationError{Field: "insecure-no-auth", Rule: "cannot be combined with keys"})
	}
	return errors.Join(errs...)
}

// validateAI checks the settings of the AI service by its adapter's rules, also if
// it is not used. There, zero stands for the default; here it would be a mistake.
func (c *Config) validateAI() error {
	var errs []error
	for _, s := range []struct {
		zero bool
		name string
	}{
		{c.AITimeout == 0, "ai-timeout"}, {c.AICacheTTL == 0, "ai-cache-ttl"},
		{c.AIMaxPromptTokens == 0, "ai-max-prompt-tokens"}, {c.AIMaxAnswerTokens == 0, "ai-max-answer-tokens"},
		{c.AIRedact == "", "ai-redact"}, {c.AIPrices.Currency == "", "ai-currency"},
	} {
		if s.zero {
			errs = append(errs, &domain.ValidationError{Field: s.name, Rule: "must not be zero or empty"})
		}
	}
	config := c.openai()
	if config.BaseURL == "" {
		config.BaseURL = "http://localhost" // Validate has told.
	}
	if config.Model == "" {
		config.Model = "none"
	}
	return errors.Join(append(errs, config.Validate())...)
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
