package bootstrap

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"logsift/adapters/builtin"
	"logsift/adapters/httpapi/server"
	"logsift/adapters/openai"
	"logsift/adapters/oteltrace"
	"logsift/adapters/redisstore"
	"logsift/application"
	"logsift/domain"
	"logsift/domain/logline"
	"logsift/ports"
)

// setting is one thing that can be set: a flag --some-name, the environment
// variable LOGSIFT_SOME_NAME, and the key some_name of the file.
type setting struct {
	name  string
	group int
	usage string
	value pflag.Value
	// check returns a *domain.ValidationError if the value breaks a rule.
	check func() error
}

// settings are the rows of all that can be set, each bound to its field of c: name,
// default, usage and rules. Within a group they are in the order of their names. With
// reset, the fields get their defaults.
func (c *Config) settings(reset bool) []setting {
	r := &rows{FlagSet: pflag.NewFlagSet("", pflag.ContinueOnError), reset: reset}

	r.group = GroupStore
	row(r, r.BoolVar, &c.AllowEviction, "allow-eviction", false, "accept a Redis whose eviction policy may drop tasks")
	row(r, r.StringVar, &c.Namespace, "namespace", redisstore.DefaultNamespace, "prefix of all Redis keys", func(name, v string) error {
		return unless(domain.ValidateName(name, v) == nil, name, "must be 1 to 64 letters, digits, '.', '_' or '-'")
	})
	row(r, r.IntVar, &c.Partitions, "partitions", 1, "number of partitions of the queue, which lets it use several nodes of a Redis Cluster; must be the same for every process; can be changed only while the queue is empty", between(1, redisstore.MaxPartitions))
	row(r, r.StringVar, &c.Store, "store", "sqlite:"+filepath.Join(dataFolder(), "logsift.db"), "where tasks and logs are kept: sqlite:PATH, redis://…, rediss://…, redis+sentinel://…, redis+cluster://…", func(string, string) error {
		_, _, err := c.storeKind()
		return err
	})

	r.group = GroupKeys
	row(r, r.StringVar, &c.Keys, "keys", "", "file of the API keys, see logsift key; an address that other machines reach needs it")

	r.group = GroupAPI
	row(r, r.StringVar, &c.Addr, "addr", "127.0.0.1:8080", "where the API listens; port 0 picks a free one", address("127.0.0.1:8080"))
	row(r, r.StringVar, &c.AuditLog, "audit-log", "", "file that gets a line of JSON for each change by the API; - for standard error (default the program's own log)")
	row(r, r.BoolVar, &c.BehindTLS, "behind-tls", false, "a proxy in front of the API speaks TLS: browsers must use nothing else")
	row(r, r.IntVar, &c.MaxPending, "max-pending", 10_000, "how many analysis tasks may wait before log entries are refused with 429; 0 for no limit", notNegative[int])

	row(r, r.StringSliceVar, &c.TaskTypes, "task-types", nil, "types of tasks that the API takes although nobody works on them yet, besides those that a process or a worker is known to work on", each(domain.ValidateName))

	r.group = GroupReading
	row(r, r.StringVar, &c.Timezone, "timezone", "UTC", "zone of times in logs that name none: a name such as Europe/Berlin, an offset such as +02:00, or Local", func(name, v string) error {
		_, err := logline.ParseZone(v)
		return err
	})

	r.group = GroupServer
	row(r, r.StringSliceVar, &c.AllowedHosts, "allowed-hosts", nil, "host names that clients may use for the API, besides localhost on a loopback address (default any on another address)", each(func(name, v string) error {
		if v == "" || strings.ContainsAny(v, "/*@ ") || strings.Count(v, ":") == 1 {
			return &domain.ValidationError{Field: name, Value: v, Rule: "must be names or addresses without scheme and port"}
		}
		return nil
	}))
	row(r, r.BoolVar, &c.InsecureNoAuth, "insecure-no-auth", false, "let everybody who reaches the address in, without a key", func(name string, v bool) error {
		return unless(!v || c.Keys == "", name, "cannot be combined with keys")
	})
	row(r, r.IntVar, &c.MaxConnections, "max-connections", server.DefaultMaxConnections, "how many connections the API serves at the same time; for one more, an idle one is closed, or it waits", between(1, 1_000_000))
	row(r, r.StringVar, &c.MetricsAddr, "metrics-addr", "", "separate address of /metrics, /healthz and /readyz, such as 127.0.0.1:9464; port 0 picks a free one (default with the API only)", address("127.0.0.1:9464"))
	row(r, r.StringVar, &c.OTLPEndpoint, "otlp-endpoint", "", "base URL of the OTLP/HTTP collector that takes traces, such as http://127.0.0.1:4318 (default OTEL_EXPORTER_OTLP_ENDPOINT; no traces without)", ifSet(oteltrace.ValidateEndpoint))
	row(r, r.IntVar, &c.RateLimit, "rate-limit", 0, "how many requests a second a caller of the API may send, and twice as many at once; a caller is an API key, or an address; 0 for no limit", between(0, 1_000_000))
	row(r, r.StringVar, &c.TLSCert, "tls-cert", "", "certificate of the API with its chain, a PEM file; with --tls-key, the API speaks TLS", func(name, v string) error {
		return unless((v == "") == (c.TLSKey == ""), name, "and tls-key need each other")
	})
	row(r, r.StringVar, &c.TLSKey, "tls-key", "", "private key of the certificate, a PEM file")
	row(r, r.Float64Var, &c.TraceRatio, "trace-ratio", 1, "share of the traces to record, 0 to 1; a trace that began elsewhere keeps the decision made there", between(0.0, 1))
	row(r, r.StringSliceVar, &c.TrustedProxies, "trusted-proxies", nil, "addresses or networks of the proxies in front of the API, such as 10.0.0.0/8: their X-Forwarded-For or Forwarded names the client, for limits and the audit log", func(string, []string) error {
		_, err := c.trustedProxies()
		return err
	})

	// The policy of retries is checked as a whole.
	r.group = GroupWork
	row(r, r.DurationVar, &c.Ageing, "ageing", 0, "in which time a waiting task gains a level of priority, such as 10m, so that low ones do not starve; 0 for never", func(name string, v time.Duration) error {
		return unless(ports.ValidateAgeing(v) == nil, name, "must be 0 or between "+short(ports.MinAgeing)+" and "+short(ports.MaxAgeing))
	})
	row(r, r.DurationVar, &c.DrainTimeout, "drain-timeout", 30*time.Second, "how long running tasks have to finish after a stop", notNegative[time.Duration])
	row(r, r.DurationVar, &c.Lease, "lease", application.DefaultLease, "how long a worker may give no sign of life before others get its tasks", between(time.Second, time.Hour))
	row(r, r.DurationVar, &c.LogRetention, "log-retention", application.DefaultMaxAge, "how long log entries are kept at most", positive)
	row(r, r.IntVar, &c.MaxRecoveries, "max-recoveries", application.DefaultMaxRecoveries, "how often a task is taken back from dead workers before it fails as poison", between(0, 100))
	row(r, r.DurationVar, &c.TaskRetention, "retention", application.DefaultRetention, "how long finished tasks and their logs are kept", positive)
	row(r, r.DurationVar, &c.FailedRetention, "failed-retention", application.DefaultFailedRetention, "how long FAILED tasks are kept, if that is longer", positive)
	row(r, r.DurationVar, &c.Retry.Base, "retry-base", domain.DefaultRetryBase, "delay after the first failed attempt")
	row(r, r.DurationVar, &c.Retry.Cap, "retry-cap", domain.DefaultRetryCap, "longest delay between attempts")
	row(r, r.Float64Var, &c.Retry.Jitter, "retry-jitter", 0, "random part of the delay, 0 to 1")
	row(r, r.kindVar, &c.Retry.Kind, "retry-kind", domain.RetryQuadratic, "growth of the delays between attempts: quadratic, exponential or fixed")
	row(r, r.IntVar, &c.Workers, "workers", application.DefaultWorkers, "how many tasks to work on at once; 0 for the API only", between(0, application.MaxWorkers))

	r.group = GroupQueues
	row(r, r.StringVar, &c.AnalysisQueue, "analysis-queue", domain.DefaultQueue, "queue of the automatic analysis tasks", domain.ValidateName)
	row(r, r.StringSliceVar, &c.Queues, "queues", nil, "queues to work on (default all); mail=3,default=1 has tasks of mail claimed three times as often while both wait, and those of reports=0 when the others are empty", application.ValidateQueues)

	// The adapter's own rules for its settings are checked as a whole. There, zero stands
	// for the default; here it would be a mistake.
	r.group = GroupAnalysis
	row(r, r.StringVar, &c.AIBaseURL, "ai-base-url", "", "base URL of the AI service, such as http://127.0.0.1:11434/v1", c.neededByAI)
	row(r, r.DurationVar, &c.AICacheTTL, "ai-cache-ttl", openai.DefaultCacheTTL, "how long an explanation of the AI service is used again for the same template", notZero[time.Duration])
	row(r, r.StringVar, &c.AIPrices.Currency, "ai-currency", openai.DefaultCurrency, "currency of the prices and the budget", notZero[string])
	row(r, r.amountVar, &c.AIDailyBudget, "ai-daily-budget", 0, "what all processes together may spend on the AI service in a day of UTC; 0 for no limit")
	row(r, r.IntVar, &c.AIMaxAnswerTokens, "ai-max-answer-tokens", openai.DefaultMaxAnswerTokens, "tokens of one answer of the AI service, thoughts included", notZero[int])
	row(r, r.IntVar, &c.AIMaxPromptTokens, "ai-max-prompt-tokens", openai.DefaultMaxPromptTokens, "tokens of one request to the AI service, at least 4096; less than the context of its model", notZero[int])
	row(r, r.StringVar, &c.AIModel, "ai-model", "", "model of the AI service", c.neededByAI)
	row(r, r.amountVar, &c.AIPrices.Cached, "ai-price-cached", 0, "price of a million tokens of the prompt that the AI service had cached; 0 for the price of the other tokens")
	row(r, r.amountVar, &c.AIPrices.Input, "ai-price-input", 0, "price of a million tokens of the prompt, such as 0.15")
	row(r, r.amountVar, &c.AIPrices.Output, "ai-price-output", 0, "price of a million tokens of the answer")
	row(r, r.modeVar, &c.AIRedact, "ai-redact", openai.RedactAuto, "when secrets are replaced before anything is sent to the AI service: auto (unless it is on this machine), always or never", notZero[openai.RedactMode])
	row(r, r.BoolVar, &c.AIRedactIPs, "ai-redact-ips", false, "replace IP addresses too")
	row(r, r.Float64Var, &c.AITemperature, "ai-temperature", AnyTemperature, "temperature of the model, 0 to 2; -1 leaves it to the AI service")
	row(r, r.DurationVar, &c.AITimeout, "ai-timeout", openai.DefaultTimeout, "how long the AI service may take for one analysis", notZero[time.Duration])
	row(r, r.StringVar, &c.Analyzer, "analyzer", AnalyzerBuiltin, "analyser: builtin, or openai for any OpenAI-compatible service", oneOf(AnalyzerBuiltin, AnalyzerOpenAI))
	row(r, r.DurationVar, &c.BatchAge, "batch-age", application.DefaultBatchAge, "how long a batch waits for more log entries", between(time.Millisecond, time.Hour))
	row(r, r.IntVar, &c.BatchSize, "batch-size", application.DefaultBatchSize, "how many log entries one task analyses at most", between(1, application.MaxBatchSize))
	row(r, r.DurationVar, &c.NormalAfter, "normal-after", builtin.DefaultNormalAfter, "how long what was found unusual must last before the analyser learns it as normal", between(time.Hour, 365*24*time.Hour))

	r.group = GroupLogging
	row(r, r.StringVar, &c.LogFormat, "log-format", "auto", "form of the program's own log: console, json, or auto for console on a terminal", oneOf("auto", "console", "json"))
	row(r, r.StringVar, &c.LogLevel, "log-level", "info", "lowest level of the program's own log: debug, info, warn, error", oneOf("debug", "info", "warn", "error"))
	return r.list
}

// rows collects settings.
type rows struct {
	*pflag.FlagSet

	group int
	reset bool
	list  []setting
}

// row adds a setting with its rules. Bind makes its flag and sets the field.
func row[T any](r *rows, bind func(field *T, name string, value T, usage string), field *T, name string, def T, usage string, rules ...rule[T]) {
	value := *field
	if r.reset {
		value = def
	}
	bind(field, name, value, usage)
	r.list = append(r.list, setting{name: name, group: r.group, usage: usage, value: r.Lookup(name).Value, check: func() error {
		for _, check := range rules {
			if err := check(name, *field); err != nil {
				return err
			}
		}
		return nil
	}})
}

// rule returns a *domain.ValidationError for a value that a setting must not have.
type rule[T any] func(name string, v T) error

func unless(ok bool, name, text string) error {
	if ok {
		return nil
	}
	return &domain.ValidationError{Field: name, Rule: text}
}

// between is not kept by NaN.
func between[T cmp.Ordered](low, high T) rule[T] {
	return func(name string, v T) error {
		return unless(v >= low && v <= high, name, fmt.Sprintf("must be between %s and %s", short(low), short(high)))
	}
}

func notNegative[T cmp.Ordered](name string, v T) error {
	var zero T
	return unless(v >= zero, name, "must not be negative")
}

func positive(name string, v time.Duration) error { return unless(v > 0, name, "must be positive") }

func notZero[T comparable](name string, v T) error {
	var zero T
	return unless(v != zero, name, "must not be zero or empty")
}

func oneOf(values ...string) rule[string] {
	last := len(values) - 1
	text := "must be " + strings.Join(values[:last], ", ") + " or " + values[last]
	return func(name, v string) error { return unless(slices.Contains(values, v), name, text) }
}

func ifSet(check rule[string]) rule[string] {
	return func(name, v string) error {
		if v == "" {
			return nil
		}
		return check(name, v)
	}
}

func each(check rule[string]) rule[[]string] {
	return func(name string, list []string) error {
		var faults []error
		for _, v := range list {
			faults = append(faults, check(name, v))
		}
		return errors.Join(faults...)
	}
}

func address(example string) rule[string] {
	return ifSet(func(name, v string) error { return unless(validAddr(v), name, "must be host:port, such as "+example) })
}

func (c *Config) neededByAI(name, v string) error {
	return unless(v != "" || c.Analyzer != AnalyzerOpenAI, name, "is needed by the analyzer openai")
}

// parsed is a value whose text is read and written by functions.
type parsed[T any] struct {
	field *T
	kind  string
	read  func(string) (T, error)
	write func(T) string
}

func (p parsed[T]) String() string { return p.write(*p.field) }
func (p parsed[T]) Type() string   { return p.kind }
func (p parsed[T]) Set(s string) error {
	v, err := p.read(s)
	if err == nil {
		*p.field = v
	}
	return err
}

func (r *rows) kindVar(field *domain.RetryKind, name string, value domain.RetryKind, usage string) {
	*field = value
	r.Var(parsed[domain.RetryKind]{field, "kind", func(s string) (domain.RetryKind, error) {
		return domain.RetryKind(s), domain.RetryPolicy{Kind: domain.RetryKind(s)}.Validate()
	}, func(v domain.RetryKind) string { return string(v) }}, name, usage)
}

func (r *rows) modeVar(field *openai.RedactMode, name string, value openai.RedactMode, usage string) {
	*field = value
	// The adapter's rules know the modes.
	r.Var(parsed[openai.RedactMode]{field, "mode", func(s string) (openai.RedactMode, error) { return openai.RedactMode(s), nil },
		func(v openai.RedactMode) string { return string(v) }}, name, usage)
}

func (r *rows) amountVar(field *openai.Micros, name string, value openai.Micros, usage string) {
	*field = value
	r.Var(parsed[openai.Micros]{field, "amount", openai.ParseMicros, openai.Micros.String}, name, usage)
}
