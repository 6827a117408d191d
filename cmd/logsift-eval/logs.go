package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"logsift/adapters/builtin"
	"logsift/adapters/memstore"
	"logsift/domain"
	"logsift/domain/logline"
)

// errNoData: the data is not there.
var errNoData = errors.New("no data")

// find returns the files that match a pattern below the data folder.
func find(data, what string, patterns ...string) ([]string, error) {
	var out []string
	for _, p := range patterns {
		files, err := filepath.Glob(filepath.Join(data, p))
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", what, err)
		}
		out = append(out, files...)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: %s has no %s (%s)", errNoData, data, what, strings.Join(patterns, ", "))
	}
	return out, nil
}

// readLines reads the lines of a file as an ingestion would.
func readLines(path string) ([]string, error) {
	data, err := os.ReadFile(path) //nolint:gosec // The user names the file.
	if err != nil {
		return nil, fmt.Errorf("read logs: %w", err)
	}
	var out []string
	s := bufio.NewScanner(bytes.NewReader(data))
	s.Buffer(nil, domain.MaxLogMessage)
	for s.Scan() {
		out = append(out, strings.ToValidUTF8(s.Text(), "\uFFFD"))
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return out, nil
}

// arrival is when the logs are read, as far as the analyser can tell.
var arrival = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// entries makes log entries of lines; the id of each holds its place.
func entries(source string, lines []string) []domain.LogEntry {
	out := make([]domain.LogEntry, len(lines))
	for i, line := range lines {
		e := logline.Parser{}.Parse(line, arrival)
		e.ID, e.Source, e.ReceivedAt = logID(i), source, arrival
		if e.Timestamp.IsZero() {
			e.Timestamp = arrival
		}
		out[i] = e
	}
	return out
}

func logID(i int) domain.LogID {
	id := domain.LogID{0: 1}
	binary.BigEndian.PutUint32(id[12:], uint32(i))
	return id
}

// lineOf is the place that an id holds.
func lineOf(id domain.LogID) int {
	return int(binary.BigEndian.Uint32(id[12:]))
}

// config is the analyser's as it is in the product, but for the bound of what an
// anomaly names: the score needs all.
func config(docs *documents) builtin.Config {
	c := builtin.Config{MaxLogIDs: math.MaxInt32}
	if docs != nil {
		c.Documents = docs
	}
	return c
}

// analyse judges the logs by themselves.
func analyse(ctx context.Context, logs []domain.LogEntry) (domain.AnalysisResult, error) {
	r, err := builtin.New(config(nil)).Analyze(ctx, domain.AnalysisRequest{TaskID: uuid.New(), Logs: logs})
	if err != nil {
		return r, fmt.Errorf("analyse: %w", err)
	}
	return r, nil
}

// flagged is the severity from which an anomaly's sessions and lines count as
// found.
const flagged = domain.SeverityMedium

// flaggedSessions are the sessions that anomalies of this severity name.
func flaggedSessions(r *domain.AnalysisResult) map[string]bool {
	out := map[string]bool{}
	for _, a := range r.Anomalies {
		if a.Severity >= flagged {
			for _, s := range a.Sessions {
				out[s] = true
			}
		}
	}
	return out
}

// flaggedLines are the places of the lines that anomalies of a severity name.
func flaggedLines(r *domain.AnalysisResult, least domain.Severity) map[int]bool {
	out := map[int]bool{}
	for _, a := range r.Anomalies {
		if a.Severity >= least {
			for _, id := range a.LogIDs {
				out[lineOf(id)] = true
			}
		}
	}
	return out
}

// score counts what was found and what there is to find.
type score struct{ hits, alarms, truth int }

func (s score) precision() float64 { return ratio(s.hits, s.alarms) }
func (s score) recall() float64    { return ratio(s.hits, s.truth) }

func (s score) f1() float64 {
	if s.hits == 0 {
		return 0
	}
	return 2 * s.precision() * s.recall() / (s.precision() + s.recall())
}

func (s score) String() string {
	return fmt.Sprintf("F1 %.3f (P %.3f R %.3f, %d bad)", s.f1(), s.precision(), s.recall(), s.truth)
}

func ratio(n, total int) float64 {
	if total == 0 {
		return 0
	}
	return float64(n) / float64(total)
}

// scoreSessions compares the flagged sessions with the labels of those that count.
func scoreSessions(bad, found map[string]bool) score {
	var s score
	for id, isBad := range bad {
		if isBad {
			s.truth++
		}
		if found[id] {
			s.alarms++
			if isBad {
				s.hits++
			}
		}
	}
	return s
}

// readTable reads a CSV file with a header; each row is by column, in lower case.
func readTable(path string) ([]map[string]string, error) {
	data, err := os.ReadFile(path) //nolint:gosec // The user names the file.
	if err != nil {
		return nil, fmt.Errorf("read table: %w", err)
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	header, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	var out []map[string]string
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		row := map[string]string{}
		for i, v := range record[:min(len(record), len(header))] {
			row[strings.ToLower(strings.TrimSpace(header[i]))] = v
		}
		out = append(out, row)
	}
}

// column returns the value of the first column that the row has.
func column(row map[string]string, names ...string) string {
	for _, n := range names {
		if v, ok := row[n]; ok {
			return v
		}
	}
	return ""
}

// isBad reads a label.
func isBad(label string) bool {
	switch strings.ToLower(strings.TrimSpace(label)) {
	case "", "0", "normal", "success", "false", "-":
		return false
	}
	return true
}

// documents is a store in memory that knows how large the documents are.
type documents struct {
	*memstore.LogRepository
	sizes map[string]int
}

func newDocuments() *documents {
	return &documents{LogRepository: memstore.NewLogRepository(memstore.Config{}), sizes: map[string]int{}}
}

func (d *documents) SaveDocument(ctx context.Context, doc domain.Document, ttl time.Duration) (int64, error) {
	d.sizes[doc.Key] = len(doc.Data)
	return d.LogRepository.SaveDocument(ctx, doc, ttl)
}

// bytes is how large all documents are.
func (d *documents) bytes() int {
	n := 0
	for _, size := range d.sizes {
		n += size
	}
	return n
}
