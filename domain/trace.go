package domain

// TraceParentLength is the length of a trace parent in bytes.
const TraceParentLength = 55

// ValidateTraceParent checks a trace parent: the traceparent header of W3C Trace
// Context, version 00 (https://www.w3.org/TR/trace-context/#traceparent-header), such
// as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01. The ids must not be all
// zeros. The error is a *ValidationError for the field "traceparent".
func ValidateTraceParent(s string) error {
	if len(s) == TraceParentLength && s[:3] == "00-" && s[35] == '-' && s[52] == '-' &&
		isID(s[3:35]) && isID(s[36:52]) && isHex(s[53:]) {
		return nil
	}
	return &ValidationError{Field: "traceparent", Value: CutString(s, TraceParentLength), Rule: "must be a traceparent of W3C Trace Context, version 00"}
}

// TraceID returns the id of the trace that the task was enqueued in, 32 hexadecimal
// digits, "" if there is none, or one that is not recorded.
func (t *Task) TraceID() string {
	if ValidateTraceParent(t.TraceParent) != nil {
		return ""
	}
	// The last bit of the flags is sampled.
	switch t.TraceParent[TraceParentLength-1] {
	case '1', '3', '5', '7', '9', 'b', 'd', 'f':
		return t.TraceParent[3:35]
	}
	return ""
}

// isID reports whether s is of hexadecimal digits, not all of them zero.
func isID(s string) bool {
	zero := true
	for i := range len(s) {
		zero = zero && s[i] == '0'
	}
	return !zero && isHex(s)
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
