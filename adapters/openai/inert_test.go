package openai_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/openai"
)

func TestWhatTheServiceSaysIsTextWhereverItIsShown(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"restart pod-7 & check <*> of a<b, 1 < 2": "restart pod-7 & check <*> of a‹b, 1 < 2",
		"![a](https://x.example/?d=1)":            "[a] (https://x.example/?d=1)",
		"!![a]](b) [c][d] [d]: https://x.example": "[a] (b) [c][d] [d] : https://x.example",
		"<script>x</script><<b>":                  "‹script>x‹/script>‹b>",
		"mail <SECRET:email:1> <SECRET:a onx=1>":  "mail <SECRET:email:1> ‹SECRET:a onx=1>",
		"see https://x.example/a?b=c#d":           "see https://x.example/a?b=c#d",
		"<\u200bscript> !\u200b[a]\u2066(b)":      "‹script> [a] (b)",
		"\x1b[1mbold\x1b[0m \u202etxt\n\tnext":    "bold txt  next",
	} {
		got := openai.Said(text, 200)
		require.Equal(t, want, got, "%q", text)
		require.Equal(t, got, openai.Said(got, 200), "again")
	}
}

func FuzzSaid(f *testing.F) {
	for _, text := range []string{"", "![a](b)", "<a", "]]((", "!!!![", "<SECRET:email:1>", "<SECRET:00:0>", "<<SECRET:a:1>", "\xff<\u200ba", "]\u202e("} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := openai.Said(text, 2000)
		inertText(t, got)
		require.Equal(t, got, openai.Said(got, 2000))
	})
}
