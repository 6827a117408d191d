package openai

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"logsift/domain"
	"logsift/ports"
)

// Defaults and bounds of a [Config].
const (
	DefaultTimeout         = 2 * time.Minute
	DefaultMaxPromptTokens = 24 << 10
	DefaultMaxAnswerTokens = 8192
	DefaultCacheTTL        = 7 * 24 * time.Hour
	DefaultCurrency        = "USD"
	// MinPromptTokens holds the instructions and any one anomaly.
	MinPromptTokens = 4 << 10
	// MaxTemperature is the highest that OpenAI's API takes.
	MaxTemperature = 2
)

// RedactMode says when secrets are replaced before anything is sent.
type RedactMode string

// The modes of redaction.
const (
	// RedactAuto: unless the service is on this machine, by a loopback address.
	RedactAuto RedactMode = "auto"
	// RedactAlways: whatever the service.
	RedactAlways RedactMode = "always"
	// RedactNever: nothing is replaced.
	RedactNever RedactMode = "never"
)

// Config configures an [Analyzer].
type Config struct {
	// BaseURL is the address of the API, up to and without /chat/completions, such
	// as https://api.openai.com/v1 or http://127.0.0.1:11434/v1. It is required.
	BaseURL string
	// Model is the model's name at the service. It is required.
	Model string
	// APIKey is sent to the host of BaseURL only. None is sent if it is empty, as
	// servers of one's own often need none.
	APIKey Secret
	// Temperature, from 0 to MaxTemperature, is sent if it is not nil. Some models
	// refuse any; it is then left out.
	Temperature *float64
	// Timeout bounds one analysis with all its requests. 0 is DefaultTimeout.
	Timeout time.Duration
	// MaxPromptTokens bounds the messages of a request, as estimated: by two bytes
	// a token until the service's answers tell better. 0 is DefaultMaxPromptTokens,
	// the least MinPromptTokens.
	MaxPromptTokens int
	// MaxAnswerTokens bounds the answer, thoughts included. An answer that is cut
	// there is asked for once more with twice as many. 0 is DefaultMaxAnswerTokens.
	MaxAnswerTokens int
	// CacheTTL is how long an explanation is used again for the same template. 0
	// is DefaultCacheTTL.
	CacheTTL time.Duration
	// Redact says for which services secrets in what is sent are replaced by
	// placeholders; "" is RedactAuto.
	Redact RedactMode
	// RedactIPs is whether IP addresses are replaced too.
	RedactIPs bool
	// Prices are what the service charges; the zero value is for nothing.
	Prices Prices
	// DailyBudget is what all processes that share the store may spend in a day of
	// UTC, by Prices. 0 is without bound.
	DailyBudget Micros
	// Observers are told of each request to the service, as a ports.OpChat.
	Observers ports.Observers `json:"-"`
	// Now is the clock of the breaker and the budget. Nil is time.Now.
	Now func() time.Time `json:"-"`
}

// currency matches the code of a currency in ISO 4217.
var currency = regexp.MustCompile(`^[A-Z]{3}$`)

// Validate checks the configuration. The errors are the errors of [New].
func (c Config) Validate() error { return c.validate() }

// validate fills in the defaults and checks the rest. Faults are
// *domain.ValidationErrors, which never show a value: a URL may hold a password.
func (c *Config) validate() error {
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	c.MaxPromptTokens = cmp.Or(c.MaxPromptTokens, DefaultMaxPromptTokens)
	c.MaxAnswerTokens = cmp.Or(c.MaxAnswerTokens, DefaultMaxAnswerTokens)
	c.CacheTTL = cmp.Or(c.CacheTTL, DefaultCacheTTL)
	c.Redact = cmp.Or(c.Redact, RedactAuto)
	c.Prices.Currency = cmp.Or(c.Prices.Currency, DefaultCurrency)
	if c.Now == nil {
		c.Now = time.Now
	}
	var errs []error
	check := func(ok bool, field, rule string) {
		if !ok {
			errs = append(errs, &domain.ValidationError{Field: field, Rule: rule})
		}
	}
	u, err := url.Parse(c.BaseURL)
	check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "",
		"ai-base-url", "must be a URL such as https://api.openai.com/v1")
	check(err != nil || u.User == nil, "ai-base-url", "must not hold a user or password: the key comes from LOGSIFT_AI_API_KEY")
	check(err != nil || u.RawQuery == "" && u.Fragment == "", "ai-base-url", "must not have a query or fragment")
	check(strings.TrimSpace(c.Model) != "", "ai-model", "is needed by the analyzer openai")
	check(c.Temperature == nil || *c.Temperature >= 0 && *c.Temperature <= MaxTemperature,
		"ai-temperature", fmt.Sprintf("must be between 0 and %d", MaxTemperature))
	check(c.Timeout > 0, "ai-timeout", "must be positive")
	check(c.MaxPromptTokens >= MinPromptTokens && c.MaxPromptTokens <= maxTokens, "ai-max-prompt-tokens", fmt.Sprintf("must be at least %d", MinPromptTokens))
	check(c.MaxAnswerTokens > 0 && c.MaxAnswerTokens <= maxTokens, "ai-max-answer-tokens", "must be positive")
	check(c.CacheTTL > 0, "ai-cache-ttl", "must be positive")
	check(!strings.ContainsFunc(string(c.APIKey), func(r rune) bool { return r <= ' ' || r > '~' }),
		"LOGSIFT_AI_API_KEY", "must be printable ASCII without spaces")
	check(c.Redact == RedactAuto || c.Redact == RedactAlways || c.Redact == RedactNever, "ai-redact", "must be auto, always or never")
	check(currency.MatchString(c.Prices.Currency), "ai-currency", "must be three capital letters, such as USD")
	price := func(field string, price Micros) {
		check(price >= 0 && price <= maxPrice, field, "must be between 0 and "+maxPrice.String()+" for a million tokens")
	}
	price("ai-price-input", c.Prices.Input)
	price("ai-price-cached", c.Prices.Cached)
	price("ai-price-output", c.Prices.Output)
	check(c.DailyBudget >= 0, "ai-daily-budget", "must not be negative")
	check(c.DailyBudget == 0 || !c.Prices.free(), "ai-daily-budget", "needs ai-price-input or ai-price-output")
	return errors.Join(errs...)
}

// redacts reports whether secrets are replaced.
func (c *Config) redacts() bool {
	return c.Redact == RedactAlways || c.Redact == RedactAuto && !loopback(c.BaseURL)
}

// Exposed reports whether what goes to the service can be read on the way: it is on
// another machine, and is not spoken to by TLS.
func (c *Config) Exposed() bool {
	u, err := url.Parse(c.BaseURL)
	return err == nil && u.Scheme != "https" && !loopback(c.BaseURL)
}

// loopback reports whether the service is on this machine.
func loopback(baseURL string) bool {
	u, err := url.Parse(baseURL)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return strings.EqualFold(u.Hostname(), "localhost") || ip != nil && ip.IsLoopback()
}
