package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"logsift/domain/logline"
)

// FuzzReadChunks checks that an input, plain or compressed, is refused, or that
// each of its lines is sent once, as valid text, or counted as too long.
func FuzzReadChunks(f *testing.F) {
	for _, seed := range []string{
		"", "\n\n", "one\ntwo\r\nthree", "\xff\xfe\n", "a\x00b", "\x1f\x8b", "\x1f\x8b\x08\x00", " \n\t\nx", "(\xb5/\xfd\x04\x00", "\xef\xbb\xbf{", "\xfe\xff\x00a\x00\n",
		"2026-11-29T10:00:00.1Z stdout F first\n2026-11-29T10:00:01.1Z stdout F \n2026-11-29T10:00:02.1Z stdout F third\n",
		"{\"log\":\"first\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-29T10:00:00.1Z\"}\n{\"log\":\"\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-29T10:00:01.1Z\"}\n",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, content []byte, compressed bool) {
		if compressed {
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			_, err := z.Write(content)
			require.NoError(t, err)
			require.NoError(t, z.Close())
			content = packed.Bytes()
		}
		in := input{name: "in", open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }}
		sent := 0
		report, err := readChunks(in, logline.Parser{}, func(c *chunk) error {
			require.Positive(t, c.entries)
			require.Equal(t, c.entries, bytes.Count(c.body.Bytes(), []byte("\n")))
			require.True(t, utf8.Valid(c.body.Bytes()))
			sent += c.lines
			return nil
		})
		if err != nil {
			require.Contains(t, err.Error(), "in")
			return
		}
		require.LessOrEqual(t, sent, report.lines)
		if sent < report.lines {
			r, closer, err := openText(in)
			require.NoError(t, err)
			defer closer()
			text, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Contains(t, string(text), "std", "only a blank line in a container's record is none")
		}
		require.LessOrEqual(t, report.mended, report.lines)
	})
}

// FuzzPrintable checks that nothing of a log steers the terminal that shows it.
func FuzzPrintable(f *testing.F) {
	for _, seed := range []string{"", "a\tb\nc", "\x1b[2J", "\u009b2J", "\u202e\u2066\u200f", "\xff\x9b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range printable(text) {
			require.False(t, r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069, "%q", r)
		}
	})
}
