package main

import (
	"bufio"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// utf16Reader gives UTF-16 text as UTF-8. Halves of a character that have no other
// half, and a byte too many at the end, become U+FFFD.
type utf16Reader struct {
	src  *bufio.Reader
	big  bool // the byte order
	out  []byte
	next int
	held rune // a first half that was read, 0 if none
	err  error
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	if u.next == len(u.out) {
		u.out, u.next = u.out[:0], 0
		for len(u.out) < 4<<10 && u.err == nil {
			u.unit()
		}
		if len(u.out) == 0 {
			return 0, u.err
		}
	}
	n := copy(p, u.out[u.next:])
	u.next += n
	return n, nil
}

// unit decodes two bytes.
func (u *utf16Reader) unit() {
	var pair [2]byte
	n, err := io.ReadFull(u.src, pair[:])
	if err != nil {
		if u.held != 0 || n > 0 {
			u.out = utf8.AppendRune(u.out, utf8.RuneError)
		}
		if u.held, u.err = 0, err; errors.Is(err, io.ErrUnexpectedEOF) && n == 1 {
			u.err = io.EOF
		}
		return
	}
	r := rune(pair[1])<<8 | rune(pair[0])
	if u.big {
		r = rune(pair[0])<<8 | rune(pair[1])
	}
	if u.held != 0 {
		first := u.held
		u.held = 0
		if whole := utf16.DecodeRune(first, r); whole != utf8.RuneError {
			u.out = utf8.AppendRune(u.out, whole)
			return
		}
		u.out = utf8.AppendRune(u.out, utf8.RuneError)
	}
	if r >= 0xd800 && r < 0xdc00 {
		u.held = r
		return
	}
	u.out = utf8.AppendRune(u.out, r) // A lone second half becomes U+FFFD.
}
