package redisstore

import (
	"encoding/base64"
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

// The record of a log entry, of which scripts/logs_save.lua writes the head:
//
//	version    1 byte, logVersion
//	batch      16 bytes
//	timestamp  8 bytes, a timeKey
//	received   8 bytes, a timeKey
//	level      1 byte, part of the data layout: 0 unknown, 1 trace to 6 fatal
//	source     a uvarint length and the bytes, as all texts here
//	attributes a uvarint number, then key and value of each, by rising key
//	message    the rest
//
// The record of an analysis, of which scripts/logs_save_analysis.lua writes the
// head:
//
//	version   1 byte, logVersion
//	stored    8 bytes, a timeKey
//	number    4 bytes, big-endian: how many anomalies follow
//	anomalies each 4 bytes, the size of what follows of it; its severity, 1 byte;
//	          and its JSON
//	result    the rest, the JSON of the result without its anomalies
const (
	logVersion   = 1
	logHead      = 33
	analysisHead = 9
)

// timeKey is a time in microseconds as 8 bytes that sort as the times do.
func timeKey(us int64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(us)^1<<63)
	return string(b[:])
}

// keyTime is the inverse of timeKey.
func keyTime(key string) time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64([]byte(key)) ^ 1<<63)).UTC()
}

// encodeLog is the client's part of an entry's record.
func encodeLog(e *domain.LogEntry) []byte {
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

// decodeLog reads the record of an entry. The error wraps
// domain.ErrCorruptRecord.
func decodeLog(id domain.LogID, record string) (domain.LogEntry, error) {
	if len(record) <= logHead {
		return domain.LogEntry{}, corruptLog(id, "its record is too short")
	}
	if record[0] != logVersion {
		return domain.LogEntry{}, corruptLog(id, fmt.Sprintf("its record has version %d; this program reads version %d", record[0], logVersion))
	}
	e := domain.LogEntry{
		ID: id, Timestamp: keyTime(record[17:25]), ReceivedAt: keyTime(record[25:33]),
		Level: domain.LogLevel(record[logHead]),
	}
	r := &reader{s: record[logHead+1:]}
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

// encodeAnalysis is the client's part of an analysis' record. Anomalies are
// encoded one by one, so that a page of them need not read whole results.
func encodeAnalysis(result domain.AnalysisResult) ([]byte, error) {
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

// decodeAnalysis reads the record of an analysis. The error wraps
// domain.ErrCorruptRecord.
func decodeAnalysis(task domain.TaskID, record string) (domain.Analysis, error) {
	if len(record) < analysisHead || record[0] != logVersion {
		return domain.Analysis{}, corruptAnalysis(task, fmt.Sprintf("its record is not of version %d, which this program reads", logVersion))
	}
	a := domain.Analysis{TaskID: task, StoredAt: keyTime(record[1:9])}
	r := &reader{s: record[analysisHead:]}
	var anomalies []domain.Anomaly
	for range r.size(domain.MaxAnomalies) {
		encoded := r.cut(r.size(len(r.s)))
		anomaly, err := decodeAnomaly(task, encoded[min(1, len(encoded)):])
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

// decodeAnomaly reads one anomaly of an analysis.
func decodeAnomaly(task domain.TaskID, encoded string) (domain.Anomaly, error) {
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

// memberID is the id in a member of an index by time.
func memberID(member string) (uuid.UUID, error) {
	if len(member) != 24 {
		return uuid.Nil, fmt.Errorf("%w: an index of the logs has a member of %d bytes", domain.ErrCorruptRecord, len(member))
	}
	return uuid.UUID([]byte(member[8:])), nil
}

// Cursors of logs and anomalies: what they are for, and a place.
const (
	logCursorPrefix     = "l1."
	anomalyCursorPrefix = "a1."
)

// encodePlace names a place in the list that has the prefix.
func encodePlace(prefix, place string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(prefix + place))
}

// decodePlace reads a cursor of encodePlace whose place has this size; "" is the
// place "".
func decodePlace(prefix, cursor string, size int) (string, error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	place, ok := strings.CutPrefix(string(raw), prefix)
	if err != nil || !ok || len(place) != size {
		return "", fmt.Errorf("%w: it is not one of this list's", domain.ErrInvalidCursor)
	}
	return place, nil
}
