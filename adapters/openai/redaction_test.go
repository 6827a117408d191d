package openai_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/openai"
)

func TestSecretsDoNotLeaveForOtherMachines(t *testing.T) {
	t.Parallel()
	const mail, key, address = "jane.doe@example.com", "AKIAIOSFODNN7EXAMPLE", "192.0.2.7"
	line := "login of " + mail + " with " + key + " from " + address + " failed"
	for name, c := range map[string]struct {
		redact openai.RedactMode
		ips    bool
		sent   []string
		hidden []string
	}{
		// The fake service has a loopback address.
		"to this machine":     {openai.RedactAuto, true, []string{mail, key, address}, nil},
		"as by default":       {"", false, []string{mail}, nil},
		"always":              {openai.RedactAlways, false, []string{address}, []string{mail, key}},
		"always, with the IP": {openai.RedactAlways, true, nil, []string{mail, key, address}},
		"never":               {openai.RedactNever, true, []string{mail}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, plausible)
			logs := entries(line, line+" again")
			logs[0].Source = mail
			r, err := analyze(t, analyzer(t, s, func(cfg *openai.Config) { cfg.Redact, cfg.RedactIPs = c.redact, c.ips }), logs)
			require.NoError(t, err)
			body := s.questions()[0].body
			for _, text := range c.sent {
				require.Contains(t, body, text)
			}
			for _, text := range c.hidden {
				require.NotContains(t, body, text)
			}
			require.Equal(t, len(c.hidden) > 0, len(r.Redactions) > 0)
			if len(c.hidden) > 0 {
				require.GreaterOrEqual(t, r.Redactions["email"], 2)
				require.Positive(t, r.Redactions["aws_access_key"])
			}
			require.Contains(t, strings.Join(r.Anomalies[0].SampleLines, "\n"), mail, "the result stays here, and is whole")
		})
	}
}

func TestAnAddressElsewhereIsRedactedFor(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"http://localhost:11434/v1": false, "http://LOCALHOST/v1": false, "http://127.0.0.1/v1": false, "http://127.8.9.1/v1": false, "http://[::1]:80/v1": false,
		"https://api.openai.com/v1": true, "http://10.0.0.1/v1": true, "http://localhost.example.com/v1": true, "http://[::2]/v1": true, "http://0.0.0.0/v1": true,
		"http://127.0.0.1.example.com": true,
	} {
		require.Equal(t, want, openai.Config{BaseURL: address, Redact: openai.RedactAuto}.Redacts(), address)
		require.True(t, openai.Config{BaseURL: address, Redact: openai.RedactAlways}.Redacts())
		require.False(t, openai.Config{BaseURL: address, Redact: openai.RedactNever}.Redacts())
	}
}
