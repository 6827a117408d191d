package redact

import "strings"

// key looks for a token or a vendor's key that begins at from, of two bytes or more.
func (s *scanner) key(from int) bool {
	list := s.forms.pairs[pair(s.text[from:])]
	return s.text[from] == 'e' && strings.HasPrefix(s.text[from:], "eyJ") && s.jwt(from) || list > 0 && s.form(from, s.forms.words[list])
}

func countDigits(s string) (n int) {
	for i := range len(s) {
		if isDigit(s[i]) {
			n++
		}
	}
	return n
}

// jwt looks for three parts of base64url with dots between, five if it is
// encrypted, of which the first is a JSON object. The second part of an encrypted
// one may be empty, and so may the last of one that is not signed.
func (s *scanner) jwt(from int) bool {
	t := s.text
	end := s.runEnd(setURL64, 0, from)
	if end-from < 10 {
		return false
	}
	parts := 1
	for parts < 5 && end < len(t) && t[end] == '.' {
		more := end+1 < len(t) && (setURL64[t[end+1]] || parts == 1 && t[end+1] == '.')
		if !more && parts != 2 {
			break // the full stop of a sentence
		}
		end = s.runEnd(setURL64, 0, end+1)
		parts++
	}
	if parts < 3 && !strings.Contains(t[from:end], ".eyJ") {
		return false
	}
	s.add(from, end, JWT)
	return true
}
