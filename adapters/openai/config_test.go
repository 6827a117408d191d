package openai_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/openai"
	"logsift/domain"
)

func TestNewRefusesWrongSettings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		field string
		spoil func(c *openai.Config)
	}{
		"no address":        {"ai-base-url", func(c *openai.Config) { c.BaseURL = "" }},
		"no URL":            {"ai-base-url", func(c *openai.Config) { c.BaseURL = "http://[::1" }},
		"no scheme":         {"ai-base-url", func(c *openai.Config) { c.BaseURL = "api.example.com/v1" }},
		"another scheme":    {"ai-base-url", func(c *openai.Config) { c.BaseURL = "ftp://api.example.com" }},
		"no host":           {"ai-base-url", func(c *openai.Config) { c.BaseURL = "http:///v1" }},
		"a port only":       {"ai-base-url", func(c *openai.Config) { c.BaseURL = "http://:80/v1" }},
		"a password":        {"ai-base-url", func(c *openai.Config) { c.BaseURL = "https://user:hunter2@api.example.com" }},
		"a query":           {"ai-base-url", func(c *openai.Config) { c.BaseURL = "https://api.example.com?key=hunter2" }},
		"a fragment":        {"ai-base-url", func(c *openai.Config) { c.BaseURL = "https://api.example.com#hunter2" }},
		"no model":          {"ai-model", func(c *openai.Config) { c.Model = " " }},
		"no time":           {"ai-timeout", func(c *openai.Config) { c.Timeout = -time.Second }},
		"no room":           {"ai-max-prompt-tokens", func(c *openai.Config) { c.MaxPromptTokens = openai.MinPromptTokens - 1 }},
		"too much room":     {"ai-max-prompt-tokens", func(c *openai.Config) { c.MaxPromptTokens = 1 << 40 }},
		"no answer":         {"ai-max-answer-tokens", func(c *openai.Config) { c.MaxAnswerTokens = -1 }},
		"too cold":          {"ai-temperature", func(c *openai.Config) { c.Temperature = new(-0.5) }},
		"too hot":           {"ai-temperature", func(c *openai.Config) { c.Temperature = new(2.5) }},
		"forgetful":         {"ai-cache-ttl", func(c *openai.Config) { c.CacheTTL = -time.Second }},
		"a gift":            {"ai-price-input", func(c *openai.Config) { c.Prices.Input = -1 }},
		"too dear":          {"ai-price-output", func(c *openai.Config) { c.Prices.Output = 10_001_000_000 }},
		"no currency":       {"ai-currency", func(c *openai.Config) { c.Prices.Currency = "dollar" }},
		"no budget":         {"ai-daily-budget", func(c *openai.Config) { c.Prices.Input, c.DailyBudget = 1, -1 }},
		"no prices":         {"ai-daily-budget", func(c *openai.Config) { c.DailyBudget = 1_000_000 }},
		"a key of two rows": {"LOGSIFT_AI_API_KEY", func(c *openai.Config) { c.APIKey = "hunter2\nhunter2" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := openai.Config{BaseURL: "https://api.example.com/v1", Model: "m"}
			c.spoil(&cfg)
			a, err := openai.New(detector{}, newStates(time.Now), cfg)
			require.Nil(t, a)
			var invalid *domain.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, c.field, invalid.Field)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestNewNamesAllWrongSettings(t *testing.T) {
	t.Parallel()
	_, err := openai.New(detector{}, newStates(time.Now), openai.Config{Timeout: -1})
	require.ErrorContains(t, err, "ai-base-url")
	require.ErrorContains(t, err, "ai-model")
	require.ErrorContains(t, err, "ai-timeout")
}

func TestTheAddressIsThatOfTheConfiguration(t *testing.T) {
	t.Parallel()
	s := replies(t, http.StatusOK, says(found()))
	for _, path := range []string{"", "/", "/v1", "/v1/", "/some/proxy/v1//"} {
		a := analyzer(t, s, func(c *openai.Config) { c.BaseURL = s.URL + path })
		_, err := analyze(t, a, entries("x"))
		require.NoError(t, err)
	}
	var paths []string
	for _, q := range s.questions() {
		paths = append(paths, q.path)
		require.Equal(t, http.MethodPost, q.method)
		require.Equal(t, "Bearer sk-secret-key", q.header.Get("Authorization"))
		require.Equal(t, "application/json", q.header.Get("Content-Type"))
	}
	require.Equal(t, []string{"/chat/completions", "/chat/completions", "/v1/chat/completions", "/v1/chat/completions", "/some/proxy/v1/chat/completions"}, paths)
}

func TestWithoutAKeyNoneIsSent(t *testing.T) {
	t.Parallel()
	s := replies(t, http.StatusOK, says(found()))
	_, err := analyze(t, analyzer(t, s, func(c *openai.Config) { c.APIKey = "" }), entries("x"))
	require.NoError(t, err)
	require.NotContains(t, s.questions()[0].header, "Authorization")
}
