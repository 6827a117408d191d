package redacttest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Grammar returns n entries that are put together by lot: a name of several words in
// some style, a sign that assigns, a password, and a line round them.
func Grammar(seed uint64, n int) []Plant {
	r := rand.New(rand.NewPCG(seed, 4))
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	var out []Plant
	for i := range n {
		words := []string{pick(nouns)}
		for range r.IntN(3) {
			words = append([]string{pick(scopes)}, words...)
		}
		secret := password(r, r.IntN(4))
		text := fmt.Sprintf(pick(lines), fmt.Sprintf(pick(assignments), styled(words, i), secret))
		out = append(out, Plant{Class: "grammar", Form: words[len(words)-1], Text: text, Secrets: []string{secret}})
	}
	return out
}

// styled writes words as a name.
func styled(words []string, style int) string {
	title := func(words []string) string {
		var out strings.Builder
		for _, w := range words {
			out.WriteString(strings.ToUpper(w[:1]) + w[1:])
		}
		return out.String()
	}
	switch style % 7 {
	case 0:
		return strings.Join(words, "_")
	case 1:
		return strings.Join(words, "-")
	case 2:
		return strings.Join(words, ".")
	case 3:
		return strings.ToUpper(strings.Join(words, "_"))
	case 4:
		return words[0] + title(words[1:])
	case 5:
		return title(words)
	}
	return strings.ToUpper(strings.Join(words, "."))
}

var (
	nouns  = strings.Fields("password passwd pwd passphrase pass passcode")
	scopes = strings.Fields("db smtp mail admin root user app spring datasource ldap bind proxy keystore ssl redis master backup old new my service1 http")
	// assignments are of a name and a value.
	assignments = []string{
		"%s=%s", "%s = %s", "%s: %s", "%s : %s", "%s:=%s", "%s=>%s", "%s => '%s'", "%s -> %s", "%s=\"%s\"", "%s='%s'", "\"%s\":\"%s\"", "\"%s\" : \"%s\"", "'%s': '%s'", `\"%s\":\"%s\"`,
		"--%s=%s", "--%s %s", "-D%s=%s", "export %s=%s", "<x %s=\"%s\"/>", "[\"%s\",\"%s\"]", "('%s', '%s')", "{\"name\":\"%s\",\"value\":\"%s\"}", "%s\t%s", "?a=1&%s=%s&b=2", "map[%s:%s]", "%s == \"%s\"", "%s&#61;%s", "%s%%3D%s", "set %s %s",
	}
	// lines have an assignment in them.
	lines = []string{
		"%s", "2026-05-01 12:00:00,123 INFO [main] config %s", "level=info msg=started %s", `{"level":"info","msg":"started"} %s`, "<34>1 2026-05-01T12:00:00Z web1 app 812 ID47 - %s",
		"\x1b[31mERROR\x1b[0m cannot connect: %s", "May  1 12:00:00 web1 app[812]: %s", "java.lang.IllegalStateException: %s\n\tat com.example.Client.open(Client.java:42)",
	}
)
