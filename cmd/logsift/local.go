package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/s2"

	"logsift/bootstrap"
	"logsift/domain"
	"logsift/domain/logline"
)

// local analyses logs of which nothing is to be kept: the entries go straight to the
// built-in analyser, part by part.
type local struct {
	analyzer *bootstrap.Analyzer
	progress *progress
	parser   logline.Parser
	// verb says what is done with the logs.
	verb string
	// req is what is asked of each part, which has at most partLines entries.
	req       domain.AnalysisRequest
	partLines int

	part  *bootstrap.Analysis
	texts *texts
	// lines is how many entries of the part there are.
	lines  int
	report *report
}

// partBytes bounds the compressed text of a part.
const partBytes = 64 << 20

// run reads the inputs and puts together what their analysis finds.
func (l *local) run(ctx context.Context, inputs []input) (*report, error) {
	defer l.progress.clear()
	l.report = newReport()
	l.report.times = map[string][]time.Time{}
	for _, in := range inputs {
		if err := l.read(ctx, in); err != nil {
			return nil, err
		}
	}
	if l.report.Entries == 0 {
		return nil, errNoLines(l.report)
	}
	if err := l.judge(ctx); err != nil {
		return nil, err
	}
	l.report.CreatedAt = time.Now().UTC().Truncate(time.Second)
	l.report.finish()
	return l.report, nil
}

// read analyses one input. What is wrong with the input is noted in the report.
func (l *local) read(ctx context.Context, in input) error {
	if !in.regular() {
		in = in.until(ctx)
	}
	var failed error
	var read int64
	now := time.Now()
	lines, err := readEntries(in, l.parser, func(e *domain.LogEntry, _ int) error {
		e.Source, e.ReceivedAt = in.name, now
		read += int64(len(e.Message)) + 1
		failed = l.add(ctx, e)
		if l.lines%chunkLines == 0 {
			l.progress.show("reading "+in.name, read, in.size)
		}
		return failed
	})
	if failed != nil {
		return failed
	}
	if ctx.Err() != nil {
		return fmt.Errorf("read %s: %w", in.name, ctx.Err())
	}
	l.report.addInput(in.name, lines, err)
	return nil
}

// add puts an entry into the part, and judges the part if it is full.
func (l *local) add(ctx context.Context, e *domain.LogEntry) error {
	if l.part == nil {
		l.texts = &texts{first: l.report.Entries}
		l.req.TaskID = uuid.New()
		l.part = l.analyzer.Begin(l.req, l.texts)
	}
	if err := l.part.Add(ctx, e); err != nil {
		return fmt.Errorf("analyse %s: %w", e.Source, err)
	}
	l.texts.add(e.Timestamp, e.Message)
	l.lines++
	l.report.Entries++
	if l.lines >= l.partLines || l.texts.size >= partBytes {
		return l.judge(ctx)
	}
	return nil
}

// judge ends the part and adds what it found to the report.
func (l *local) judge(ctx context.Context) error {
	if l.part == nil {
		return nil
	}
	l.progress.show(l.verb, int64(l.report.Entries), 0)
	result, err := l.part.Finish(ctx)
	if err != nil {
		return fmt.Errorf("analyse the logs: %w", err)
	}
	l.report.add(result)
	for _, a := range result.Anomalies[:min(len(result.Anomalies), timedAnomalies)] {
		if a.Count < 2 {
			continue
		}
		for _, id := range a.LogIDs {
			if at, _ := l.texts.read(l.texts.number(id)); !at.IsZero() {
				l.report.times[a.ID] = append(l.report.times[a.ID], at)
			}
		}
	}
	l.part, l.texts, l.lines = nil, nil, 0
	return nil
}

// texts keeps the times and the messages of entries in compressed blocks. It is used by
// one goroutine.
type texts struct {
	// first is the number of the first entry of all that were read.
	first int
	// open has the messages of the last block, each behind its time in microseconds
	// since 1970, 0 for none, and its length; begun is the number of its first message,
	// count how many there are in all.
	open, packed []byte
	begun, count int
	blocks       []textBlock
	size         int

	// last is the block that was read last, lastN its place.
	last  []byte
	lastN int
}

// textBlock are messages, the first of which has this number.
type textBlock struct {
	first int
	data  []byte
}

// textBlockBytes is how long the messages of a block are together, unless one is longer.
const textBlockBytes = 32 << 10

func (t *texts) add(at time.Time, message string) {
	us := int64(0)
	if !at.IsZero() {
		us = at.UnixMicro()
	}
	t.open = binary.AppendVarint(t.open, us)
	t.open = binary.AppendUvarint(t.open, uint64(len(message)))
	t.open = append(t.open, message...)
	t.count++
	if len(t.open) < textBlockBytes {
		return
	}
	t.packed = s2.Encode(t.packed[:cap(t.packed)], t.open)
	data := slices.Clone(t.packed)
	t.blocks = append(t.blocks, textBlock{t.begun, data})
	t.size += len(data)
	t.open, t.begun = t.open[:0], t.count
}

// ID is the number of an entry among all that were read, beginning with 0, as a UUID of
// version 8 (RFC 9562): nothing is stored under it.
func (t *texts) ID(n int) domain.LogID {
	id := domain.LogID{6: 0x80, 8: 0x80}
	binary.BigEndian.PutUint32(id[12:], uint32(t.first+n))
	return id
}

func (t *texts) number(id domain.LogID) int { return int(binary.BigEndian.Uint32(id[12:])) - t.first }

// Message returns the message of the n-th entry that was added.
func (t *texts) Message(n int) string {
	_, message := t.read(n)
	return message
}

// read returns the time and the message of the n-th entry.
func (t *texts) read(n int) (time.Time, string) {
	block, place := t.open, t.begun
	if n < t.begun {
		i, exact := slices.BinarySearchFunc(t.blocks, n, func(b textBlock, n int) int { return b.first - n })
		if !exact {
			i--
		}
		if t.last == nil || t.lastN != i {
			// What was encoded here can be decoded.
			t.last, _ = s2.Decode(t.last[:cap(t.last)], t.blocks[i].data)
			t.lastN = i
		}
		block, place = t.last, t.blocks[i].first
	}
	for ; ; place++ {
		us, width := binary.Varint(block)
		length, more := binary.Uvarint(block[width:])
		block = block[width+more:]
		if place < n {
			block = block[length:]
			continue
		}
		at := time.Time{}
		if us != 0 {
			at = time.UnixMicro(us).UTC()
		}
		return at, string(block[:length])
	}
}
