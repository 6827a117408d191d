package redact

// random reports whether a value looks drawn by lot from upper and lower case
// letters and digits. In such a value two neighbours are of different kinds two
// times in three; in words, names of classes, paths and numbered names the kind
// changes seldom, and hexadecimal hashes and UUIDs have letters of one case only.
// It is cheaper than Shannon's entropy, which CamelCase has as much of as a key.
func random(s string) bool {
	var changes, ups, lows, digs, others int
	var last uint8
	for i := range len(s) {
		kind := kinds[s[i]] & (upper | lower | digit)
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
	return ups >= 2 && lows >= 2 && digs >= 2 &&
		changes*100 >= known*minChanges && others*5 <= len(s)
}

// minChanges is the least share of changes, in percent. Of random base64 of 24
// characters less than one in a thousand is below (expected 65, deviation 10).
const minChanges = 34
