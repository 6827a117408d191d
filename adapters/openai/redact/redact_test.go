package redact_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/openai/redact"
)

func TestTheSameValueHasTheSamePlaceholder(t *testing.T) {
	t.Parallel()
	first, second := "AKIA"+strings.Repeat("Q7X2", 4), "AKIA"+strings.Repeat("R5Z3", 4)
	s := redact.New(redact.Config{}).Session()
	require.Equal(t, "a <SECRET:aws_access_key:1> b <SECRET:aws_access_key:2> c <SECRET:aws_access_key:1>", s.Redact("a "+first+" b "+second+" c "+first))
	require.Equal(t, "<SECRET:aws_access_key:2>", s.Redact(second), "within the session")
	require.Equal(t, map[string]int{"aws_access_key": 4}, s.Counts())
	other := redact.New(redact.Config{}).Session()
	require.Equal(t, "<SECRET:aws_access_key:1>", other.Redact(second), "sessions share nothing")
	require.Equal(t, "plain", other.Redact("plain"))
}

func TestASecretIsOneWhereverItStands(t *testing.T) {
	t.Parallel()
	s := redact.New(redact.Config{}).Session()
	require.Equal(t, "password=<SECRET:password:1>", s.Redact("password=the-quiet-elephant-of-1969"))
	require.Equal(t, "seen once: <SECRET:password:1>, and <SECRET:password:1>", s.Redact("seen once: the-quiet-elephant-of-1969, and the-quiet-elephant-of-1969"))
	require.Equal(t, "the quiet elephant", s.Redact("the quiet elephant"))
	require.Equal(t, map[string]int{"password": 3}, s.Counts())

	short := redact.New(redact.Config{}).Session()
	require.Equal(t, "password=<SECRET:password:1>", short.Redact("password=elephant"))
	require.Equal(t, "an elephant", short.Redact("an elephant"), "a short value may stand there by accident")
}

// What stands between a word that gives a secret away and the secret is looked at too.
func TestWhatIsBeforeASecretIsReplacedToo(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`tag1 LOGIN "bob@example.com" Marathon8404`:                            `tag1 LOGIN "<SECRET:email:1>" <SECRET:password:1>`,
		"mail,password\nbob@example.com,sunflower\namy@example.com,battery":    "mail,password\n<SECRET:email:1>,<SECRET:password:1>\n<SECRET:email:2>,<SECRET:password:2>",
		"INSERT INTO u (mail,password) VALUES ('bob@example.com','sunflower')": "INSERT INTO u (mail,password) VALUES ('<SECRET:email:1>','<SECRET:password:1>')",
	} {
		require.Equal(t, want, redact.New(redact.Config{}).Session().Redact(text))
	}
}

func TestOnlyThePasswordIsReplaced(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"curl --user=bob:Kestrel9xm https://x.example":     "curl --user=bob:<SECRET:password:1> https://x.example",
		"tool --auth=bob:Kestrel9xm -v":                    "tool --auth=bob:<SECRET:password:1> -v",
		"tool --user=bob --login=bob -v":                   "tool --user=bob --login=bob -v",
		"EXEC sp_addlogin 'joe', 'Quartz24', 'master'":     "EXEC sp_addlogin 'joe', '<SECRET:password:1>', 'master'",
		"credential=bob:Bluebird24":                        "credential=bob:<SECRET:password:1>",
		"SECRET_KEY_BASE=k*yGUzKatB41b7":                   "SECRET_KEY_BASE=<SECRET:secret:1>",
		`{"sonarqube":"oscrgaruih4og8kgj5xzv2f4m2tcm076"}`: `{"sonarqube":"<SECRET:service_key:1>"}`,
		`{"logzio":"iwqd6fgzpl72o8qhk9bexidttclwui5l"}`:    `{"logzio":"<SECRET:service_key:1>"}`,
		`{"bitrise":"wg3xlbjdz9j8e1rvm54qtjiw9io1nqp7"}`:   `{"bitrise":"<SECRET:service_key:1>"}`,
	} {
		require.Equal(t, want, redact.New(redact.Config{}).Session().Redact(text))
	}
}
