package redact

// random reports whether a value looks drawn by lot from upper and lower case
// letters and digits. In such a value two neighbours are of different kinds two
// times in three; in words, names of classes, paths and numbered names the kind
// changes seldom, and hexadecimal hashes and UUIDs have letters of one case only.
// It is cheaper than Shannon's entropy, which CamelCase has as much of as a key.
func random(s string) bool {
	s = s[:min(len(s), maxJudged)]
	var changes, ups, lows, digs, others int
	var last uint8
	for i := range len(s) {
		kind := kindOf(s[i])
		switch kind {
		case upper:
			ups++
		case lower:
			lows++
		case digit:
			digs++
		default:
			others++
			continue // a separator is no change
		}
		if last != 0 && kind != last {
			changes++
		}
		last = kind
	}
	known := ups + lows + digs
	if ups < 2 || lows < 2 || others*5 > len(s) {
		return false
	}
	least := minChanges
	if digs < 2 {
		if known < 32 {
			return false
		}
		least = minChangesOfLetters
	}
	return changes*100 >= known*least
}

// minChanges is the least share of changes, in percent. Of random base64 of 24
// characters less than one in a thousand is below (expected 65, deviation 10).
// Letters alone change half the time; CamelCase with short words does so often, too.
const (
	minChanges          = 34
	minChangesOfLetters = 42
)

// maxJudged is how many bytes of a value its look is judged by.
const maxJudged = 256

func bothCases(s string) bool {
	seen := kindsOf(s)
	return seen&upper != 0 && seen&lower != 0
}

func kindsOf(s string) (seen uint8) {
	for i := range min(len(s), maxJudged) {
		seen |= kindOf(s[i])
	}
	return seen
}

func kindOf(b byte) uint8 { return kinds[b] & (upper | lower | digit) }
