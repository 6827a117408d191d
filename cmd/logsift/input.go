package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"logsift/domain"
)

// Limits of reading logs.
const (
	// chunkLines and chunkBytes bound what is sent in one request.
	chunkLines = 5000
	chunkBytes = 4 << 20
	// sniffBytes are looked at to tell a binary file from a log.
	sniffBytes = 8 << 10
	// zstdWindow is what RFC 8878 asks decoders to support, so that a file cannot
	// ask for more memory.
	zstdWindow = 8 << 20
)

// input is a log to read: a file, or standard input.
type input struct {
	// name is shown and becomes the source of the entries.
	name string
	open func() (io.ReadCloser, error)
	size int64
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
	return input{
		name: filepath.Base(path), size: info.Size(),
		open: func() (io.ReadCloser, error) { return os.Open(path) }, //nolint:gosec // The user names the file.
	}, nil
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

// mediaType is that of the body.
func (c *chunk) mediaType() string {
	if c.plain {
		return "text/plain; charset=utf-8"
	}
	return "application/x-ndjson"
}

// chunker makes chunks of lines.
type chunker struct {
	parser domain.LogParser
	joiner domain.LineJoiner
	now    time.Time
	send   func(*chunk) error
	chunk  *chunk
}

// line takes the next line.
func (c *chunker) line(text string) error {
	if done, ok := c.joiner.Add(text, c.now); ok {
		return c.entry(done)
	}
	return nil
}

// end sends what is left.
func (c *chunker) end() error {
	if done, ok := c.joiner.Flush(); ok {
		if err := c.entry(done); err != nil {
			return err
		}
	}
	return c.flush()
}

// entry puts an entry into the chunk, and sends the chunk if it is full.
func (c *chunker) entry(done domain.JoinedLines) error {
	e := c.parser.ParseLine(done.Text, c.now)
	before := c.chunk.body.Len()
	enc := json.NewEncoder(&c.chunk.body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(jsonEntryOf(&e)); err != nil {
		return fmt.Errorf("encode a line: %w", err)
	}
	if c.chunk.body.Len()-before > domain.MaxLogMessage {
		c.chunk.body.Truncate(before)
		if err := c.flush(); err != nil {
			return err
		}
		c.chunk.plain = true
		c.chunk.body.WriteString(done.Text + "\n")
		c.chunk.entries, c.chunk.lines = 1, done.Lines
		return c.flush()
	}
	c.chunk.entries++
	c.chunk.lines += done.Lines
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

// openText opens an input as UTF-8 text: gzip and zstd are recognised by their first
// bytes, UTF-16 by its byte order mark.
func openText(in input) (r *bufio.Reader, closer func(), err error) {
	f, err := in.open()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read %s: %w", in.name, reason(err))
	}
	closer = func() { _ = f.Close() } // Only read from: nothing is lost.
	const size = 64 << 10
	r = bufio.NewReaderSize(f, size)
	head, _ := r.Peek(4) // An error is met again by the next read.
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(r)
		if err != nil {
			closer()
			return nil, nil, fmt.Errorf("cannot read %s as gzip: %w", in.name, err)
		}
		r = bufio.NewReaderSize(z, size)
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
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
		_, _ = r.Discard(2) // As above.
		r = bufio.NewReaderSize(&utf16Reader{src: r, big: head[0] == 0xfe}, size)
	}
	return r, closer, nil
}

// readChunks reads lines, joins those that are one entry, and gives the entries to
// send in chunks. A line longer than a log message may be is left out and counted,
// at no cost in memory; bytes that are no UTF-8 become U+FFFD.
func readChunks(in input, format domain.LogFormat, send func(*chunk) error) (lineReport, error) {
	var report lineReport
	r, closer, err := openText(in)
	if err != nil {
		return report, err
	}
	defer closer()
	if head, _ := r.Peek(sniffBytes); bytes.IndexByte(head, 0) >= 0 {
		return report, fmt.Errorf("%s looks like a binary file: analyze reads text logs, plain or compressed", in.name)
	}
	parser := domain.LogParser{Format: format}
	c := &chunker{parser: parser, joiner: domain.LineJoiner{Parser: parser}, now: time.Now(), send: send, chunk: &chunk{}}
	for number := 0; ; number++ {
		line, long, err := readLine(r)
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return report, errors.Join(fmt.Errorf("cannot read %s after line %d: %w", in.name, number, err), c.end())
		}
		if ended && len(line) == 0 && !long {
			break
		}
		if err := c.line(report.text(line, long, number+1)); err != nil {
			return report, err
		}
		if ended {
			break
		}
	}
	return report, c.end()
}

// text counts a line, and returns it as text; "" if it is left out.
func (l *lineReport) text(line []byte, long bool, number int) string {
	if long {
		if l.tooLong++; l.tooLong == 1 {
			l.firstLong = number
		}
		return ""
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return ""
	}
	l.lines++
	if !utf8.Valid(line) {
		l.mended++
		line = bytes.ToValidUTF8(line, []byte("\uFFFD"))
	}
	return string(line)
}

// readLine reads a line without its end. Of a line that is too long it reads on
// to the end, keeps nothing and says so. The slice is the caller's.
func readLine(r *bufio.Reader) (line []byte, long bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if !long && len(line)+len(part) > domain.MaxLogMessage+len("\r\n") {
			line, long = nil, true
		}
		if !long {
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) > domain.MaxLogMessage {
			line, long = nil, true
		}
		return line, long, err
	}
}

// tooLongText tells a person of the lines that were left out.
func (l lineReport) tooLongText(name string) string {
	return fmt.Sprintf("%s: %s longer than %d bytes left out, the first is line %d", name, plural(l.tooLong, "line"), domain.MaxLogMessage, l.firstLong)
}
