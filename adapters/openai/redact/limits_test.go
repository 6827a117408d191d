package redact_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/openai/redact"
)

// parts are what the rules look for, or the begin of it.
var parts = []string{
	"a", "a@", "a.b@c.d", "@", "a:b@", "a://", "a://b:c@d/", "://", "x=", "pwd=", "pin=", "key=", "token=", "sid=", "secret=x,", "password=\"", "pwd='",
	"pwd=\\\"", "cookie:x=;", "cookie=a;", "authorization:", "authorization: basic ", "bearer ", "bearer=", "bearer-", "basic ", "sk-", "sk-a-", "eyJ", "eyJhbGciOiJ-", "eyJaaaaaaaaaa.",
	"aaaaaaaaaaaaaaaaaaaa-", "QUFBQUFBQUFBQUFBQUFBQUFBQUFB/", "4111 ", "4111-", "4", "4.", "DE89 ", "DE89", "<password>", "<a>", "a>", "----", "---- ", "-----BEGIN PRIVATE KEY", "-----END PRIVATE KEY-----",
	"%25", "%", "\\", "\\u00", "&amp;", "\x1b]", "\x1b[", "\x00", "\u200b", "＝", "é", "\xff", "value=", "\"value\",", "\"password\",", "--user ", "--user a:", "--token ", "password '", "Q~", "1.", "::", "a:",
	"<SECRET:", "<SECRET:email:1>", "123456:", "AKIA", "\n", " ", "-",
	"mysql -p", "mysql ", "-u a:b ", "-p a ", "-password ", "htpasswd a ", "sqlplus ", "net user ", "echo a|sudo -S ", "echo a ", "AUTH ", "AUTH \"", "\"auth\" \"", "auth(\"", "auth(\"a\",", "PASS a\n", "setuser >a ",
	"identified by ", "identified ", "(password) values ", "(password) values (a),", "values (", "set password for ", "password\t", "password|", "a|password|\n", "\"password\",", "\"a\",\"password\"\n", "a,password\nb,c\n",
	"password is ", "password for a ", "password 7 ", "password ENC ", "name=\"password\"", "name=password ", "<name>password</name>", "<password>a", "<key>", "password: |\n", "password=>\nstring(1) \"", "heroku:{", "heroku ", "heroku key ", "{\"heroku\":",
	"$6$", "$1$", "$1$9$", "$argon2i$", "{SSHA}", "{MD5}", "*0", "0123456789abcdef:", "0123456789abcdef0123456789abcdef:", ".atlasv1.", "a_mmk", "sk-ext_", "YTpi", "dXNlcjpwYXNz/", "$9\r\na\r\n", "AUTH\r\n$1\r\na\r\n", "4111.1111.", "-su ", "&#61;", "𝐩", "pаssword=",
}

// Each text takes milliseconds in linear time, and minutes if every repetition reads
// all of what follows.
func TestTimeGrowsWithLengthOnly(t *testing.T) {
	t.Parallel()
	for _, part := range parts {
		text := strings.Repeat(part, (1<<18)/len(part))
		start := time.Now()
		redact.New(redact.Config{IPs: true}).Session().Redact(text)
		require.Less(t, time.Since(start), 10*time.Second, "256 KiB of %q", part)
	}
}

// Parts that stand beside one another in any order panic nowhere, and cost no more.
func TestPartsInAnyOrderAreRead(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(seed, 5))
	redactor := redact.New(redact.Config{IPs: true})
	for range 5_000 {
		part := parts[r.IntN(len(parts))] + parts[r.IntN(len(parts))] + parts[r.IntN(len(parts))]
		text := strings.Repeat(part, 1+1000/len(part))
		require.NotPanics(t, func() { redactor.Session().Redact(text) }, "%q", part)
	}
}
