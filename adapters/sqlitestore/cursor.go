package sqlitestore

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"logsift/domain"
)

// position is where a page ended: two keys of the list's order.
type position struct{ major, minor int64 }

// cursorOf names a position in the list that the parts describe: its name and
// its filter.
func cursorOf(p position, list ...any) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(p.major))
	b = binary.BigEndian.AppendUint64(b, uint64(p.minor))
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, cursorSum(b, list)))
}

// parseCursor reads a cursor of the same list; "" is the given start. Other
// cursors give domain.ErrInvalidCursor.
func parseCursor(cursor string, start position, list ...any) (position, error) {
	if cursor == "" {
		return start, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	// The decoder passes over line ends.
	if err != nil || len(b) != 20 || len(cursor) != base64.RawURLEncoding.EncodedLen(len(b)) || binary.BigEndian.Uint32(b[16:]) != cursorSum(b[:16], list) {
		return position{}, fmt.Errorf("cursor %.64q: %w", cursor, domain.ErrInvalidCursor)
	}
	return position{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))}, nil
}

// cursorSum ties a cursor to its list: used with another filter it is refused
// instead of leaving entries out.
func cursorSum(b []byte, list []any) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(b), crc32.IEEETable, fmt.Appendf(nil, "%#v", list))
}
