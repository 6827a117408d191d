package main

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
	"golang.org/x/text/encoding/unicode"

	"logsift/domain"
	"logsift/domain/logline"
)

// Limits of reading logs.
const (
	// chunkLines and chunkBytes bound what is sent in one request.
	chunkLines = 5000
	chunkBytes = 4 << 20
	// sniffBytes are looked at to tell a binary file from a log.
	sniffBytes = 8 << 10
	// endBytes are looked at for the dates of the last lines.
	endBytes = 64 << 10
	// zstdWindow is what RFC 8878 asks decoders to support, so that a file cannot
	// ask for more memory.
	zstdWindow = 8 << 20
	// xzDictionary is what xz -9 makes, for the same reason.
	xzDictionary = 64 << 20
)

// utf16Text has a byte order mark. Its decoder mends what is no UTF-16 with U+FFFD.
var utf16Text = unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM)

// input is a log to read: a file, or standard input.
type input struct {
	// name is shown and becomes the source of the entries.
	name string
	open func() (io.ReadCloser, error)
	size int64
	// path is that of a file, "" for what is none; modified is when it was written last.
	path     string
	modified time.Time
}

// inputs checks the arguments of analyze: files that exist and can be read, or
// "-" for standard input. All that is wrong is told, not only the first.
func (e *environment) inputs(args []string) ([]input, error) {
	var out []input
	var errs []error
	for _, arg := range args {
		if arg == "-" {
			out = append(out, input{name: "stdin", open: func() (io.ReadCloser, error) { return io.NopCloser(e.stdin), nil }, size: -1})
			continue
		}
		in, err := fileInput(arg)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, in)
	}
	return out, errors.Join(errs...)
}

func fileInput(path string) (input, error) {
	info, err := os.Stat(path)
	if err != nil {
		return input{}, fmt.Errorf("cannot read %s: %w", path, reason(err))
	}
	if info.IsDir() {
		return input{}, fmt.Errorf("cannot read %s: it is a folder; name the files in it", path)
	}
	if info.Mode().IsRegular() && info.Size() == 0 {
		return input{}, fmt.Errorf("%s is empty: there is nothing to analyse", path)
	}
	// What is no file, such as a pipe, can be opened only once.
	if info.Mode().IsRegular() {
		f, err := os.Open(path) //nolint:gosec // The user names the file.
		if err != nil {
			return input{}, fmt.Errorf("cannot read %s: %w", path, reason(err))
		}
		if err := f.Close(); err != nil {
			return input{}, fmt.Errorf("cannot read %s: %w", path, reason(err))
		}
	}
	in := input{
		name: filepath.Base(path), size: info.Size(), modified: info.ModTime(),
		open: func() (io.ReadCloser, error) { return os.Open(path) }, //nolint:gosec // The user names the file.
	}
	if info.Mode().IsRegular() {
		in.path = path
	}
	return in, nil
}

// until returns the input as one whose opening and reading end with ctx, also where the
// writer of a pipe never comes or never writes. The goroutine of a read that nothing ends
// is left to the end of the program.
func (in input) until(ctx context.Context) input {
	open := in.open
	in.open = func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		stop := context.AfterFunc(ctx, func() { _ = w.CloseWithError(ctx.Err()) })
		opened := make(chan error, 1)
		go func() {
			defer stop()
			f, err := open()
			opened <- err
			if err != nil {
				return
			}
			_, err = io.Copy(w, f)
			_ = f.Close() // Only read from.
			_ = w.CloseWithError(err)
		}()
		select {
		case err := <-opened:
			return r, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return in
}

// end returns the last of a file behind so many bytes, for the dates of its lines; "" if it
// cannot be had. That of a compressed file says nothing.
func (in input) end(from int) string {
	if in.path == "" || in.size <= int64(from) {
		return ""
	}
	f, err := os.Open(in.path)
	if err != nil {
		return ""
	}
	defer f.Close() //nolint:errcheck // Only read from.
	at := max(int64(from), in.size-endBytes)
	buf := make([]byte, in.size-at)
	n, _ := f.ReadAt(buf, at) // What there is, is enough.
	return string(buf[:n])
}

// written is when the input was written last.
func (in input) written(now time.Time) time.Time {
	if in.path == "" || in.modified.After(now) {
		return now
	}
	return in.modified
}

// reason takes the path off an error that will be printed with it.
func reason(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// chunk is some entries of an input, ready to be sent.
type chunk struct {
	body bytes.Buffer
	// entries are in the body, made of lines.
	entries, lines int
	// plain is whether the body is text, because the one entry in it would be too
	// long as JSON.
	plain bool
}

// mediaType is the media type of the body.
func (c *chunk) mediaType() string {
	if c.plain {
		return "text/plain; charset=utf-8"
	}
	return "application/x-ndjson"
}

// chunker makes chunks of entries.
type chunker struct {
	send  func(*chunk) error
	chunk *chunk
}

// entry puts an entry, made of some lines, into the chunk, and sends the chunk if it is
// full.
func (c *chunker) entry(e *domain.LogEntry, lines int) error {
	before := c.chunk.body.Len()
	enc := json.NewEncoder(&c.chunk.body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(jsonEntryOf(e)); err != nil {
		return fmt.Errorf("encode a line: %w", err)
	}
	if c.chunk.body.Len()-before > domain.MaxLogMessage {
		c.chunk.body.Truncate(before)
		if err := c.flush(); err != nil {
			return err
		}
		c.chunk.plain = true
		c.chunk.body.WriteString(e.Message + "\n")
		c.chunk.entries, c.chunk.lines = 1, lines
		return c.flush()
	}
	c.chunk.entries++
	c.chunk.lines += lines
	if c.chunk.entries >= chunkLines || c.chunk.body.Len() >= chunkBytes {
		return c.flush()
	}
	return nil
}

func (c *chunker) flush() error {
	full := c.chunk
	c.chunk = &chunk{}
	if full.entries == 0 {
		return nil
	}
	return c.send(full)
}

// lineReport tells what reading an input met.
type lineReport struct {
	// lines were read, blank ones not counted; tooLong were left out, the first
	// of them at line firstLong; mended had bytes that are no UTF-8.
	lines, tooLong, mended int
	firstLong              int
}

// openText opens an input as UTF-8 text: gzip, bzip2, xz and zstd are recognised
// by their first bytes, UTF-16 by its byte order mark.
func openText(in input) (r *bufio.Reader, closer func(), err error) {
	f, err := in.open()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read %s: %w", in.name, reason(err))
	}
	closer = func() { _ = f.Close() } // Only read from: nothing is lost.
	const size = 64 << 10
	r = bufio.NewReaderSize(f, size)
	head, _ := r.Peek(10) // An error is met again by the next read.
	switch {
	case len(head) == 10 && bytes.HasPrefix(head, []byte("BZh")) && string(head[4:]) == "1AY&SY":
		r = bufio.NewReaderSize(bzip2.NewReader(r), size)
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		z, err := xz.NewReader(r, xzDictionary)
		if err != nil {
			closer()
			return nil, nil, fmt.Errorf("cannot read %s as xz: %w", in.name, err)
		}
		r = bufio.NewReaderSize(z, size)
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(r)
		if err != nil {
			closer()
			return nil, nil, fmt.Errorf("cannot read %s as gzip: %w", in.name, err)
		}
		r = bufio.NewReaderSize(z, size)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			closer()
			return nil, nil, fmt.Errorf("cannot read %s as zstd: %w", in.name, err)
		}
		r = bufio.NewReaderSize(z, size)
		closer = func() {
			z.Close()
			_ = f.Close() // As above.
		}
	}
	switch head, _ := r.Peek(3); {
	case bytes.Equal(head, []byte("\uFEFF")):
		_, _ = r.Discard(len(head)) // They were just seen.
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		r = bufio.NewReaderSize(utf16Text.NewDecoder().Reader(r), size)
	}
	return r, closer, nil
}

// readChunks reads the entries of an input and gives them to send in chunks.
func readChunks(in input, parser logline.Parser, send func(*chunk) error) (lineReport, error) {
	c := &chunker{chunk: &chunk{}}
	var refused error
	c.send = func(full *chunk) error {
		refused = send(full)
		return refused
	}
	report, err := readEntries(in, parser, c.entry)
	if refused != nil {
		return report, refused
	}
	return report, errors.Join(err, c.flush())
}

// readEntries reads lines, joins those that are one entry, and gives each entry to
// take, with the number of its lines; what they do not say of their times is told by
// when the input was written. A line longer than a log message may be is left
// out and counted, at no cost in memory; bytes that are no UTF-8 become U+FFFD.
func readEntries(in input, parser logline.Parser, take func(e *domain.LogEntry, lines int) error) (lineReport, error) {
	var report lineReport
	r, closer, err := openText(in)
	if err != nil {
		return report, err
	}
	defer closer()
	if err := skipNULs(r); err != nil {
		return report, fmt.Errorf("cannot read %s: %w", in.name, reason(err))
	}
	if head, _ := r.Peek(sniffBytes); looksBinary(head) {
		return report, fmt.Errorf("%s looks like a binary file: analyze reads text logs, plain or compressed", in.name)
	}
	now := in.written(time.Now())
	head, _ := r.Peek(r.Buffered()) // It is there.
	parser.Dates = logline.Survey(parser, string(head), in.end(len(head)), now)
	joiner := logline.Joiner{Parser: parser}
	var e domain.LogEntry
	entries := func(done []logline.Joined) error {
		for i := range done {
			e = done[i].Entry()
			if err := take(&e, done[i].Lines); err != nil {
				return err
			}
		}
		return nil
	}
	lines := lineReader{r: r}
	for number := 0; ; number++ {
		line, long, err := lines.next()
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return report, errors.Join(fmt.Errorf("cannot read %s after line %d: %w", in.name, number, err), entries(joiner.Flush()))
		}
		if ended && line == "" && !long {
			break
		}
		if err := entries(joiner.Add(report.text(line, long, number+1), now)); err != nil {
			return report, err
		}
		if ended {
			break
		}
	}
	return report, entries(joiner.Flush())
}

// text counts a line, and returns it as valid text; "" if it is left out.
func (l *lineReport) text(line string, long bool, number int) string {
	if long {
		if l.tooLong++; l.tooLong == 1 {
			l.firstLong = number
		}
		return ""
	}
	text := logline.Text(line)
	if strings.TrimSpace(text) == "" {
		return ""
	}
	l.lines++
	if !utf8.ValidString(line) {
		l.mended++
	}
	return text
}

// skipNULs passes over the hole that a file begins with if it was truncated while its
// writer went on.
func skipNULs(r *bufio.Reader) error {
	for {
		head, err := r.Peek(1)
		if len(head) == 0 || head[0] != 0 {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return err
		}
		head, _ = r.Peek(r.Buffered()) // They are there.
		_, _ = r.Discard(len(head) - len(bytes.TrimLeft(head, "\x00")))
	}
}

// looksBinary reports whether one of a hundred bytes is NUL, holes not counted: runs of
// NULs that are longer than those in the heads of binary formats.
func looksBinary(head []byte) bool {
	const hole = 64
	nuls, bytesLeft := 0, len(head)
	for i := 0; i < len(head); {
		run := len(head[i:]) - len(bytes.TrimLeft(head[i:], "\x00"))
		switch {
		case run >= hole:
			bytesLeft -= run
		default:
			nuls += run
		}
		i += max(run, 1)
	}
	return nuls*100 > bytesLeft
}

// lineReader reads lines. It is used by one goroutine.
type lineReader struct {
	r   io.Reader
	buf []byte
	// text are whole lines, rest is the begin of the one behind them.
	text string
	rest []byte
	// skips is whether that one is too long, of which nothing is kept; skipped is
	// whether such a one came before text.
	skips, skipped bool
	err            error
}

// next returns the next line without its end and the NULs it begins with; the last one
// comes with the error. Of a line that is too long it keeps nothing and says so.
func (l *lineReader) next() (line string, long bool, err error) {
	for {
		if l.skipped {
			l.skipped = false
			return "", true, nil
		}
		if i := strings.IndexByte(l.text, '\n'); i >= 0 {
			line, l.text = l.text[:i], l.text[i+1:]
			break
		}
		if l.err != nil {
			if err = l.err; l.skips {
				return "", true, err
			}
			line = string(l.rest)
			break
		}
		l.fill()
	}
	line = strings.TrimLeft(strings.TrimRight(line, "\r"), "\x00")
	if len(line) > domain.MaxLogMessage {
		return "", true, err
	}
	return line, false, err
}

// fill reads on: all whole lines become one string, of which they are parts.
func (l *lineReader) fill() {
	if l.buf == nil {
		l.buf = make([]byte, 64<<10)
	}
	var n int
	n, l.err = l.r.Read(l.buf)
	data := l.buf[:n]
	if l.skips {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			return
		}
		l.skips, l.skipped = false, true
		data = data[end+1:]
	}
	end := bytes.LastIndexByte(data, '\n') + 1
	if end > 0 {
		var text strings.Builder
		text.Grow(len(l.rest) + end)
		text.Write(l.rest)
		text.Write(data[:end])
		l.text, l.rest = text.String(), l.rest[:0]
	}
	data = data[end:]
	if len(l.rest) == 0 {
		data = bytes.TrimLeft(data, "\x00") // A hole may be longer than a line.
	}
	l.rest = append(l.rest, data...)
	if len(l.rest) > domain.MaxLogMessage+len("\r\n") {
		l.rest, l.skips = nil, true
	}
}

// tooLongText tells a person of the lines that were left out.
func (l lineReport) tooLongText(name string) string {
	return fmt.Sprintf("%s: %s longer than %d bytes left out, the first is line %d", name, plural(l.tooLong, "line"), domain.MaxLogMessage, l.firstLong)
}
