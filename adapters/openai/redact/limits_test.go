package redact_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/openai/redact"
)

// Each text takes milliseconds in linear time, and minutes if every repetition reads
// all of what follows.
func TestTimeGrowsWithLengthOnly(t *testing.T) {
	t.Parallel()
	for _, part := range []string{
		"a", "a@", "a.b@c.d", "@", "a:b@", "a://", "a://b:c@d/", "://", "x=", "pwd=", "pin=", "key=", "token=", "sid=", "secret=x,", "password=\"", "pwd='",
		"pwd=\\\"", "cookie:x=;", "cookie=a;", "authorization:", "authorization: basic ", "bearer ", "bearer=", "bearer-", "basic ", "sk-", "sk-a-", "eyJ", "eyJhbGciOiJ-", "eyJaaaaaaaaaa.",
		"aaaaaaaaaaaaaaaaaaaa-", "QUFBQUFBQUFBQUFBQUFBQUFBQUFB/", "4111 ", "4111-", "4", "4.", "DE89 ", "DE89", "<password>", "<a>", "a>", "----", "---- ", "-----BEGIN PRIVATE KEY", "-----END PRIVATE KEY-----",
		"%25", "%", "\\", "\\u00", "&amp;", "\x1b]", "\x1b[", "\x00", "\u200b", "＝", "é", "\xff", "value=", "\"value\",", "\"password\",", "--user ", "--user a:", "--token ", "password '", "Q~", "1.", "::", "a:",
		"<SECRET:", "<SECRET:email:1>", "123456:", "AKIA", "\n", " ", "-",
	} {
		text := strings.Repeat(part, (1<<18)/len(part))
		start := time.Now()
		redact.New(redact.Config{IPs: true}).Session().Redact(text)
		require.Less(t, time.Since(start), 10*time.Second, "256 KiB of %q", part)
	}
}
