package redact

import "strings"

// vendorValue looks at the value of a name that holds a vendor's name, or that stands
// in a group of such a name, and reports whether it is a key.
func (s *scanner) vendorValue(n name, sep, from int) bool {
	if !s.canBeKey(from) {
		return false
	}
	vendor := s.vendorIn(s.clause(n.from), n.to)
	if !vendor && sep > s.vendorEnd {
		return false
	}
	v := s.value(sep, from)
	if v.from >= v.to {
		if vendor {
			s.vendorEnd = s.groupEnd(sep + 1)
		}
		return false
	}
	text := strings.TrimLeft(s.text[v.from:v.to], "\"' ")
	if end := strings.IndexAny(text, "\"',"); end > 0 {
		text = text[:end] // the first of a list
	}
	if keyLike(text) && !s.public(v, sep) && !plainNames[s.lastWord(n)] {
		s.add(v.from, v.to, ServiceKey)
		return true
	}
	return false
}

// canBeKey reports whether a value that begins at a place or some spaces later is long
// enough for a key, or a group.
func (s *scanner) canBeKey(from int) bool {
	t := s.text
	for from < len(t) && (t[from] == ' ' || t[from] == '[' || isQuote(t[from])) {
		from++
	}
	if from == len(t) || t[from] == '{' || t[from] == '\n' {
		return from < len(t)
	}
	for i := range minVendorKey {
		if from+i >= len(t) || !setVendorKey[t[from+i]] {
			return false
		}
	}
	return true
}

// minVendorKey and maxVendorKey are the least and the greatest length of a key that
// only its name gives away, and maxClause is how far before a name the vendor's is looked for.
const (
	minVendorKey = 14
	maxVendorKey = 1 << 10
	maxClause    = 24
)

// setVendorKey are the bytes of such keys.
var setVendorKey = newAlphabet(alnums + "_=-+/")

// clause returns where the words begin that stand before a place with nothing but
// spaces between.
func (s *scanner) clause(at int) int {
	t := s.text
	from := at
	for from > 0 && at-from < maxClause && (setName[t[from-1]] || t[from-1] == ' ') {
		from--
	}
	return from
}

// plainNames are names whose value may look like a key and is none.
var plainNames = set("id ids trace span request version release build commit sha hash host hostname image url uri revision rev deploy digest etag checksum region zone node pod time date event session ref branch tag name arn path account evt webhook")

// vendorIn reports whether a word of the name from..to is that of a vendor, or two in
// a row are. Words begin with a capital letter or behind a sign.
func (s *scanner) vendorIn(from, to int) bool {
	t := s.text
	if to-from > maxName {
		return false
	}
	var buffer [maxName]byte
	small := buffer[:0]
	last := 0 // where the last word begins in small
	for i := from; i < to; {
		begin := i
		for i < to && isLetter(t[i]) && (i == begin || kinds[t[i]]&lower != 0 || kinds[t[i-1]]&upper != 0) {
			i++
		}
		if i == begin {
			i++
			continue
		}
		small = small[last:]
		last = len(small)
		for _, c := range []byte(t[begin:i]) {
			small = append(small, c|0x20)
		}
		end := setDigit.end(t[:to], i) // auth0
		if s.vendorNamed(small[last:], t[i:end]) || s.vendorNamed(small, "") {
			return true
		}
	}
	return false
}

// vendorNamed reports whether a word, or the word and the digits behind it, is the name
// of a vendor.
func (s *scanner) vendorNamed(word []byte, digits string) bool {
	if len(word) < 3 || !s.forms.nameStarts.has(word[0], word[1]) {
		return false
	}
	return s.forms.names[string(word)] || digits != "" && s.forms.names[string(word)+digits]
}

// groupEnd returns where the group that begins at a place ends: behind its bracket,
// or behind the lines that are indented more.
func (s *scanner) groupEnd(at int) int {
	end := min(len(s.text), at+maxTold)
	if last := strings.IndexByte(s.text[at:end], '}'); last >= 0 {
		return at + last
	}
	return end
}

// keyLike reports whether a value has the form of a key: one word of letters and
// digits that change often, or a UUID.
func keyLike(value string) bool {
	if len(value) < minVendorKey || len(value) > maxVendorKey {
		return false
	}
	changes, signs, digs := 0, 0, 0
	var last uint8
	for i := range len(value) {
		kind := kinds[value[i]] & (upper | lower | digit)
		switch {
		case kind == 0 && !setVendorKey[value[i]]:
			return false
		case kind == 0:
			signs++
			continue
		case kind&digit != 0:
			digs++
		default:
			kind = lower
		}
		if last != 0 && kind != last {
			changes++
		}
		last = kind
	}
	if digs == 0 || digs == len(value) {
		return false
	}
	if isUUID(value) {
		return true
	}
	if signs == 0 {
		return changes >= 1 && (len(value) < 32 || changes >= 3)
	}
	return changes*8 >= len(value) && signs*4 <= len(value)
}

// isUUID reports whether a value is a UUID.
func isUUID(value string) bool {
	const form = "00000000-0000-0000-0000-000000000000"
	if len(value) != len(form) {
		return false
	}
	for i := range len(form) {
		if form[i] == '-' && value[i] != '-' || form[i] == '0' && !isHex(value[i]) {
			return false
		}
	}
	return true
}
