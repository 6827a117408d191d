package verify

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
)

// FuzzVerifyRecords checks that verify judges any record, and that none which it
// passes is one that a worker cannot read.
func FuzzVerifyRecords(f *testing.F) {
	id := uuid.Max
	f.Add(string(id[:]), string(layout.EncodeRecord(domain.NewTask(id, "type", []byte(`{}`)), 3)))
	f.Add(string(id[:]), "\x01"+strings.Repeat("\x00", layout.LogHead-1)+string(layout.EncodeLog(&domain.LogEntry{Message: "m"})))
	f.Add("", "")
	f.Fuzz(func(t *testing.T, name, record string) {
		r := rawRecord{name: name, size: len(record), record: record}
		if task, problem := readTask(r); problem == "" {
			require.NoError(t, task.Validate())
			got := &domain.Task{ID: task.ID}
			require.NoError(t, layout.DecodeRecord(got, record))
			require.Equal(t, binary.BigEndian.Uint16([]byte(record[1:])), uint16((&queueCheck{}).facts(r).ownList))
		}
		require.Len(t, logFacts(r, true), 7)
	})
}

// FuzzVerifyTable checks that any table of ready lists is mended to a sound one that
// keeps each ready list whose number is its own.
func FuzzVerifyTable(f *testing.F) {
	f.Add("q|a", "0", "q|b", "1", "q|c", 2)
	f.Add("q|a", "1", "q|b", "1", "q|b", 1)
	f.Add("", "-1", "x|y|z", "999999999999", "|", -5)
	f.Fuzz(func(t *testing.T, a, numberA, b, numberB, recorded string, at int) {
		fields := map[string]string{a: numberA, b: numberB}
		tableProblem(storedTable{epoch: recorded, layout: numberA, fields: fields}, 1)
		seen := map[int]bool{}
		for _, n := range mendedTable(fields, map[int]string{at: recorded}) {
			require.False(t, seen[n], "a number is that of one ready list")
			require.LessOrEqual(t, n, layout.MaxReadyLists)
			seen[n] = true
		}
	})
}
