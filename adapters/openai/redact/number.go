package redact

import (
	"net/netip"
	"unicode/utf8"
)

// number looks at the digits that begin the word from..to.
func (s *scanner) number(from, to int) {
	end := setDigit.end(s.text, from)
	if end != to {
		return
	}
	switch length := to - from; {
	case length >= 13 && length <= 19, length == 4:
		s.card(from)
	case length == 3:
		s.socialSecurity(from)
	}
}

// card looks for a payment card's number: digits in one run, or in groups with one
// to three characters between, of a length that a brand has, with Luhn's checksum.
func (s *scanner) card(from int) {
	t := s.text
	if from > 0 {
		before := t[from-1]
		fraction := before == '.' && from >= 2 && isDigit(t[from-2])
		negative := before == '-' && (from < 2 || !isAlnum(t[from-2]))
		if before == '_' || fraction || negative {
			return
		}
	}
	var number [19]byte
	var groups [5]int
	size, group := 0, 0
	separator := ""
	end := from
	for end < len(t) {
		if c := t[end]; isDigit(c) {
			if size == len(number) {
				return
			}
			number[size] = c - '0'
			size++
			groups[group]++
			end++
			continue
		}
		next := end
		for next < len(t) && next-end <= maxGap && !isAlnum(t[next]) && t[next] != '\n' && t[next] != ',' {
			next++
		}
		gap := t[end:next]
		if next == len(t) || !isDigit(t[next]) || utf8.RuneCountInString(gap) > 3 || group+1 == len(groups) {
			break
		}
		if size+1 >= 13 && (separator == "" || brand(number[:size]) && luhn(number[:size])) {
			break // another number follows
		}
		separator = gap
		end = next
		group++
	}
	if end < len(t) && (isAlnum(t[end]) || t[end] == '_' || t[end] == '.' && end+1 < len(t) && isDigit(t[end+1])) {
		return
	}
	if brand(number[:size]) && luhn(number[:size]) && (group == 0 && !s.isID(from) || group > 0 && grouped(groups)) {
		s.add(from, end, Card)
	}
}

// isID reports whether the name of the value at a place says that it is an id.
func (s *scanner) isID(at int) bool {
	t := s.text
	for at > 0 && (t[at-1] == ' ' || isQuote(t[at-1])) {
		at--
	}
	if at == 0 || t[at-1] != ':' && t[at-1] != '=' {
		return false
	}
	n, ok := s.nameBefore(at - 1)
	return ok && (s.ruleOf(n) == ruleID || plainNames[s.lastWord(n)])
}

// maxGap is the most bytes between two groups of a card's number.
const maxGap = 6

// grouped reports whether digits are in groups as on a card: fours, of which the
// last may be shorter, or 4-6-5 and 4-6-4.
func grouped(groups [5]int) bool {
	return groups[0] == 4 && (groups[1] == 4 && groups[2] == 4 && groups[3] >= 1 && groups[3] <= 4 && groups[4] <= 3 ||
		groups[1] == 6 && groups[2] >= 4 && groups[2] <= 5 && groups[3] == 0)
}

// brand reports whether a number's first digits and length are those of Visa,
// Mastercard, American Express, Discover, Diners Club, JCB, UnionPay or Maestro
// (ISO/IEC 7812 issuer ranges).
func brand(n []byte) bool {
	if len(n) < 13 {
		return false
	}
	two := int(n[0])*10 + int(n[1])
	four := two*100 + int(n[2])*10 + int(n[3])
	switch size := len(n); {
	case n[0] == 4:
		return size == 13 || size == 16 || size == 19
	case two >= 51 && two <= 55, four >= 2221 && four <= 2720:
		return size == 16
	case two == 34 || two == 37:
		return size == 15
	case two == 36 || two == 38 || four >= 3000 && four <= 3059:
		return size == 14 || size == 16
	case four >= 3528 && four <= 3589, four == 6011, two == 65, four >= 6440 && four <= 6499, two == 62:
		return size >= 16
	case four == 5018 || four == 5020 || four == 5038 || four == 5893 || four == 6304 || four == 6759 || four >= 6761 && four <= 6763:
		return size >= 16
	}
	return false
}

// luhn checks ISO/IEC 7812's checksum.
func luhn(n []byte) bool {
	sum := 0
	for i, d := range n {
		x := int(d)
		if (len(n)-i)%2 == 0 {
			if x *= 2; x > 9 {
				x -= 9
			}
		}
		sum += x
	}
	return sum%10 == 0
}

// socialSecurity looks for a number of the form and ranges of the US Social
// Security Administration.
func (s *scanner) socialSecurity(from int) {
	t := s.text
	const form = "000-00-0000"
	end := from + len(form)
	if end > len(t) || end < len(t) && (isAlnum(t[end]) || t[end] == '-' || t[end] == '_') || from > 0 && (t[from-1] == '-' || t[from-1] == '_' || t[from-1] == '.') {
		return
	}
	n := t[from:end]
	for i := range len(form) {
		if form[i] == '-' && n[i] != '-' || form[i] == '0' && !isDigit(n[i]) {
			return
		}
	}
	if area := n[:3]; area != "000" && area != "666" && n[0] != '9' && n[4:6] != "00" && n[7:] != "0000" {
		s.add(from, end, SSN)
	}
}

// ibanLengths are the lengths of the IBAN registry (SWIFT, release 99).
var ibanLengths = func() map[[2]byte]int {
	const table = "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30"
	lengths := map[[2]byte]int{}
	for i := 0; i < len(table); i += 4 {
		lengths[[2]byte{table[i], table[i+1]}] = int(table[i+2]-'0')*10 + int(table[i+3]-'0')
	}
	return lengths
}()

// iban looks for a bank account's number with ISO 7064's checksum, in one run or in
// groups of four.
func (s *scanner) iban(from int) {
	t := s.text
	length, ok := ibanLengths[[2]byte{t[from] &^ 0x20, t[from+1] &^ 0x20}]
	if !ok {
		return
	}
	var n [34]byte
	size, end := 0, from
	for ; size < length && end < len(t); end++ {
		c := t[end]
		if isAlnum(c) {
			n[size] = c
			size++
		} else if c != ' ' && c != '-' && c != '+' || size%4 != 0 {
			return
		}
	}
	if size < length || end < len(t) && (isAlnum(t[end]) || t[end] == '_') {
		return
	}
	rest := 0
	for i := range length {
		c := n[(i+4)%length]
		if isDigit(c) {
			rest = (rest*10 + int(c-'0')) % 97
		} else {
			rest = (rest*100 + int(c&^0x20-'A') + 10) % 97
		}
	}
	if rest == 1 {
		s.add(from, end, IBAN)
	}
}

// ip looks for an address that begins with the word from..to.
func (s *scanner) ip(from, to int) {
	t := s.text
	if from < s.covered || to == len(t) || t[to] != '.' && t[to] != ':' || setHex.end(t, from) < to {
		return
	}
	if from > 0 && (t[from-1] == '.' || t[from-1] == '_') {
		return
	}
	for from > 0 && t[from-1] == ':' && from >= 2 && t[from-2] == ':' {
		from -= 2
	}
	end := from
	for end < len(t) && end-from < 45 && (setHex[t[end]] || t[end] == ':' || t[end] == '.') {
		end++
	}
	for end > from {
		if a, err := netip.ParseAddr(t[from:end]); err == nil {
			if !a.IsLoopback() && !a.IsUnspecified() {
				s.add(from, end, IP)
			}
			return
		}
		// Behind an address may be a port, or the end of the sentence.
		cut := end - 1
		for cut > from && t[cut] != ':' && t[cut] != '.' {
			cut--
		}
		end = cut
	}
}
