package mining

import "strings"

// skipFrames returns where the frames of a stack trace end whose lines begin at
// i: what failed is said by the lines around them. The line of source that may
// come after a frame belongs to it.
func skipFrames(s string, i int) int {
	inside := false
	for i < len(s) {
		text := strings.TrimLeft(s[i:min(len(s), i+maxIndent)], " \t")
		indented := len(text) < min(len(s)-i, maxIndent)
		frame := indented && (strings.HasPrefix(text, "at ") || strings.HasPrefix(text, `File "`) || strings.HasPrefix(text, "... "))
		if !frame && (!indented || !inside) {
			return i
		}
		inside = true
		n := strings.IndexByte(s[i:], '\n')
		if n < 0 {
			return len(s)
		}
		i += n + 1
	}
	return i
}

// maxIndent is how far a frame is indented at most.
const maxIndent = 64

// pathAt reads a path, or the part of a URL after its scheme, at i.
func pathAt(s string, i int) (int, bool) {
	switch s[i] {
	case '.', '~':
		if k := i + len("./"); k < len(s) && s[i+1] == '/' && classes[s[k]] >= classDigit || strings.HasPrefix(s[i:], "../") {
			return pathAt(s, strings.IndexByte(s[i:], '/')+i)
		}
		return 0, false
	case '/', '\\':
	default:
		return 0, false
	}
	if i+1 == len(s) || classes[s[i+1]] == classSpace {
		return i + 1, s[i] == '/' && i > 0 && s[i-1] == ' ' // the root
	}
	url := s[i] == '/' && s[i+1] == '/' && i > 0 && s[i-1] == ':'
	if c := classes[s[i+1]]; !url && c < classDigit && s[i+1] != '_' && s[i+1] != '.' {
		return 0, false
	}
	k := i + 1
	for k < len(s) && inPath(s[k], url) {
		k++
	}
	for k > i+1 && (s[k-1] == ':' || s[k-1] == '.' || s[k-1] == '=') {
		k--
	}
	return k, true
}

func inPath(b byte, url bool) bool {
	switch b {
	case '"', '\'', '>', ']', ')', ',', ';':
		return false
	case ':', '=', '?', '&', '#', '@':
		return true
	}
	return classes[b] >= classInner || url && classes[b] != classSpace
}

// colonHex returns the end of a MAC or IPv6 address at i, or of any other run of
// at least three hexadecimal numbers between colons, and 0 if there is none.
func colonHex(s string, i int) int {
	colons, group := 0, 0
	k := i
	for ; k < len(s) && k < i+48; k++ {
		switch c := classes[s[k]]; {
		case c == classDigit || c == classHex:
			group++
			if group > 4 {
				return 0
			}
			continue
		case s[k] == ':' && k+1 < len(s) && classes[s[k+1]] >= classDigit && classes[s[k+1]] <= classHex,
			s[k] == ':' && k+1 < len(s) && s[k+1] == ':', s[k] == ':' && colons > 1 && s[k-1] == ':':
			colons++
			group = 0
			continue
		case c > classHex:
			return 0
		}
		break
	}
	if colons < 2 {
		return 0
	}
	return k
}

// isHost tells whether a word with dots is the name of a host: it is followed by
// :port, or ends as names do on the Internet and does not begin as the packages
// of programs do.
func isHost(s, word string, end int) bool {
	k := strings.LastIndexByte(word, '.')
	top := word[k+1:]
	dots := strings.Count(word, ".")
	if end+1 < len(s) && s[end] == ':' && classes[s[end+1]] == classDigit && (dots > 1 || !isSourceSuffix(top)) {
		return true
	}
	for i := range len(word) {
		if word[i] >= 'A' && word[i] <= 'Z' || word[i] == '$' || word[i] == '_' || word[i] == '/' || word[i] == '*' {
			return false
		}
	}
	first, _, _ := strings.Cut(word, ".")
	switch first {
	case "com", "org", "net", "java", "javax", "sun", "io", "edu", "android", "scala", "kotlin", "":
		return false
	}
	switch top {
	case "com", "net", "org", "edu", "gov", "info", "biz", "local", "localdomain", "internal", "lan":
		return true
	}
	return len(top) == 2 && dots >= 2 && (first == "www" || !isSourceSuffix(top))
}

// mailEnd returns where an address of e-mail, or of a user on a host, ends whose name ends
// at i, or i. The hash of an object is none.
func mailEnd(s string, i int) int {
	if i+1 >= len(s) || s[i] != '@' || classes[s[i+1]] < classDigit {
		return i
	}
	if w, end := measure(s, i+1); w.slashes == 0 && (w.dots > 0 || w.letters > 0) {
		return end
	}
	return i
}

// rangesEnd returns where the numbers in brackets end that follow a word which
// ends at i, as in node[1-5,7], or i if there are none. A single number is not
// of a list of hosts: it may be the pid of a program.
func rangesEnd(s string, i int) int {
	if i+1 >= len(s) || s[i] != '[' || classes[s[i+1]] != classDigit {
		return i
	}
	several := false
	for k := i + 1; k < len(s); k++ {
		switch {
		case s[k] == ']' && several:
			return k + 1
		case s[k] == '-' || s[k] == ',':
			several = true
		case classes[s[k]] != classDigit:
			return i
		}
	}
	return i
}

func isSourceSuffix(s string) bool {
	switch s {
	case "java", "py", "go", "c", "cc", "cpp", "h", "hpp", "js", "ts", "rb", "rs", "cs", "kt", "scala", "php", "m", "mm", "swift", "lua", "pl",
		"so", "sh", "id", "md", "ps", "io":
		return true
	}
	return false
}

// The kinds of words that say something by themselves.
const (
	wordOther = iota
	wordConstant
	wordDate
	wordUser
)

// kindOfWord looks a word of 3 to 13 letters up, in any case. Booleans and
// default strings vary by what they are (Khan et al., "Guidelines for Assessing
// the Accuracy of Log Message Template Identification Techniques", ICSE 2022,
// rules BL and US).
func kindOfWord(word string) int {
	var lower [13]byte
	for i := range len(word) {
		lower[i] = word[i] | 0x20
	}
	switch string(lower[:len(word)]) {
	case "true", "false", "null":
		return wordConstant
	case "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
		"january", "february", "march", "april", "june", "july", "august", "september", "october", "november", "december",
		"mon", "tue", "wed", "thu", "fri", "sat", "sun",
		"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday":
		return wordDate
	case "user", "username":
		return wordUser
	}
	return wordOther
}

// dateEnd returns where a date ends whose first name, of a day or month, ends at
// i, or i if no number follows as in a date.
func dateEnd(s string, i int) int {
	end := i
	numbers := false
	for range 5 {
		k := end
		for k < len(s) && (s[k] == ' ' || s[k] == ',') {
			k++
		}
		begin := k
		if k == end || k == len(s) {
			break
		}
		for k < len(s) && (classes[s[k]] >= classDigit || classes[s[k]] == classInner || s[k] == ':' && k+1 < len(s) && classes[s[k+1]] == classDigit) {
			k++
		}
		for k > begin && s[k-1] == '.' {
			k--
		}
		switch {
		case k == begin:
			return result(i, end, numbers)
		case classes[s[begin]] == classDigit:
			numbers = true
		case k-begin >= 3 && k-begin <= 9 && kindOfWord(s[begin:k]) == wordDate && !numbers:
		case numbers && isZone(s[begin:k]):
		default:
			return result(i, end, numbers)
		}
		end = k
	}
	return result(i, end, numbers)
}

func result(i, end int, numbers bool) int {
	if numbers {
		return end
	}
	return i
}

// isZone tells whether a word is a zone of time, such as PDT, or a half of the day.
func isZone(word string) bool {
	switch word {
	case "UTC", "GMT", "AM", "PM", "am", "pm":
		return true
	}
	if len(word) < 3 || len(word) > 4 || word[len(word)-1] != 'T' {
		return false
	}
	for i := range len(word) {
		if word[i] < 'A' || word[i] > 'Z' {
			return false
		}
	}
	return true
}

// unitEnd returns where the unit ends that stands after the number that ends at
// i, or i if there is none.
func unitEnd(s string, i int) int {
	if i+1 >= len(s) || s[i] != ' ' || classes[s[i+1]] < classHex {
		return i
	}
	k := i + 1
	for k < len(s) && k <= i+5 && (classes[s[k]] == classHex || classes[s[k]] == classLetter) {
		k++
	}
	if k < len(s) && classes[s[k]] >= classInner && s[k] != '.' && s[k] != '/' {
		return i
	}
	switch s[i+1 : k] {
	case "B", "KB", "kB", "MB", "GB", "TB", "PB", "KiB", "MiB", "GiB", "TiB", "K", "M", "G",
		"ns", "us", "ms", "s", "sec", "secs", "min", "Hz", "kHz", "MHz", "GHz", "AM", "PM":
		return k
	}
	return i
}
