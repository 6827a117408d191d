package layout

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
)

// The record of a log entry, of which logs/save.lua writes the head:
//
//	version    1 byte, logVersion
//	batch      16 bytes
//	timestamp  8 bytes, a TimeKey
//	received   8 bytes, a TimeKey
//	level      1 byte, part of the data layout: 0 unknown, 1 trace to 6 fatal
//	source     a uvarint length and the bytes, as all texts here
//	attributes a uvarint number, then key and value of each, by rising key
//	message    the rest
//
// The record of an analysis, of which logs/save_analysis.lua writes the
// head:
//
//	version   1 byte, logVersion
//	stored    8 bytes, a TimeKey
//	number    4 bytes, big-endian: how many anomalies follow
//	anomalies each 4 bytes, the size of what follows of it; its severity, 1 byte;
//	          and its JSON
//	result    the rest, the JSON of the result without its anomalies
const (
	logVersion   = 1
	LogHead      = 33
	analysisHead = 9
)

// TimeKey is a time in microseconds as 8 bytes that sort as the times do.
func TimeKey(us int64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(us)^1<<63)
	return string(b[:])
}

// KeyTime is the inverse of TimeKey.
func KeyTime(key string) time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64([]byte(key)) ^ 1<<63)).UTC()
}

// EncodeLog is the client's part of an entry's record.
func EncodeLog(e *domain.LogEntry) []byte {
	b := make([]byte, 0, len(e.Source)+len(e.Message)+16)
	b = append(b, byte(e.Level))
	b = appendText(b, e.Source)
	b = binary.AppendUvarint(b, uint64(len(e.Attributes)))
	for _, key := range slices.Sorted(maps.Keys(e.Attributes)) {
		b = appendText(b, key)
		b = appendText(b, e.Attributes[key])
	}
	return append(b, e.Message...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// DecodeLog reads the record of an entry. The error wraps
// domain.ErrCorruptRecord.
func DecodeLog(id domain.LogID, record string) (domain.LogEntry, error) {
	if len(record) <= LogHead {
		return domain.LogEntry{}, corruptLog(id, "its record is too short")
	}
	if record[0] != logVersion {
		return domain.LogEntry{}, corruptLog(id, fmt.Sprintf("its record has version %d; this program reads version %d", record[0], logVersion))
	}
	e := domain.LogEntry{
		ID: id, Timestamp: KeyTime(record[17:25]), ReceivedAt: KeyTime(record[25:33]),
		Level: domain.LogLevel(record[LogHead]),
	}
	r := &reader{s: record[LogHead+1:]}
	e.Source = r.text()
	if n := r.uvarint(); n > 0 && n <= domain.MaxLogAttributes {
		e.Attributes = make(map[string]string, n)
		for range n {
			key := r.text()
			e.Attributes[key] = r.text()
		}
	} else if n > 0 {
		r.bad = true
	}
	if r.bad {
		return domain.LogEntry{}, corruptLog(id, "its record is damaged")
	}
	e.Message = r.s
	return e, nil
}

func corruptLog(id domain.LogID, problem string) error {
	return fmt.Errorf("log entry %s: %w: %s", id, domain.ErrCorruptRecord, problem)
}

// EncodeAnalysis is the client's part of an analysis' record. Anomalies are
// encoded one by one, so that a page of them need not read whole results.
func EncodeAnalysis(result domain.AnalysisResult) ([]byte, error) {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(result.Anomalies)))
	for i := range result.Anomalies {
		encoded, err := json.Marshal(&result.Anomalies[i])
		if err != nil {
			return nil, &domain.ValidationError{Field: "anomalies", Rule: "must be representable as JSON: " + err.Error()}
		}
		b = binary.BigEndian.AppendUint32(b, uint32(1+len(encoded)))
		b = append(b, byte(result.Anomalies[i].Severity))
		b = append(b, encoded...)
	}
	if result.Anomalies != nil {
		result.Anomalies = []domain.Anomaly{} // none and an empty list come back as they were
	}
	encoded, err := json.Marshal(result)
	if err != nil {
		return nil, &domain.ValidationError{Field: "result", Rule: "must be representable as JSON: " + err.Error()}
	}
	return append(b, encoded...), nil
}

// DecodeAnalysis reads the record of an analysis. The error wraps
// domain.ErrCorruptRecord.
func DecodeAnalysis(task domain.TaskID, record string) (domain.Analysis, error) {
	if len(record) < analysisHead || record[0] != logVersion {
		return domain.Analysis{}, corruptAnalysis(task, fmt.Sprintf("its record is not of version %d, which this program reads", logVersion))
	}
	a := domain.Analysis{TaskID: task, StoredAt: KeyTime(record[1:9])}
	r := &reader{s: record[analysisHead:]}
	var anomalies []domain.Anomaly
	for range r.size(domain.MaxAnomalies) {
		encoded := r.cut(r.size(len(r.s)))
		anomaly, err := DecodeAnomaly(task, encoded[min(1, len(encoded)):])
		if err != nil {
			return domain.Analysis{}, err
		}
		anomalies = append(anomalies, anomaly)
	}
	if err := json.Unmarshal([]byte(r.s), &a.Result); err != nil || r.bad {
		return domain.Analysis{}, corruptAnalysis(task, "its record is damaged")
	}
	if len(anomalies) > 0 {
		a.Result.Anomalies = anomalies
	}
	return a, nil
}

// DecodeAnomaly reads one anomaly of an analysis.
func DecodeAnomaly(task domain.TaskID, encoded string) (domain.Anomaly, error) {
	var a domain.Anomaly
	if err := json.Unmarshal([]byte(encoded), &a); err != nil {
		return a, corruptAnalysis(task, "an anomaly cannot be read: "+err.Error())
	}
	return a, nil
}

func corruptAnalysis(task domain.TaskID, problem string) error {
	return fmt.Errorf("analysis of task %s: %w: %s", task, domain.ErrCorruptRecord, problem)
}

// size reads a number of 4 bytes that must not exceed the limit.
func (r *reader) size(limit int) int {
	head := r.cut(4)
	if r.bad {
		return 0
	}
	n := int(binary.BigEndian.Uint32([]byte(head)))
	if n > limit {
		r.bad, r.s = true, ""
		return 0
	}
	return n
}

// cut takes n bytes.
func (r *reader) cut(n int) string {
	if n > len(r.s) {
		r.bad, r.s = true, ""
		return ""
	}
	out := r.s[:n]
	r.s = r.s[n:]
	return out
}

// AnomalyDigests are what the index of the anomalies knows of their ids, of each
// one that DigestOf makes.
func AnomalyDigests(anomalies []domain.Anomaly) string {
	var b strings.Builder
	for i := range anomalies {
		b.WriteString(DigestOf(anomalies[i].ID))
	}
	return b.String()
}

// DigestSize is the size of a digest. Two ids may have the same: it finds what may
// be of an id, and the record tells.
const DigestSize = 8

// DigestOf is the digest of an anomaly's id as it comes back out of JSON, in which
// bytes that are no UTF-8 are replaced.
func DigestOf(id string) string {
	sum := sha256.Sum256([]byte(string([]rune(id))))
	return string(sum[:DigestSize])
}

// MemberID is the id in a member of an index by time.
func MemberID(member string) (uuid.UUID, error) {
	if len(member) != 24 {
		return uuid.Nil, fmt.Errorf("%w: an index of the logs has a member of %d bytes", domain.ErrCorruptRecord, len(member))
	}
	return uuid.UUID([]byte(member[8:])), nil
}
