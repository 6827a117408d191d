package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unicode/utf8"

	"logsift/domain"
)

// Limits of reading logs.
const (
	// chunkLines and chunkBytes bound what is sent in one request.
	chunkLines = 5000
	chunkBytes = 4 << 20
	// sniffBytes are looked at to tell a binary file from a log.
	sniffBytes = 8 << 10
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

// chunk is some lines of an input, ready to be sent.
type chunk struct {
	lines bytes.Buffer
	count int
}

// lineReport tells what reading an input met.
type lineReport struct {
	// lines were read, blank ones not counted; tooLong were left out, the first
	// of them at line firstLong; mended had bytes that are no UTF-8.
	lines, tooLong, mended int
	firstLong              int
}

// readChunks reads lines and gives them to send in chunks. gzip is recognised by
// its first bytes. A line longer than a log message may be is left out and
// counted, at no cost in memory; bytes that are no UTF-8 become U+FFFD.
func readChunks(in input, send func(*chunk) error) (lineReport, error) {
	var report lineReport
	f, err := in.open()
	if err != nil {
		return report, fmt.Errorf("cannot read %s: %w", in.name, reason(err))
	}
	defer func() { _ = f.Close() }() // Only read from: nothing is lost.
	r := bufio.NewReaderSize(f, 64<<10)
	if magic, _ := r.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(r)
		if err != nil {
			return report, fmt.Errorf("cannot read %s as gzip: %w", in.name, err)
		}
		r = bufio.NewReaderSize(z, 64<<10)
	}
	if head, _ := r.Peek(sniffBytes); bytes.IndexByte(head, 0) >= 0 {
		return report, fmt.Errorf("%s looks like a binary file: analyze reads text logs, plain or gzipped", in.name)
	}
	c := &chunk{}
	number := 0
	for {
		line, long, err := readLine(r)
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return report, fmt.Errorf("cannot read %s after line %d: %w", in.name, number, err)
		}
		if ended && len(line) == 0 && !long {
			break
		}
		number++
		switch {
		case long:
			if report.tooLong++; report.tooLong == 1 {
				report.firstLong = number
			}
		case len(bytes.TrimSpace(line)) > 0:
			report.lines++
			if !utf8.Valid(line) {
				report.mended++
				line = bytes.ToValidUTF8(line, []byte("\uFFFD"))
			}
			c.lines.Write(line)
			c.lines.WriteByte('\n')
			c.count++
		}
		if c.count >= chunkLines || c.lines.Len() >= chunkBytes {
			if err := send(c); err != nil {
				return report, err
			}
			c = &chunk{}
		}
		if ended {
			break
		}
	}
	if c.count > 0 {
		return report, send(c)
	}
	return report, nil
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
