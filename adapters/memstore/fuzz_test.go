package memstore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// FuzzCursors checks that a cursor that is taken is one that is given out, and
// that any other is refused as such.
func FuzzCursors(f *testing.F) {
	f.Add("")
	f.Add("AAAA")
	f.Add(encodeCursor(12))
	f.Add(position{1, -2}.cursor(logCursor))
	f.Add(position{1, -2}.cursor(anomalyCursor))
	f.Fuzz(func(t *testing.T, cursor string) {
		if at, err := decodeCursor(cursor); err != nil {
			require.ErrorIs(t, err, domain.ErrInvalidCursor)
		} else {
			again, err := decodeCursor(encodeCursor(at))
			require.NoError(t, err)
			require.Equal(t, at, again)
		}
		for _, list := range []string{logCursor, anomalyCursor} {
			if at, err := parsePosition(list, cursor, position{}); err != nil {
				require.ErrorIs(t, err, domain.ErrInvalidCursor)
			} else {
				again, err := parsePosition(list, at.cursor(list), position{})
				require.NoError(t, err)
				require.Equal(t, at, again)
			}
		}
	})
}
