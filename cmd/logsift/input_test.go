package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

func TestLinesUpToTheLimitAreRead(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("x", domain.MaxLogMessage)
	for name, c := range map[string]struct {
		text           string
		lines, tooLong int
	}{
		"with a newline":    {longest + "\n", 1, 0},
		"with both":         {longest + "\r\n", 1, 0},
		"without an end":    {longest, 1, 0},
		"one byte more":     {"y" + longest + "\nz\n", 1, 1},
		"and none at all":   {"y" + longest, 0, 1},
		"more and no end":   {"z\n" + longest + longest, 1, 1},
		"one after another": {longest + "\n" + longest + "\n", 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := input{name: "in", open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(c.text)), nil }}
			report, err := readChunks(in, domain.LogFormatAuto, func(*chunk) error { return nil })
			require.NoError(t, err)
			require.Equal(t, [2]int{c.lines, c.tooLong}, [2]int{report.lines, report.tooLong})
		})
	}
}

func TestTextIsReadWhateverItsEncoding(t *testing.T) {
	t.Parallel()
	const text = "2026-05-01 08:00:00 ERROR 无法 😀\r\n\tat a.B\r\n2026-05-01 08:00:01 INFO x"
	utf16Text := func(order binary.AppendByteOrder) string {
		out := order.AppendUint16(nil, 0xfeff)
		for _, unit := range utf16.Encode([]rune(text)) {
			out = order.AppendUint16(out, unit)
		}
		return string(out)
	}
	z, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	for name, content := range map[string]string{
		"UTF-8": text, "with a BOM": "\uFEFF" + text, "UTF-16LE": utf16Text(binary.LittleEndian), "UTF-16BE": utf16Text(binary.BigEndian),
		"zstd": string(z.EncodeAll([]byte(text), nil)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := input{name: "in", open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }}
			var body string
			report, err := readChunks(in, domain.LogFormatAuto, func(c *chunk) error { body += c.body.String(); return nil })
			require.NoError(t, err)
			require.Equal(t, lineReport{lines: 3}, report)
			require.Equal(t, `{"message":"2026-05-01 08:00:00 ERROR 无法 😀\n\tat a.B","timestamp":"2026-05-01T08:00:00Z","level":"error"}`+"\n"+
				`{"message":"2026-05-01 08:00:01 INFO x","timestamp":"2026-05-01T08:00:01Z","level":"info"}`+"\n", body)
		})
	}
}

func TestBrokenUTF16IsMended(t *testing.T) {
	t.Parallel()
	// A first half before a letter, a second half alone, a first half at the end,
	// and a byte too many.
	r := &utf16Reader{src: bufio.NewReader(strings.NewReader("\x3d\xd8a\x00\x00\xdeb\x00\x3d\xd8x"))}
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "\uFFFDa\uFFFDb\uFFFD", string(out))
}
