package redact_test

import (
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"logsift/adapters/openai/redact"
	"logsift/adapters/openai/redact/redacttest"
)

func FuzzRedact(f *testing.F) {
	for _, p := range redacttest.Corpus(seed)[:200] {
		f.Add(p.Text)
	}
	for _, text := range []string{"", "\\", "%", "\xff%4", "\x1b[", "a@b.cc", "x://:@", "password=", "<SECRET:email:1>", "\\u00", "=\"", "4111-1111"} {
		f.Add(text)
	}
	redactor := redact.New(redact.Config{IPs: true})
	f.Fuzz(func(t *testing.T, text string) {
		s := redactor.Session()
		out := s.Redact(text)
		require.True(t, !utf8.ValidString(text) || utf8.ValidString(out), "no character is cut")
		total := 0
		for _, n := range s.Counts() {
			total += n
		}
		require.GreaterOrEqual(t, strings.Count(out, "<SECRET:"), total)
		require.Equal(t, out, redactor.Session().Redact(text), "the same again")
		if total == 0 {
			require.Equal(t, text, out)
		}
	})
}

func TestARedactorIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	plants := redacttest.Corpus(seed)
	redactor := redact.New(redact.Config{})
	want := make([]string, len(plants))
	for i, p := range plants {
		want[i] = redactor.Session().Redact(p.Text)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i, p := range plants {
				if got := redactor.Session().Redact(p.Text); got != want[i] {
					t.Errorf("%q became %q, not %q", p.Text, got, want[i])
				}
			}
		})
	}
	wg.Wait()
}

// What was found in a text is still found where other text surrounds it.
func TestSurroundingsHideNothing(t *testing.T) {
	t.Parallel()
	redactor := redact.New(redact.Config{})
	for _, p := range redacttest.Corpus(seed) {
		if p.Class == "private_key" || p.Class == "encoded_secret" || strings.Contains(p.Text, "\n") {
			continue
		}
		out := redactor.Session().Redact("2026-05-01 é \"quoted\" 100% [x] " + p.Text)
		for _, secret := range p.Secrets {
			require.False(t, redacttest.Visible(out, secret), "%s (%s): %s", p.Class, p.Form, out)
		}
	}
}
