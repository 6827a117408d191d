package follow

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"logsift/domain"
	"logsift/domain/logline"
)

const (
	// fingerprintBytes of the first line tell files apart that got the same inode.
	fingerprintBytes = 256
	// tailBytes before the offset tell whether a file was written anew.
	tailBytes = 64
)

// followed is a file that is followed: what was opened, whatever its name is now.
type followed struct {
	position
	file *os.File
	// size is what the file had when it was last looked at, grown when it changed.
	size  int64
	grown time.Time
	// gone is since when no pattern finds the file any more; zero if one does.
	gone time.Time
	// skipping is whether a line that is too long has not ended yet.
	skipping bool
}

// surveyBytes are looked at, at both ends of a batch and if need be of the file up to its
// end, for the dates of its lines.
const surveyBytes = 64 << 10

// batch is what is read of a file for one request.
type batch struct {
	entries []domain.LogEntry
	starts  []int64 // where each entry begins
	// end is where the batch ends in the file; full is whether more follows.
	end      int64
	full     bool
	skipping bool
	order    logline.DateOrder
}

// key is that of the request that begins at the file's offset: what makes the
// server know a repeat.
func (f *followed) key() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d %s %d", f.Device, f.Inode, f.Generation, f.Fingerprint, f.Offset))
	return fmt.Sprintf("follow-%x", sum[:16])
}

// batch reads the entries that are complete. last is whether no more is awaited.
// What it returns for the bytes from the offset to a pending end depends on the clock and
// the bytes of the file before that end alone, so that a repeat has the same entries.
func (f *followed) batch(w *follower, last bool) (batch, error) {
	now := time.Now()
	if err := f.look(w, now); err != nil {
		return batch{}, err
	}
	last = last || !f.gone.IsZero() && now.Sub(f.gone) >= rotationGrace
	b := batch{end: f.Offset, skipping: f.skipping}
	n := min(f.size-f.Offset, batchBytes)
	exact := f.Pending > f.Offset && f.Pending <= f.size
	if exact {
		n = f.Pending - f.Offset
	}
	if n == 0 {
		return b, nil
	}
	buf := make([]byte, n)
	if _, err := f.file.ReadAt(buf, f.Offset); err != nil && !errors.Is(err, io.EOF) {
		return b, err
	}
	if f.Fingerprint == "" && !f.identify(buf, last || exact) {
		return b, nil // The first line is not complete yet.
	}
	atEnd := f.Offset+n == f.size
	f.split(w, &b, buf, now, exact || last && atEnd, exact || atEnd && (last || now.Sub(f.grown) >= joinWait), exact)
	b.full = !atEnd || b.full
	if b.end == f.Offset && n == batchBytes {
		w.Note("logsift: %s: a line longer than %d bytes is left out, at byte %d", f.Path, domain.MaxLogMessage, f.Offset)
		b.end, b.skipping, b.full = f.Offset+n, true, true
	}
	f.nextTail = appendTail(f.Tail, buf[:b.end-f.Offset])
	return b, nil
}

// split makes entries of the lines of buf. partial is whether a last line without
// its end is taken, flush whether the last entries are complete; all takes as many
// entries as there are.
func (f *followed) split(w *follower, b *batch, buf []byte, now time.Time, partial, flush, all bool) {
	parser := w.Parser
	parser.Dates = f.dates(parser, buf, now)
	if all { // A repeat: what is behind the batch, and told the order then, is not in buf.
		parser.Dates.SetOrder(f.DateOrder)
	}
	b.order = parser.Dates.Order()
	joiner := logline.Joiner{Parser: parser.Fork()}
	var joined []logline.Joined
	var starts []int64 // of the lines
	at := 0
	for at < len(buf) && (all || len(joined) < batchEntries) {
		if !b.skipping {
			at = len(buf) - len(bytes.TrimLeft(buf[at:], "\x00"))
		}
		n := bytes.IndexByte(buf[at:], '\n')
		next := at + n + 1
		if n < 0 {
			if !partial {
				break
			}
			n, next = len(buf)-at, len(buf)
		}
		line, start := buf[at:at+n], f.Offset+int64(at)
		at = next
		starts = append(starts, start)
		text := ""
		switch {
		case b.skipping:
			b.skipping = false
		case n > domain.MaxLogMessage:
			w.Note("logsift: %s: a line longer than %d bytes is left out, at byte %d", f.Path, domain.MaxLogMessage, start)
		default:
			text = lineText(line, start)
		}
		joined = append(joined, joiner.Add(text, now)...)
	}
	full := !all && len(joined) >= batchEntries
	b.end = f.Offset + int64(at)
	starts = append(starts, b.end)
	if oldest, open := joiner.Oldest(); open {
		whole, end := before(joined, oldest)
		if full || !flush && (len(whole) > 0 || b.end == f.size) {
			joined, b.end, b.full = whole, starts[end], full
		} else {
			joined = append(joined, joiner.Flush()...)
		}
	}
	if taken := buf[:b.end-f.Offset]; len(taken) < len(buf) {
		parser.Dates = f.dates(parser, taken, now)
		parser.Dates.SetOrder(b.order)
	}
	slices.SortFunc(joined, func(x, y logline.Joined) int { return x.First - y.First })
	for _, done := range joined {
		b.entries = append(b.entries, parser.Parse(done.Text, now))
		b.starts = append(b.starts, starts[done.First])
	}
}

// dates is what the lines of a batch say of its times, and those of the whole file before
// its end where the batch does not say whether day or month comes first.
func (f *followed) dates(parser logline.Parser, buf []byte, now time.Time) *logline.Dates {
	head := min(len(buf), surveyBytes)
	dates := logline.Survey(parser, string(buf[:head]), string(buf[max(head, len(buf)-surveyBytes):]), now)
	if f.Offset == 0 || !dates.Ambiguous() {
		return dates
	}
	read := func(from, to int64) string {
		part := make([]byte, to-from)
		n, _ := f.file.ReadAt(part, from) // What cannot be read says nothing.
		return string(part[:n])
	}
	end := f.Offset + int64(len(buf))
	begin := min(f.Offset, surveyBytes)
	dates.SetOrder(logline.Survey(parser, read(0, begin), read(max(begin, end-surveyBytes), end), now).Order())
	return dates
}

// before returns the entries that lie whole before a line, and the number of the line
// that nothing of them and of those before it lies behind: entries of a container's two
// streams may overlap.
func before(joined []logline.Joined, line int) ([]logline.Joined, int) {
	for {
		first := line
		whole := joined[:0:0]
		for _, done := range joined {
			if done.Last < line {
				whole = append(whole, done)
			} else {
				first = min(first, done.First)
			}
		}
		if first == line {
			return whole, line
		}
		joined, line = whole, first
	}
}

// lineText is a line as text, without a byte order mark.
func lineText(line []byte, start int64) string {
	if start == 0 {
		line = bytes.TrimPrefix(line, []byte("\uFEFF"))
	}
	return logline.Text(string(line))
}

// look notes how the file changed, and begins anew if it was truncated.
func (f *followed) look(w *follower, now time.Time) error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() != f.size {
		f.size, f.grown = info.Size(), now
	}
	same := f.size >= f.Offset
	if same && len(f.Tail) > 0 {
		tail := make([]byte, len(f.Tail))
		if _, err := f.file.ReadAt(tail, f.Offset-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		same = bytes.Equal(tail, f.Tail)
	}
	if !same {
		w.Note("logsift: %s was truncated: reading it from its start", f.Path)
		f.Generation++
		f.Offset, f.Pending, f.DateOrder, f.Fingerprint, f.Tail, f.skipping = 0, 0, 0, "", nil, false
	}
	return nil
}

// identify takes the fingerprint of the file, if its first line is complete.
func (f *followed) identify(buf []byte, partial bool) bool {
	head := buf
	if f.Offset > 0 {
		head = make([]byte, fingerprintBytes)
		n, err := f.file.ReadAt(head, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return false
		}
		head = head[:n]
	}
	mark, ok := fingerprint(head, partial)
	f.Fingerprint = mark
	return ok
}

// fingerprint is the fingerprint of a file that begins with head.
func fingerprint(head []byte, partial bool) (string, bool) {
	head = head[:min(len(head), fingerprintBytes)]
	if i := bytes.IndexByte(head, '\n'); i >= 0 {
		head = head[:i+1]
	} else if len(head) < fingerprintBytes && !partial {
		return "", false
	}
	return fmt.Sprintf("%d:%x", len(head), sha256.Sum256(head)), true
}

// appendTail returns the last bytes of what was read.
func appendTail(tail, read []byte) []byte {
	out := slices.Concat(tail, read[max(0, len(read)-tailBytes):])
	return out[max(0, len(out)-tailBytes):]
}

// discover opens files that the patterns find anew, and forgets those that were
// rotated away and read to their end. first is at the start, where files that are
// there already are not new.
func (f *follower) discover(first bool) error {
	found := map[[2]uint64]bool{}
	for _, pattern := range f.Patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("%q is not a pattern of file names: %w", pattern, err)
		}
		for _, path := range paths {
			info, err := os.Stat(path)
			if err != nil || !info.Mode().IsRegular() || matchedLink(pattern, path) {
				continue // It is gone again, or nothing to follow.
			}
			id := fileID(info)
			if found[id] {
				continue
			}
			found[id] = true
			if !f.follows(id) {
				f.open(path, id, first)
			}
		}
	}
	if first {
		f.openRotated(found)
	}
	now := time.Now()
	f.files = slices.DeleteFunc(f.files, func(file *followed) bool {
		switch {
		case found[file.id()]:
			file.gone = time.Time{}
			return false
		case file.gone.IsZero():
			file.gone = now
			return false
		case now.Sub(file.gone) < rotationGrace:
			return false
		}
		info, err := file.file.Stat()
		if err == nil && info.Size() > file.Offset {
			return false
		}
		_ = file.file.Close() // Only read from.
		return true
	})
	return f.save()
}

// matchedLink reports whether a name that the pattern's wildcards stand for is a symbolic
// link: whoever may write in such a folder could have any file read by it. A link that
// is named is followed.
func matchedLink(pattern, path string) bool {
	pattern = filepath.Clean(pattern) // as Glob does with what it finds
	wild := strings.IndexAny(pattern, `*?[\`)
	if wild < 0 || path == pattern {
		return false
	}
	named := strings.Count(pattern[:wild], string(filepath.Separator)) // parts of the path before the first wildcard
	parts := strings.Split(path, string(filepath.Separator))
	for n := named + 1; n <= len(parts); n++ {
		info, err := os.Lstat(strings.Join(parts[:n], string(filepath.Separator)))
		if err != nil || info.Mode()&os.ModeSymlink != 0 {
			return true
		}
	}
	return false
}

func (f *follower) follows(id [2]uint64) bool {
	return slices.ContainsFunc(f.files, func(file *followed) bool { return file.id() == id })
}

// open begins to follow a file, where it was left if that is known.
func (f *follower) open(path string, id [2]uint64, first bool) {
	file, err := os.Open(path) //nolint:gosec // The user names the files.
	if err != nil {
		if first {
			f.Note("logsift: cannot read %s: %v", path, reason(err))
		}
		return
	}
	next := &followed{file: file, grown: time.Now()}
	info, err := file.Stat()
	if err != nil || fileID(info) != id {
		_ = file.Close() // It was replaced meanwhile; the next look finds the new one.
		return
	}
	next.position = position{Device: id[0], Inode: id[1], Path: path, Source: filepath.Base(path)}
	if i := slices.IndexFunc(f.saved, func(p position) bool { return p.id() == id && p.isOf(file) }); i >= 0 {
		next.position = f.saved[i]
		next.Path = path
		f.saved = slices.Delete(f.saved, i, i+1)
	} else if first && !f.FromStart {
		next.Offset = lastLine(file, info.Size())
		next.Tail = readTail(file, next.Offset)
	}
	f.files = append(f.files, next)
	f.Note("logsift: following %s from byte %d", path, next.Offset)
}

// openRotated looks for files that were rotated while follow was not running,
// beside the names that they had.
func (f *follower) openRotated(found map[[2]uint64]bool) {
	for _, p := range slices.Clone(f.saved) {
		if found[p.id()] {
			continue
		}
		dir := filepath.Dir(p.Path)
		names, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, name := range names {
			if info, err := name.Info(); err == nil && info.Mode().IsRegular() && fileID(info) == p.id() {
				f.open(filepath.Join(dir, name.Name()), p.id(), true)
			}
		}
	}
	for _, p := range f.saved {
		f.Note("logsift: %s is not there any more; what was not sent of it is lost", p.Path)
	}
	f.saved = nil
}

// lastLine is where the line begins that has no end yet, or the end of the file.
func lastLine(file *os.File, size int64) int64 {
	buf := make([]byte, min(size, domain.MaxLogMessage))
	n, err := file.ReadAt(buf, size-int64(len(buf)))
	if err != nil && !errors.Is(err, io.EOF) {
		return size
	}
	if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
		return size - int64(len(buf)) + int64(i) + 1
	}
	return size - int64(len(buf))
}

func readTail(file *os.File, offset int64) []byte {
	buf := make([]byte, min(offset, tailBytes))
	if _, err := file.ReadAt(buf, offset-int64(len(buf))); err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	return buf
}

// reason is an error without the path, which the notes name.
func reason(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
