package layout

// Stale is the reply of a script that was called with ready lists that are not the stored ones.
func Stale() []any { return []any{int64(-1)} }

// IsStale reports whether a reply is Stale.
func IsStale(reply []any) bool {
	n, ok := IntAt(reply, 0)
	return len(reply) == 1 && ok && n == -1
}

// IntAt is the number at a place of a reply, false if there is none.
func IntAt(reply []any, i int) (int64, bool) {
	if i >= len(reply) {
		return 0, false
	}
	n, ok := reply[i].(int64)
	return n, ok
}

// TextAt is the text at a place of a reply, "" if there is none.
func TextAt(reply []any, i int) string {
	if i >= len(reply) {
		return ""
	}
	s, _ := reply[i].(string)
	return s
}
