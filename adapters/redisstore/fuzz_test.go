package redisstore

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// FuzzDecodeState checks that a state that is read is one that can be written.
func FuzzDecodeState(f *testing.F) {
	f.Add("")
	f.Add(string(make([]byte, stateSize)))
	f.Add(strings.Repeat("\xff", stateSize+7))
	f.Fuzz(func(t *testing.T, text string) {
		st, ok := decodeState(text)
		if !ok {
			require.Zero(t, st)
			return
		}
		require.GreaterOrEqual(t, min(st.seq, st.started, st.finished, st.scheduled), int64(0))
	})
}

// FuzzDecodeErrors checks that what is read of damaged failures has their bytes,
// and no others.
func FuzzDecodeErrors(f *testing.F) {
	f.Add("")
	f.Add(string(packErrors(domain.TaskError{Attempt: 1, Message: "m", Stack: "s"}, domain.TaskError{})))
	f.Add(strings.Repeat("\xff", 30))
	f.Fuzz(func(t *testing.T, text string) {
		size := 0
		for _, e := range decodeErrors(text) {
			size += 22 + len(e.Reason) + len(e.Message) + len(e.Stack)
		}
		require.LessOrEqual(t, size, len(text))
	})
}

// FuzzDecodeLog checks that a record that is taken can be written again.
func FuzzDecodeLog(f *testing.F) {
	entry := &domain.LogEntry{Source: "s", Message: "m", Level: domain.LogLevelError, Attributes: map[string]string{"a": "b", "": ""}}
	f.Add("")
	f.Add(logRecord(entry))
	f.Add(logRecord(&domain.LogEntry{}))
	f.Add(logRecord(entry)[:logHead+3])
	f.Fuzz(func(t *testing.T, record string) {
		got, err := decodeLog(uuid.Max, record)
		if err != nil {
			require.ErrorIs(t, err, domain.ErrCorruptRecord)
			return
		}
		again, err := decodeLog(uuid.Max, record[:logHead]+string(encodeLog(&got)))
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}

// logRecord is a record as the script makes it of what encodeLog makes.
func logRecord(e *domain.LogEntry) string {
	return string([]byte{logVersion}) + string(make([]byte, logHead-1)) + string(encodeLog(e))
}

// FuzzDecodeAnalysis checks that a record that is taken can be written again.
func FuzzDecodeAnalysis(f *testing.F) {
	head := string(append([]byte{logVersion}, make([]byte, analysisHead-1)...))
	for _, result := range []domain.AnalysisResult{
		{}, {Anomalies: []domain.Anomaly{}}, {Summary: "s", Anomalies: []domain.Anomaly{{ID: "a"}, {Template: "b"}}},
	} {
		encoded, err := encodeAnalysis(result)
		require.NoError(f, err)
		f.Add(head + string(encoded))
	}
	f.Add(head + strings.Repeat("\xff", 8))
	f.Fuzz(func(t *testing.T, record string) {
		got, err := decodeAnalysis(uuid.Max, record)
		if err != nil {
			require.ErrorIs(t, err, domain.ErrCorruptRecord)
			return
		}
		encoded, err := encodeAnalysis(got.Result)
		require.NoError(t, err)
		_, err = decodeAnalysis(uuid.Max, record[:analysisHead]+string(encoded))
		require.NoError(t, err)
	})
}

// FuzzCursors checks that a cursor that is taken is one that is given out, and
// that any other is refused as such.
func FuzzCursors(f *testing.F) {
	f.Add("", 1)
	f.Add("AAAA", 3)
	f.Add(encodeCursor(position{12, 2}, 3), 3)
	f.Add(encodeCursor(position{12, 0}, 1), 1)
	f.Add(encodePlace(logCursorPrefix, strings.Repeat("a", 24)), 1)
	f.Add(anomalyPlace{strings.Repeat("b", 24), wholeAnalysis}.cursor(), 2)
	f.Fuzz(func(t *testing.T, cursor string, partitions int) {
		partitions = 1 + max(partitions, 0)%MaxPartitions
		if at, err := decodeCursor(cursor, partitions); err != nil {
			require.ErrorIs(t, err, domain.ErrInvalidCursor)
		} else {
			again, err := decodeCursor(encodeCursor(at, partitions), partitions)
			require.NoError(t, err)
			require.Equal(t, at, again)
			require.Less(t, at.partition, partitions)
		}
		if place, err := decodePlace(logCursorPrefix, cursor, 24); err != nil {
			require.ErrorIs(t, err, domain.ErrInvalidCursor)
		} else if place != "" {
			again, err := decodePlace(logCursorPrefix, encodePlace(logCursorPrefix, place), 24)
			require.NoError(t, err)
			require.Equal(t, place, again)
			_, err = memberID(place)
			require.NoError(t, err)
		}
		if place, err := parseAnomalyPlace(cursor); err != nil {
			require.ErrorIs(t, err, domain.ErrInvalidCursor)
		} else if cursor != "" {
			again, err := parseAnomalyPlace(place.cursor())
			require.NoError(t, err)
			require.Equal(t, place, again)
		}
	})
}

// FuzzParseURL checks that a URL gives options or an error that shows nothing of
// the password.
func FuzzParseURL(f *testing.F) {
	for _, scheme := range []string{"redis", "rediss", "redis+sentinel", "redis+cluster", "unix", ""} {
		f.Add(scheme, "passw0rd", "host:6379", "/0", "master=m&tls=true")
		f.Add(scheme, "s3cr#t123", "host:1,host:2", "/x", "protocol=3&pool_size=x&bogus=1")
		f.Add(scheme, "pa55/w0rd", "", "", "%zz")
		f.Add(scheme, "pa55?w0rd%zz", "[::1", "/99999999999999999999", "db=passw0rd;")
	}
	f.Fuzz(func(t *testing.T, scheme, password, host, path, query string) {
		options, err := parseURL(scheme + "://user:" + password + "@" + host + path + "?" + query)
		if err == nil {
			require.NotEmpty(t, options.Addrs)
			return
		}
		require.ErrorIs(t, err, domain.ErrInvalid)
		for _, part := range strings.FieldsFunc(password, func(r rune) bool { return strings.ContainsRune("/?#@:", r) }) {
			// A part that is short, or a word, may be in the text for another reason.
			if len(part) >= 4 && strings.ContainsAny(part, "0123456789") && !strings.Contains(scheme+host+path+query, part) {
				require.NotContains(t, err.Error(), part)
			}
		}
	})
}

// FuzzParseInfo checks that what a server says of itself is read or refused.
func FuzzParseInfo(f *testing.F) {
	f.Add("# Server\r\nredis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\nrole:master\r\naof_enabled:1\r\n")
	f.Add("redis_version:\r\nredis_version")
	f.Add("redis_version:99999999999999999999.-1.x\r\nrole:slave")
	f.Fuzz(func(t *testing.T, text string) {
		info := parseInfo(text)
		for name := range info {
			require.NotContains(t, name, "\n")
		}
		c := &Client{cfg: Config{}.withDefaults()}
		if _, err := c.checkInfo("host:6379", info); err != nil {
			require.NotEmpty(t, err.Error())
		}
	})
}

// FuzzVerifyRecords checks that verify judges any record, and that none which it
// passes is one that a worker cannot read.
func FuzzVerifyRecords(f *testing.F) {
	id := uuid.Max
	f.Add(string(id[:]), string(encodeRecord(nil, domain.NewTask(id, "type", []byte(`{}`)), 3)))
	f.Add(string(id[:]), logRecord(&domain.LogEntry{Message: "m"}))
	f.Add("", "")
	f.Fuzz(func(t *testing.T, name, record string) {
		r := rawRecord{name: name, size: len(record), record: record}
		if task, problem := readTask(r); problem == "" {
			require.NoError(t, task.Validate())
			got := &domain.Task{ID: task.ID}
			require.NoError(t, decodeRecord(got, record))
			require.Equal(t, binary.BigEndian.Uint16([]byte(record[1:])), uint16((&queueCheck{}).facts(r).ownLane))
		}
		require.Len(t, logFacts(r, true), 7)
	})
}

// FuzzVerifyLanes checks that any table of lanes is mended to a sound one that
// keeps each lane whose number is its own.
func FuzzVerifyLanes(f *testing.F) {
	f.Add("q|a", "0", "q|b", "1", "q|c", 2)
	f.Add("q|a", "1", "q|b", "1", "q|b", 1)
	f.Add("", "-1", "x|y|z", "999999999999", "|", -5)
	f.Fuzz(func(t *testing.T, a, numberA, b, numberB, recorded string, at int) {
		fields := map[string]string{a: numberA, b: numberB}
		lanesProblem(storedLanes{generation: recorded, count: numberA, fields: fields}, 1)
		names := mendedLanes(fields, map[int]string{at: recorded})
		require.LessOrEqual(t, len(names), maxLanes)
		seen := map[string]bool{}
		for _, name := range names {
			require.False(t, seen[name], "a lane has one number")
			seen[name] = true
		}
	})
}
