package bootstrap_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"logsift/bootstrap"
)

// hostile has characters at which terminals act, or which people do not see.
const hostile = "a\x1b]0;t\x07\x1b[31m\u009b31m\u202egnp.exe\u202c\u2066i\u2069\u200b\x7f\r\u2028\u2029\u061c\ufeff\U000e0041\ue000b"

func TestTextIsSafeOnATerminal(t *testing.T) {
	t.Parallel()
	safe := func(r rune) bool {
		return unicode.IsPrint(r) || r == '\u200c' || r == '\u200d' || r == unicode.ReplacementChar
	}
	require.Equal(t, -1, strings.IndexFunc(bootstrap.Printable(hostile), func(r rune) bool { return !safe(r) }))
	for _, text := range []string{"plain", "zwj: \u0646\u200c\u0645 \u200d", "日本語 ü €"} {
		require.Equal(t, text, bootstrap.Printable(text))
	}
	require.Equal(t, "one line of two", bootstrap.Printable("one line\nof\ttwo"))
}

func TestJSONIsSafeOnATerminalAndSaysTheSame(t *testing.T) {
	t.Parallel()
	for _, text := range []string{hostile, "plain", "\u0646\u200c\u0645", "日本語", ""} {
		raw, err := json.Marshal(text)
		require.NoError(t, err)
		safe := bootstrap.PrintableJSON(raw)
		require.Equal(t, -1, strings.IndexFunc(string(safe), func(r rune) bool {
			return !unicode.IsPrint(r) && r != '\u200c' && r != '\u200d'
		}), "%q", safe)
		var again string
		require.NoError(t, json.Unmarshal(safe, &again))
		require.Equal(t, text, again)
	}
}

func TestTheProgramsOwnLogIsSafeOnATerminal(t *testing.T) {
	t.Parallel()
	for name, encoder := range map[string]zapcore.Encoder{
		"console": bootstrap.PrintableEncoder(zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig()), true),
		"json":    bootstrap.PrintableEncoder(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), false),
	} {
		var out bytes.Buffer
		logger := zap.New(zapcore.NewCore(encoder, zapcore.AddSync(&out), zapcore.DebugLevel)).With(zap.String("with", hostile))
		logger.Info(hostile, zap.String("path", hostile), zap.Error(errors.New(hostile)))
		text := strings.ReplaceAll(strings.TrimSuffix(out.String(), "\n"), "\t", " ")
		require.Equal(t, -1, strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) && r != unicode.ReplacementChar }), "%s: %q", name, text)
	}
}
