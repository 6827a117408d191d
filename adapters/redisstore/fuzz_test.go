package redisstore

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore/internal/layout"
	"logsift/domain"
)

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
		partitions = 1 + max(partitions, 0)%layout.MaxPartitions
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
			_, err = layout.MemberID(place)
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
