package sqlitestore

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// FuzzParseCursor checks that a cursor that is taken is one that this list gave
// out.
func FuzzParseCursor(f *testing.F) {
	f.Add("", "tasks")
	f.Add("AAAA", "tasks")
	f.Add(cursorOf(position{1, -2}, "tasks"), "tasks")
	f.Add(cursorOf(position{1, -2}, "tasks"), "logs")
	f.Fuzz(func(t *testing.T, cursor, list string) {
		p, err := parseCursor(cursor, position{}, list)
		if err != nil {
			require.ErrorIs(t, err, domain.ErrInvalidCursor)
			return
		}
		again, err := parseCursor(cursorOf(p, list), position{}, list)
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}

// FuzzReadRecord checks that whatever a row holds is read: as a task that could
// have been stored, or as a corrupt one. kinds chooses the type of each column.
func FuzzReadRecord(f *testing.F) {
	id := uuid.Max
	f.Add([]byte("12121111110000112144442003312"), int64(1), int64(1e9), id[:], "name")
	f.Add([]byte("121211111100004444200"), int64(3), int64(1e6), id[:], "name")
	f.Add([]byte{}, int64(-1), int64(1)<<62, []byte{}, "")
	f.Fuzz(func(t *testing.T, kinds []byte, small, large int64, blob []byte, text string) {
		for as := shapeChange; as <= shapeWhole; as++ {
			r := newRow(map[shape]int{shapeChange: 18, shapeClaim: 21, shapeMember: 25, shapeWhole: 29}[as])
			for i := range r.values {
				if len(kinds) == 0 {
					break
				}
				switch (kinds[i%len(kinds)] - '0') % 5 {
				case 1:
					r.values[i] = small
				case 2:
					r.values[i] = blob
				case 3:
					r.values[i] = text
				case 4:
					r.values[i] = large
				}
			}
			rec := readRecord(r, as)
			require.NotNil(t, rec.task)
			if as != shapeWhole && rec.laneID == small {
				rec.task.Queue, rec.task.Type, rec.task.Priority = "q", "t", 1
			}
			rec.check(as)
			if rec.corrupt != nil {
				require.ErrorIs(t, rec.corrupt, domain.ErrCorruptRecord)
				continue
			}
			require.True(t, rec.state.valid())
			if as != shapeChange {
				asked := *rec.task
				asked.ScheduledAt, asked.ExpiresAt = timeOf(rec.given), rec.options.ExpiresAt
				require.NoError(t, asked.Validate())
			}
		}
	})
}

// FuzzDecodeJSON checks that the JSON of an analysis or anomaly is read or is
// corrupt.
func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(`{"summary":"s"}`))
	f.Add([]byte(`{"first_seen":"x"}`))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, into := range []any{&domain.AnalysisResult{}, &domain.Anomaly{}} {
			r := newRow(1)
			r.values[0] = body
			if err := decodeJSON(r, 0, into); err != nil {
				require.ErrorIs(t, err, domain.ErrCorruptRecord)
			}
		}
	})
}
