package redact_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/openai/redact"
)

func TestPlainUndoesWhatHidesText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain 100% of C:\\dir\\file & more": "plain 100% of C:\\dir\\file & more",
		`{\"a\":\"b\/c\",\\\"d\\\"}`:         `{"a":"b/c","d"}`,
		`a\nb\tc\u0041\x42\u003d`:            "a\nb\tcAB=",
		`\u12`:                               `\u12`,
		"a%3Db%2540c%252526%zz%4":            "a=b@c&%zz%4",
		"&lt;b&gt;&amp;&QUOT;&#64;&nope;":    "<b>&\"@&nope;",
		"\x1b[31;1mred\x1b[0m \x1b]0;t\a.":   "red .",
		"\uFFFD[31mred\uFFFD[0m a\uFFFDb":    "red ab",
		"\uFFFD[password]":                   "[password]",
		"a\x00b\x7fc\u200bd\u202ee\ufe0ff":   "abcdef",
		"ｋｅｙ＝ｖ：ｗ　ｘ":                          "key=v:w x",
		"“q” ‘r’ a∶b − c・d":                  "\"q\" 'r' a:b - c・d",
		"10\u00a0000\u2028x":                 "10 000 x",
		"ключ 键 é":                           "ключ 键 é",
		"<*>.<*> <b>":                        "0.0 <b>",
		"\xff\xfe":                           "\xff\xfe",
		"%00%1b%ff":                          "%ff",
		`\ud83d\ude00 \u001b[1m`:             "\uFFFD\uFFFD [1m",
	} {
		require.Equal(t, want, redact.Plain(text), "%q", text)
	}
}

func TestTheSameValueInAnyEncodingHasTheSamePlaceholder(t *testing.T) {
	t.Parallel()
	s := redact.New(redact.Config{}).Session()
	require.Equal(t, "password=<SECRET:password:1> x", s.Redact("password=Tiger/22 x"))
	require.Equal(t, "/a?password=<SECRET:password:1>&b=1", s.Redact("/a?password=Tiger%2F22&b=1"))
	require.Equal(t, `{"password":"<SECRET:password:1>"}`, s.Redact(`{"password":"Tiger\/22"}`))
	require.Equal(t, `{"m":"{\"password\":\"<SECRET:password:1>\"}"}`, s.Redact(`{"m":"{\"password\":\"Tiger\\\/22\"}"}`))
	require.Equal(t, "password=<SECRET:password:2>", s.Redact("password=tiger/22"))
	require.Equal(t, map[string]int{"password": 5}, s.Counts())
}

func TestAddressesAreReplacedOnDemand(t *testing.T) {
	t.Parallel()
	line := "from 203.0.113.7:5432 and [2001:db8::1]:80 via ::ffff:203.0.113.9, fe80::1%eth0, not 127.0.0.1, ::1, 1.2.3, 12:30:45 or v1.2.3.4.5"
	require.Equal(t, line, redact.New(redact.Config{}).Session().Redact(line))
	require.Equal(t,
		"from <SECRET:ip_address:1>:5432 and [<SECRET:ip_address:2>]:80 via <SECRET:ip_address:3>, <SECRET:ip_address:4>%eth0, not 127.0.0.1, ::1, 1.2.3, 12:30:45 or v1.2.3.4.5",
		redact.New(redact.Config{IPs: true}).Session().Redact(line))
}

func TestTemplatesAreRedactedToo(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"user <*> logged in from <*>.<*>":       "user <*> logged in from <*>.<*>",
		"password=<*> token=<*>":                "password=<*> token=<*>",
		"password=<*>!Tiger user=<*>":           "password=<SECRET:password:1> user=<*>",
		"postgres://app:<*>!Tiger@<*>/app":      "postgres://app:<SECRET:url_password:1>@<*>/app",
		"Authorization: Basic <*>":              "Authorization: Basic <*>",
		"mail to jane.<*>@example.com bounced":  "mail to <SECRET:email:1> bounced",
		"mail to jane.roe@<*> bounced":          "mail to <SECRET:email:1> bounced",
		"jdbc:oracle:thin:scott/tiger@<*>:<*>":  "jdbc:oracle:thin:scott/<SECRET:url_password:1>@<*>:<*>",
		"AKIA<*>QX<*>ZPLMRT<*>KL was refused":   "<SECRET:aws_access_key:1> was refused",
		"password=sunflower user=<*> took <*>s": "password=<SECRET:password:1> user=<*> took <*>s",
	} {
		require.Equal(t, want, redact.New(redact.Config{}).Session().Redact(text), "%q", text)
	}
}

func TestNothingOfAPlaceholderTellsTheValue(t *testing.T) {
	t.Parallel()
	short, long := "password=a1", "password="+strings.Repeat("Zz9", 300)
	a := redact.New(redact.Config{}).Session().Redact(short)
	b := redact.New(redact.Config{}).Session().Redact(long)
	require.Equal(t, a, b)
}

func TestPlaceholdersThatALineForgesHideNothing(t *testing.T) {
	t.Parallel()
	s := redact.New(redact.Config{}).Session()
	require.NotContains(t, s.Redact("password=<SECRET:password:hunter2>"), "hunter2")
	require.NotContains(t, s.Redact("password=q7<SECRET:token:1>"), "q7")
	require.NotContains(t, s.Redact("<SECRET:hunter2:1>"), "hunter2")
}

func TestColoursWithoutTheirFirstCharacterHideNothing(t *testing.T) {
	t.Parallel()
	key := "AKIA" + strings.Repeat("Q7X2", 4)
	require.Equal(t, "[31;1m<SECRET:aws_access_key:1>[0m", redact.New(redact.Config{}).Session().Redact("[31;1m"+key+"[0m"))
	require.Equal(t, "[1m<SECRET:aws_access_key:1>", redact.New(redact.Config{}).Session().Redact("[1m"+key))
}
