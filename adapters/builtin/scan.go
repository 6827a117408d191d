package builtin

import (
	"maps"
	"slices"
	"strings"

	"logsift/domain/logline"
)

// Bounds of what is read in one line for ids and numbers.
const (
	scanBytes    = 4 << 10
	minSessionID = 8
	maxSessionID = 128
	// minNamedID is how many characters an id has at least that stands behind its
	// name: order=48213.
	minNamedID = 5
	// minDottedDigits is how many digits an id with dots has at least.
	minDottedDigits = 4
	// minPathDigits is how many digits a path with an id has at least.
	minPathDigits  = 4
	maxIDsPerLine  = 8
	maxNumbers     = 8
	maxNumberBytes = 12
	maxKeyBytes    = 24
	// maxMembers bounds the keys of members whose numbers are compared.
	maxMembers = 200
)

// idToken is a token that may name a session, and the word before it.
type idToken struct{ text, key string }

// number is a value of its own in a line. place counts the numbers before it in the
// text; a member's is that of its key.
type number struct {
	line  int32
	place uint8
	// timed is whether it says how long something took; of is what it counts, where
	// a unit says so, and value is in that.
	timed bool
	of    quantity
	value float64
}

// scanner takes ids and numbers out of lines. It is used by one goroutine; its
// results are valid until the next call of scan.
type scanner struct {
	ids     []idToken
	numbers []number
	// names are those of attributes, places those of the keys of members.
	names  []string
	places map[string]uint8
}

// part is a run of characters between delimiters.
type part struct {
	begin, end int
	digits     int
	dots       int
	slashes    int
	// odd is whether it holds a character that neither an id nor a plain number
	// has, such as those of a path.
	odd bool
}

// count counts a character of a part.
func (p *part) count(class uint8) {
	switch class {
	case classNumeral:
		p.digits++
	case classDot:
		p.dots++
	case classSlash:
		p.slashes++
		p.odd = true
	case classOdd:
		p.odd = true
	}
}

// The classes of characters that parts of lines are made of.
const (
	classPlain = iota
	classEnd   // sets parts apart
	classNumeral
	classDot
	classSlash
	classOdd // is in no id and no plain number
)

var partClasses = func() (c [256]uint8) {
	for _, b := range []byte(" \t\n\r=:,()[]\"'{};|<>#@&?") {
		c[b] = classEnd
	}
	for b := '0'; b <= '9'; b++ {
		c[b] = classNumeral
	}
	c['.'], c['/'], c['%'], c['\\'] = classDot, classSlash, classOdd, classOdd
	return c
}()

// scan reads the text of a line, its members and the ids of its attributes.
func (s *scanner) scan(text string, line int32, members []logline.Member, attributes map[string]string) {
	s.ids, s.numbers = s.ids[:0], s.numbers[:0]
	s.read(text, "", line)
	for _, m := range members {
		inText := len(s.numbers)
		s.read(m.Value, m.Key, line)
		s.numbers = s.numbers[:inText]
		place, ok := s.place(m.Key)
		if !ok || len(m.Value) > maxNumberBytes {
			continue
		}
		if value, unit, ok := parseNumber(m.Value); ok {
			if unit == "" {
				unit = m.Key[strings.LastIndexByte(m.Key, '_')+1:] // such as "took_ms"
			}
			of, factor := unitOf(unit)
			timed := of == inSeconds || of == plainNumber && isTimeKey(m.Key)
			s.numbers = append(s.numbers, number{line: line, place: place, value: value * factor, timed: timed, of: of})
		}
	}
	if len(attributes) > 0 {
		inLine := len(s.numbers)
		s.names = slices.AppendSeq(s.names[:0], maps.Keys(attributes))
		slices.Sort(s.names) // so that every run takes the same
		for _, name := range s.names {
			s.read(attributes[name], name, line)
		}
		s.numbers = s.numbers[:inLine]
	}
}

// place returns the place of the numbers of a member, if they measure something.
func (s *scanner) place(key string) (uint8, bool) {
	place, ok := s.places[key]
	if !ok && len(s.places) < maxMembers {
		place = uint8(maxNumbers + len(s.places))
		for _, name := range [...]string{"id", "Id", "ID", "port", "line", "status", "code"} {
			if strings.HasSuffix(key, name) {
				place = 0
			}
		}
		if s.places == nil {
			s.places = map[string]uint8{}
		}
		s.places[strings.Clone(key)] = place
	}
	return place, place > 0
}

// read reads a text that stands after the word named.
func (s *scanner) read(text, named string, line int32) {
	text = text[:min(len(text), scanBytes)]
	var before part
	for i := 0; i < len(text); {
		if partClasses[text[i]] == classEnd {
			i++
			continue
		}
		p := part{begin: i}
		for ; i < len(text); i++ {
			class := partClasses[text[i]]
			if class == classPlain {
				continue
			}
			if class == classEnd {
				break
			}
			p.count(class)
		}
		p.end = i
		for p.end > p.begin && text[p.end-1] == '.' {
			p.end-- // the end of a sentence
			p.dots--
		}
		if p.digits > 0 || p.end-p.begin >= minSessionID && (named != "" || p.begin > 0 && text[p.begin-1] != ' ') {
			s.take(text, p, before, named, line)
		}
		before = p
	}
}

// take notes a part as an id or a number, or not at all.
func (s *scanner) take(text string, p, before part, named string, line int32) {
	if before.end > 0 {
		named = key(text, before)
	}
	switch {
	case p.slashes > 0 && p.digits >= minPathDigits:
		s.takePath(text, p, before)
	case p.odd || len(s.ids) == maxIDsPerLine:
	case p.end-p.begin == len(text) && named != "":
		if isNamedID(text, p, named) {
			s.takeID(text, named)
		}
	case isID(text, p, before):
		s.takeID(text[p.begin:p.end], named)
	}
	if p.digits == 0 || len(s.numbers) == maxNumbers || p.odd || p.end-p.begin > maxNumberBytes || !standsAlone(text, p) || isNumbered(text, p, named) {
		return
	}
	if value, unit, ok := parseNumber(text[p.begin:p.end]); ok {
		if unit == "" {
			unit = nextWord(text, p.end)
		}
		of, factor := unitOf(unit)
		timed := of == inSeconds || of == plainNumber && isTimeKey(named)
		s.numbers = append(s.numbers, number{line: line, place: uint8(len(s.numbers)), value: value * factor, timed: timed, of: of})
	}
}

func (s *scanner) takeID(text, key string) {
	if len(s.ids) < maxIDsPerLine {
		s.ids = append(s.ids, idToken{text, key})
	}
}

// takePath notes the ids among the elements of a path: each is named by the element before it.
func (s *scanner) takePath(text string, p, before part) {
	for begin := p.begin; begin < p.end; {
		element := part{begin: begin}
		for ; begin < p.end && text[begin] != '/'; begin++ {
			element.count(partClasses[text[begin]])
		}
		element.end = begin
		if element.digits > 0 && !element.odd && isID(text, element, before) {
			s.takeID(text[element.begin:element.end], key(text, before))
		}
		if element.end > element.begin {
			before = element
		}
		begin++
	}
}

// isID reports whether a part of a line has the form of an id. What is none by its form
// alone is a number with a unit, an address, a host, a file, a version, and a number that
// an operating system gives, such as that of a port. Whether the ids of a kind name
// sessions, the lines say.
func isID(text string, p, before part) bool {
	n := p.end - p.begin
	if n < minNamedID || n > maxSessionID {
		return false
	}
	token := text[p.begin:p.end]
	if isValue(text, p) {
		return !isNumberedByBracket(text, p) && isNamedID(token, p, text[before.begin:before.end])
	}
	switch {
	case p.digits == n && n < minSessionID:
		beside := p.begin > 0 && before.end == p.begin-1 && before.end > before.begin
		if beside && text[before.end] == ':' && before.dots > 0 {
			return false // a port
		}
		return beside && before.digits == 0 && !isSystemName(text[before.begin:before.end])
	case p.digits == 0 || n < minSessionID:
		return false
	case p.dots > 0:
		return isDottedID(token, p)
	}
	return !isQuantity(token)
}

// isNamedID reports whether a value under a name has the form of an id.
func isNamedID(value string, p part, name string) bool {
	n := p.end - p.begin
	switch {
	case n < minNamedID:
		return false
	case p.digits == n:
		return n >= minSessionID || !isSystemName(name)
	case p.dots > 0:
		return n >= minSessionID && isDottedID(value, p)
	case p.digits == 0:
		return n >= minSessionID && isOneCase(value)
	case n < minSessionID && p.digits == n-1:
		return false
	}
	return !isQuantity(value)
}

// isDottedID reports whether the last part of a dotted token has digits, as that of a
// host or a file has not, and the token is no address, number or version.
func isDottedID(token string, p part) bool {
	last := token[strings.LastIndexByte(token, '.')+1:]
	if p.digits < minDottedDigits || !strings.ContainsAny(last, "0123456789") {
		return false
	}
	if p.digits+p.dots < len(token) {
		return true
	}
	longest, run := 0, 0
	for i := range len(token) {
		run++
		if token[i] == '.' {
			run = 0
		}
		longest = max(longest, run)
	}
	return p.dots >= 2 && longest >= minSessionID
}

// isValue reports whether a part is the whole of a value: it stands behind an equal
// sign, a colon or a bracket.
func isValue(text string, p part) bool {
	if p.begin == 0 {
		return false
	}
	switch text[p.begin-1] {
	case '=', '[', '#':
		return true
	case '"', '\'':
		return p.begin > 1 && (text[p.begin-2] == ':' || text[p.begin-2] == '=' || p.begin > 2 && text[p.begin-2] == ' ' && text[p.begin-3] == ':')
	}
	return false
}

// isOneCase reports whether a token is of letters in one case.
func isOneCase(token string) bool {
	lower, upper := 0, 0
	for i := range len(token) {
		switch c := token[i]; {
		case c >= 'a' && c <= 'z':
			lower++
		case c >= 'A' && c <= 'Z':
			upper++
		default:
			return false
		}
	}
	return lower == 0 || upper == 0
}

// isQuantity reports whether a token is a number with a unit of up to three letters.
func isQuantity(token string) bool {
	if token[0] < '0' || token[0] > '9' {
		return false
	}
	end := len(token)
	for end > 0 && (token[end-1]|0x20 >= 'a' && token[end-1]|0x20 <= 'z') {
		end--
	}
	return end < len(token) && len(token)-end <= 3 && isDigits(token[:end])
}

// isNumberedByBracket reports whether a part is what stands in brackets behind a name without
// a space, such as the process of a program.
func isNumberedByBracket(text string, p part) bool {
	return p.begin > 1 && text[p.begin-1] == '[' && text[p.begin-2] != ' ' && text[p.begin-2] != ']' && p.digits == p.end-p.begin
}

// isSystemName reports whether numbers of this name are such as an operating system gives out
// and takes back.
func isSystemName(name string) bool {
	for _, w := range [...]string{"port", "pid", "tid", "uid", "gid", "thread"} {
		if len(name) >= len(w) && strings.EqualFold(name[len(name)-len(w):], w) {
			return true
		}
	}
	return false
}

// isNumbered reports whether the part tells things apart, and is no amount: the number of a
// port, a process, a line.
func isNumbered(text string, p part, named string) bool {
	switch strings.ToLower(named) {
	case "id", "line", "no", "code":
		return true
	}
	return isSystemName(named) || isNumberedByBracket(text, p)
}

// key is the word before an id or a number, where that is short and has no digits.
func key(text string, before part) string {
	if before.digits > 0 || before.odd || before.end-before.begin > maxKeyBytes {
		return ""
	}
	return text[before.begin:before.end]
}

// standsAlone reports whether a part is no piece of an address, a time or a ratio.
func standsAlone(text string, p part) bool {
	if p.end < len(text) && text[p.end] == ':' {
		return false
	}
	if p.begin == 0 {
		return true
	}
	if c := text[p.begin-1]; c == ':' || c == '#' || c == '@' {
		return c == ':' && p.begin > 1 && (text[p.begin-2] < '0' || text[p.begin-2] > '9')
	}
	return true
}

// parseNumber reads digits, at most one point, and a unit of letters after them.
// Numbers that begin with a zero they do not need are ids or dates.
func parseNumber(s string) (value float64, unit string, ok bool) {
	i, scale := 0, 1.0
	point := false
	for ; i < len(s); i++ {
		c := s[i]
		if c == '.' && !point && i > 0 {
			point = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		value = value*10 + float64(c-'0')
		if point {
			scale *= 10
		}
	}
	if i == 0 || len(s)-i > 3 || s[0] == '0' && i > 1 && s[1] != '.' {
		return 0, "", false
	}
	for _, c := range []byte(s[i:]) {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return 0, "", false
		}
	}
	return value / scale, s[i:], true
}

// nextWord is the word after a place, at most 12 bytes.
func nextWord(text string, at int) string {
	for at < len(text) && text[at] == ' ' {
		at++
	}
	begin := at
	for at < len(text) && at-begin < 12 && text[at]|0x20 >= 'a' && text[at]|0x20 <= 'z' {
		at++
	}
	return text[begin:at]
}

func isTimeKey(word string) bool {
	for _, w := range [...]string{"elapsed", "latency", "duration", "took", "time"} {
		if len(word) >= len(w) && strings.EqualFold(word[len(word)-len(w):], w) {
			return true
		}
	}
	return false
}

// prefixOf returns the letters that ids of one kind begin with, such as "blk_", "req-"
// or "job", or "".
func prefixOf(id string) string {
	letters := 0
	for letters < len(id) && (id[letters]|0x20 >= 'a' && id[letters]|0x20 <= 'z') {
		letters++
	}
	switch {
	case letters < 2 || letters == len(id) || isUUID(id):
		return ""
	case id[letters] == '_' || id[letters] == '-':
		return id[:letters+1]
	case isDigits(id[letters:]) && !isHex(id):
		return id[:letters]
	}
	return ""
}

// The forms of ids without a prefix, each of which may by chance look like one before it.
const (
	formNumber = "number"
	formHex    = "hex"
	formMixed  = "mixed"
	formUUID   = "uuid"
)

func formOf(id string) string {
	switch {
	case isUUID(id):
		return formUUID
	case isDigits(id):
		return formNumber
	case isHex(id):
		return formHex
	}
	return formMixed
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func isHex(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}

func isUUID(s string) bool {
	return len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' &&
		isHex(s[:8]) && isHex(s[9:13]) && isHex(s[14:18]) && isHex(s[19:23]) && isHex(s[24:])
}

// podAlphabet is what Kubernetes makes the generated part of names of
// (k8s.io/apimachinery/pkg/util/rand).
const podAlphabet = "bcdfghjklmnpqrstvwxz2456789"

// serviceOf returns the service that wrote a line, or "": an attribute, or the name
// of a Kubernetes deployment before the hashes of its replica set and its pod, if
// the line's text begins with the name of a pod.
func serviceOf(attributes map[string]string, text string) string {
	if len(attributes) > 0 {
		for _, name := range [...]string{"service.name", "service", "app", "k8s.deployment.name", "container"} {
			if v := attributes[name]; v != "" {
				return v
			}
		}
	}
	begin := 0
	for begin < len(text) && text[begin] == ' ' {
		begin++
	}
	end := begin
	for end < len(text) && end-begin < 200 && text[end] != ' ' {
		end++
	}
	name, ok := cutGenerated(text[begin:end], 5, 5)
	if !ok {
		return ""
	}
	name, ok = cutGenerated(name, 6, 10)
	if !ok {
		return ""
	}
	return name
}

// cutGenerated takes "-" and a generated part off a name.
func cutGenerated(name string, least, most int) (string, bool) {
	i := strings.LastIndexByte(name, '-')
	if n := len(name) - i - 1; i < 1 || n < least || n > most {
		return "", false
	}
	for _, c := range []byte(name[i+1:]) {
		if strings.IndexByte(podAlphabet, c) < 0 {
			return "", false
		}
	}
	return name[:i], true
}
