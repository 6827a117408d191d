package mining

// Bounds of objects written out in a line.
const (
	// plainFields is how many fields of an object are read as words; what comes
	// after the keys of further ones is a value.
	plainFields = 2
	maxField    = 256
	maxDepth    = 8
)

// object follows objects that are written out in a line, such as
// Trip(id=1, from=Shang Hai, to=Su Zhou), so that the values of the later fields
// are masked whatever they are. Calls and notes with few fields stay as they are.
type object struct {
	depth  int
	fields [maxDepth]uint8
}

// delimiter takes the delimiter b, after which the line goes on at i, and returns
// where the value that begins there ends, or 0 if no value does.
func (o *object) delimiter(s string, b byte, i int) int {
	switch b {
	case '(', '[', '{':
		o.depth++
		if o.depth <= maxDepth {
			o.fields[o.depth-1] = 0
		}
	case ')', ']', '}':
		o.depth = max(0, o.depth-1)
	case '=':
		if o.depth == 0 || o.depth > maxDepth {
			return 0
		}
		f := &o.fields[o.depth-1]
		if *f < plainFields {
			*f++
			return 0
		}
		return fieldEnd(s, i)
	}
	return 0
}

// fieldEnd returns where the value at i ends, before a comma or bracket, or 0 if
// it does not, or is an object itself.
func fieldEnd(s string, i int) int {
	for k := i; k < len(s) && k < i+maxField; k++ {
		switch s[k] {
		case ',', ')', ']', '}', ';':
			if k == i {
				return 0
			}
			return k
		case '(', '[', '{', '=', '"':
			return 0
		}
	}
	return 0
}

// objectEnd returns where an object such as Name{a=1, b=2} ends that begins at i and is
// the value of a key, or 0 if none does. Where there is none, programs write null.
func objectEnd(s string, i int) int {
	k := i
	for k < len(s) && classes[s[k]] >= classDigit {
		k++
	}
	if k == i || k == len(s) || s[k] != '{' {
		return 0
	}
	for depth := 0; k < len(s) && k < i+maxField; k++ {
		switch s[k] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return k + 1
			}
		}
	}
	return 0
}
