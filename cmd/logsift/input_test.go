package main

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/domain/logline"
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
			report, err := readChunks(in, logline.Parser{}, func(*chunk) error { return nil })
			require.NoError(t, err)
			require.Equal(t, [2]int{c.lines, c.tooLong}, [2]int{report.lines, report.tooLong})
		})
	}
}

// The text of the next test as bzip2 and xz write it.
const (
	bzip2Text = "\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\xb2\xbf\x35\x62\x00\x00\x12\x5f\xf9\x80\x32\x40\x03\x73\x50\x13\x21\x90\x00\x20\x00\x04\x40\x40\x00\x02\xc0\xc0\x00\x08\x00\x01\x00\x40\x00\x20\x00\x54\x50\x46\x8c\x98\x99\x30\x9e\x83\x40\x4a\x24\x06\x80\xc8\xd1\xb5\x00\x2b\x89\xe4\xf1\xeb\xbc\xb6\x6c\xc8\x13\xb7\x54\x80\xba\x0e\x22\x52\x83\x45\xc1\x50\xa9\x21\x65\x5b\x2b\x03\xe0\x60\xe4\x1e\x7b\x0e\x47\x59\x42\x74\x6d\x8b\xb9\x22\x9c\x28\x48\x59\x5f\x9a\xb1\x00"
	xzText    = "\xfd\x37\x7a\x58\x5a\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x16\x00\x00\x00\x74\x2f\xe5\xa3\xe0\x00\x49\x00\x3c\x5d\x00\x19\x0c\x02\x92\xb2\xa9\x52\x0a\x9f\xdf\x21\x75\x16\xfc\xe3\xe5\x77\x94\x32\x6d\xac\x96\x13\xe0\x5f\xc9\xda\x2d\xa9\xbc\x40\xdf\x1d\x1d\x61\xc4\x86\x99\xe1\xf9\x79\x72\xd1\xcc\x3d\x92\x36\xed\xe4\xb3\x8d\x47\x0c\xaa\x13\x96\x51\xe4\x0f\x00\x00\xc5\x4e\x3c\x2d\xc2\xcf\x4b\xe2\x00\x01\x58\x4a\xf9\xca\xed\xc4\x1f\xb6\xf3\x7d\x01\x00\x00\x00\x00\x04\x59\x5a"
)

func TestTextIsReadWhateverItsEncoding(t *testing.T) {
	t.Parallel()
	const text = "2026-05-01 08:00:00 ERROR 无法 😀\r\n\tat a.B\r\n2026-05-01 08:00:01 INFO x"
	encoded := func(order binary.AppendByteOrder) string {
		out := order.AppendUint16(nil, 0xfeff)
		for _, unit := range utf16.Encode([]rune(text)) {
			out = order.AppendUint16(out, unit)
		}
		return string(out)
	}
	z, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	for name, content := range map[string]string{
		"UTF-8": text, "with a BOM": "\uFEFF" + text, "UTF-16LE": encoded(binary.LittleEndian), "UTF-16BE": encoded(binary.BigEndian),
		"zstd": string(z.EncodeAll([]byte(text), nil)), "bzip2": bzip2Text, "xz": xzText,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := input{name: "in", open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }}
			var body string
			report, err := readChunks(in, logline.Parser{}, func(c *chunk) error { body += c.body.String(); return nil })
			require.NoError(t, err)
			require.Equal(t, lineReport{lines: 3}, report)
			require.Equal(t, `{"message":"2026-05-01 08:00:00 ERROR 无法 😀\n\tat a.B","timestamp":"2026-05-01T08:00:00Z","level":"error"}`+"\n"+
				`{"message":"2026-05-01 08:00:01 INFO x","timestamp":"2026-05-01T08:00:01Z","level":"info"}`+"\n", body)
		})
	}
}

func TestADictionaryOfXZIsBounded(t *testing.T) {
	t.Parallel()
	// The head of a block whose dictionary has 128 MiB.
	head := []byte(xzText[:24])
	head[16] = 30
	binary.LittleEndian.PutUint32(head[20:], crc32.ChecksumIEEE(head[12:20]))
	in := input{name: "in", open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(head) + xzText[24:])), nil }}
	_, err := readChunks(in, logline.Parser{}, func(*chunk) error { return nil })
	require.ErrorContains(t, err, "dictionary")
}

func TestNULsArePassedOver(t *testing.T) {
	t.Parallel()
	hole := strings.Repeat("\x00", 3<<20)
	for text, want := range map[string]int{
		hole + "2026-05-01 08:00:00 INFO x\ny\n":      2,
		"x\n" + hole[:5000] + "2026-05-01 ERROR y\nz": 3,
		hole:                          0,
		strings.Repeat("x\x00", 5000): -1,
		"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00>\x00\x01": -1,
	} {
		in := input{name: "in", open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
		report, err := readChunks(in, logline.Parser{}, func(c *chunk) error {
			require.NotContains(t, c.body.String(), "\\u0000")
			return nil
		})
		if want < 0 {
			require.ErrorContains(t, err, "looks like a binary file")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, lineReport{lines: want}, report)
	}
}

func TestBrokenUTF16IsMended(t *testing.T) {
	t.Parallel()
	// A first half before a letter, a second half alone, a first half at the end,
	// and a byte too many.
	r := utf16Text.NewDecoder().Reader(strings.NewReader("\xff\xfe\x3d\xd8a\x00\x00\xdeb\x00\x3d\xd8x"))
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "\uFFFDa\uFFFDb\uFFFD\uFFFD", string(out))
}

func TestReadingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	silent, writer := io.Pipe()
	done := make(chan struct{})
	t.Cleanup(func() { close(done); _ = writer.Close() })
	for name, open := range map[string]func() (io.ReadCloser, error){
		"a pipe without a writer":     func() (io.ReadCloser, error) { <-done; return silent, nil },
		"a pipe whose writer is mute": func() (io.ReadCloser, error) { return silent, nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(10*time.Millisecond, cancel)
			f, err := input{name: "p", open: open}.until(ctx).open()
			if err == nil {
				_, err = io.ReadAll(f)
			}
			require.ErrorIs(t, err, context.Canceled)
		})
	}
	f, err := input{open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("all")), nil }}.until(t.Context()).open()
	require.NoError(t, err)
	all, err := io.ReadAll(f)
	require.NoError(t, err)
	require.Equal(t, "all", string(all))
}
