package redact

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

const (
	// minShortBlob is the least length of a run of letters and digits that is looked
	// at as base64 of a user and a password, minBlob that of one that is looked at as
	// other base64, minEncoded that of base64 that can hold a secret, and minBare that
	// of a secret that has neither shape nor name.
	minShortBlob = 8
	minBlob      = 16
	minEncoded   = 20
	minBare      = 40
	// maxEncoded bounds what is decoded, and maxBlobTries how many words of one run
	// are taken for its begin.
	maxEncoded   = 16 << 10
	maxBlobTries = 4
)

// blob looks at the base64 that begins with the word from..to: it may hold a secret, and if it is
// long and random it is one.
func (s *scanner) blob(from, to int) {
	t := s.text
	if from < s.covered {
		return
	}
	if !s.inner && (from == 0 || !setBlob[t[from-1]]) {
		end := from + setBlob.end(t[from:min(len(t), from+maxLogin)], 0)
		if holdsLogin(t[from:end]) {
			s.add(from, padding(t, end), Encoded)
			return
		}
	}
	if to-from < minBlob {
		return
	}
	if from >= s.blobs.to {
		begin := from
		for begin > 0 && setBlob[t[begin-1]] {
			begin--
		}
		s.blobs, s.blobTries = span{from: begin, to: setBlob.end(t, from)}, 0
	}
	if s.blobTries++; s.blobTries > maxBlobTries {
		return
	}
	begin, end := s.blobs.from, s.blobs.to
	padded := padding(t, end)
	for _, at := range [...]int{from, begin} {
		if size := end - at; !s.inner && size >= minEncoded && size <= maxEncoded && holdsSecret(t[at:end]) {
			s.add(at, padded, Encoded)
			return
		}
		if begin == from {
			break
		}
	}
	switch size := end - begin; {
	case isBodyLength(size) && bothCases(t[begin:end]) && countDigits(t[begin:end]) > 0:
		s.add(begin, padded, PrivateKey)
	case end-from >= minBare && random(t[from:end]):
		s.add(begin, padded, HighEntropy)
	}
}

// padding returns the end of base64's padding that begins at end.
func padding(t string, end int) int {
	for last := end + 2; end < len(t) && t[end] == '=' && end < last; {
		end++
	}
	return end
}

var setBlob = newAlphabet(alnums + "+/_-")

// holdsLogin reports whether base64 decodes to user:password, or to what SASL's PLAIN
// makes of them.
func holdsLogin(word string) bool {
	if len(word) < minLogin || len(word) > maxLogin {
		return false
	}
	coding := base64.RawStdEncoding
	if strings.ContainsAny(word, "-_") {
		coding = base64.RawURLEncoding
	}
	var buffer [maxLogin]byte
	n, err := coding.Decode(buffer[:], []byte(word))
	if err != nil {
		return false
	}
	plain := buffer[:n]
	separator := byte(':')
	if plain[0] == 0 || bytes.Count(plain, []byte{0}) == 2 {
		separator = 0
		plain = plain[bytes.IndexByte(plain, 0)+1:]
	}
	user, password, ok := bytes.Cut(plain, []byte{separator})
	if !ok || len(user) < 2 || len(password) < 3 {
		return false
	}
	for _, c := range user {
		if !setLocal[c] && c != '@' && c != '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	for _, c := range password {
		if c < ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// minLogin and maxLogin are the least and the greatest length of base64 of a user and
// a password.
const (
	minLogin = 10
	maxLogin = 128
)

// holdsSecret reports whether base64 decodes to text with a secret in it.
func holdsSecret(word string) bool {
	// The first 18 bytes tell nearly always that it is no text.
	if _, ok := decode(word[:minEncoded]); !ok {
		return false
	}
	plain, ok := decode(word)
	if !ok {
		return false
	}
	var v view
	var inner scanner
	inner.of(v.of(plain)).inner = true
	inner.scan()
	return len(inner.found) > 0
}

// lines looks for lines that are nothing but base64, as the body of a key that lost
// its first line: each line may be an entry of its own.
func (s *scanner) lines() {
	for at := 0; at < len(s.text); {
		end := s.lineEnd(at)
		if from, to := trim(s.text, at, end); isBody(s.text[from:to]) {
			s.add(from, to, PrivateKey)
		}
		at = end + 1
	}
}

// isBodyLength reports whether the lines of PEM, OpenSSH or MIME are so long.
func isBodyLength(n int) bool { return n == 64 || n == 70 || n == 76 }

func trim(t string, from, to int) (int, int) {
	for from < to && t[from] <= ' ' {
		from++
	}
	for from < to && t[to-1] <= ' ' {
		to--
	}
	return from, to
}

// isBody reports whether a line can be one of the body of a key: as long as PEM's
// and PuTTY's lines are and random, or a last line, which ends with padding.
func isBody(line string) bool {
	if len(line) < 8 || !setBlob[line[0]] {
		return false
	}
	bare := line[:setBlob.end(line, 0)]
	if padding(line, len(bare)) != len(line) {
		return false
	}
	switch {
	case isBodyLength(len(line)):
		return bothCases(bare)
	case len(line) >= minBare:
		return random(bare)
	case len(line)-len(bare) == 2:
		return len(line)%4 == 0
	case len(line)-len(bare) == 1:
		return len(line)%4 == 0 && random(bare)
	}
	return false
}

// dashes looks for the first or last line of a private key in PEM.
func (s *scanner) dashes(at int) {
	t := s.text
	if !strings.HasPrefix(t[at:], "----") || at < s.covered || at > 0 && t[at-1] == '-' {
		return
	}
	head := strings.TrimLeft(t[at:], "-")
	head = strings.TrimLeft(head, " ")
	if cut := strings.Index(head, "----"); cut >= 0 {
		head = head[:cut]
	}
	if len(head) > 2*maxName || !strings.Contains(head, "PRIVATE KEY") {
		return
	}
	switch {
	case strings.HasPrefix(head, "BEGIN"):
		s.add(at, s.keyEnd(at+len("----")), PrivateKey)
	case strings.HasPrefix(head, "END"):
		from := at
		for from > s.covered && (setBase64[t[from-1]] || t[from-1] <= ' ') {
			from--
		}
		s.add(from, s.keyEnd(at), PrivateKey)
	}
}

// keyEnd returns the end of the last line of a key that begins before from, or of
// the text: a key that was cut is secret to its end.
func (s *scanner) keyEnd(from int) int {
	t := s.text
	for _, last := range []string{"-----END", "---- END"} {
		if at := strings.Index(t[from:], last); at >= 0 {
			from += at + len(last)
			at = strings.Index(t[from:], "----")
			if at < 0 {
				return len(t)
			}
			from += at
			for from < len(t) && t[from] == '-' {
				from++
			}
			return from
		}
	}
	return len(t)
}
