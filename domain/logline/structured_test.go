package logline

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestReadStructured(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]Structured{
		`{"ts":"2026-11-18T09:00:00Z","level":"error","msg":"request failed","user":"x"}`: {Text: "request failed", Level: true, Members: []Member{{"user", "x"}}},
		` {"user":"x","msg":"said \"no\"\n\tat a.b","logger":"a.B","list":[1,{"msg":"y"}]} `: {
			Begin: 1, Text: "said \"no\"\n\tat a.b", Logger: "a.B", Members: []Member{{"user", "x"}},
		},
		`{"fields":{"message":"started","port":80},"target":"shop::web"}`:         {Text: "started", Logger: "shop::web", Members: []Member{{"port", "80"}}},
		`{"error":"no route","event":{"text":"inner"},"message":"could not pay"}`: {Text: "could not pay", Members: []Member{{"text", "inner"}}},
		`{"log":{"level":"warn"},"reason":"too old","n":null}`:                    {Text: "too old", Level: true},
		`{"user":"x","verb":"get","kind":"Audit"}`: {
			Event: []string{"Audit", "get"}, Members: []Member{{"user", "x"}, {"verb", "get"}, {"kind", "Audit"}},
		},
		"{}":                                    {},
		`{"log":"a \"b\"\n","stream":"stdout"}`: {Text: "a \"b\"\n", Members: []Member{{"stream", "stdout"}}},
		`stdout F {"msg":"up"}`:                 {Begin: 9, Text: "up"},
		`ERROR cannot pay {"user": "x"}`:        {Begin: 17, Members: []Member{{"user", "x"}}},
		`level=info msg="a \"b\" c" n=1`:        {Text: `a "b" c`, Level: true, Members: []Member{{"n", "1"}}},
		"ERROR cannot pay user=x, cart=7":       {Begin: 17, Members: []Member{{"user", "x"}, {"cart", "7"}}},
	} {
		got, ok := ReadStructured(line, nil)
		require.True(t, ok, line)
		got.event, got.text = [len(eventKeys)]string{}, 0
		require.Equal(t, want, got, line)
	}
	for _, line := range []string{
		"", "{", "}", "{a}", `{"msg":"cut o`, `{"a":1} and text`, "x{\"a\":1}", "nothing here", "one=pair", "a=1 b=2 and then text", "failure; user= uid=0 tty=ssh",
		"Trip(id=1, to=x)", "=a =b", "a= b=",
	} {
		_, ok := ReadStructured(line, nil)
		require.False(t, ok, line)
	}
}

// FuzzReadStructured checks that no line breaks the reading, and that what it gives
// is of the line.
func FuzzReadStructured(f *testing.F) {
	for _, seed := range []string{`{"msg":"a","b":{"c":[1,"d"]}}`, `x level=info msg="a \" b" c=d`, `a {"b":"\u00e9\n"}`, "{\"a\":{\"b\":{\"c\":{\"d\":1}}}}", "\xff=\xfe a=b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		s, ok := ReadStructured(line, nil)
		if !ok {
			return
		}
		require.LessOrEqual(t, s.Begin, len(line))
		require.True(t, utf8.ValidString(s.Text) || !utf8.ValidString(line))
		for _, m := range s.Members {
			require.True(t, strings.Contains(line, m.Key) && strings.Contains(line, m.Value) || strings.Contains(m.Value, `"`) || strings.Contains(line, `\`))
		}
	})
}
