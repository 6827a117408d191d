package builtin_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// structuredLines are lines of one statement each, whose other parts are values of
// any kind.
var structuredLines = map[string]func(v *values) string{
	"logfmt": func(v *values) string {
		return "ts=" + v.time() + ` level=warn caller=` + v.word() + `.go:` + v.number() + ` msg="lost the lease" node=` + v.word() + " zone=" + v.word() + ` owner="` + v.word() + " " + v.word() + `"`
	},
	"members in any order": func(v *values) string {
		return v.object(`"time":"`+v.time()+`"`, `"level":"error"`, `"message":"cannot pay"`, `"customer":"`+v.word()+`"`, `"region":"`+v.word()+`"`)
	},
	"optional members and arrays": func(v *values) string {
		members := []string{`"@timestamp":"` + v.time() + `"`, `"log.level":"error"`, `"message":"cannot pay"`}
		for _, key := range []string{"cart", "region", "shop", "team"} {
			if v.r.IntN(2) == 0 {
				members = append(members, `"`+key+`":["`+v.word()+`",`+v.number()+`]`)
			} else if v.r.IntN(2) == 0 {
				members = append(members, `"`+key+`":{"name":"`+v.word()+`","size":`+v.number()+`}`)
			}
		}
		return v.object(members...)
	},
	"a message within": func(v *values) string {
		return v.object(`"timestamp":"`+v.time()+`"`, `"level":"ERROR"`, `"target":"shop::pay"`, `"fields":{"message":"cannot pay","peer":"`+v.word()+`"}`)
	},
	"no message": func(v *values) string {
		return v.object(`"ts":"`+v.time()+`"`, `"level":"error"`, `"op":"transfer"`, `"from":"`+v.word()+`"`, `"to":"`+v.word()+`"`, `"tags":["`+v.word()+`"]`)
	},
	"no known member but values": func(v *values) string {
		return v.object(`"ts":"`+v.time()+`"`, `"level":"error"`, `"first":"`+v.word()+`"`, `"second":"`+v.word()+`"`, `"third":`+v.number())
	},
	"pairs behind text": func(v *values) string {
		pairs := []string{"cart=" + v.word(), "region=" + v.word(), "size=" + v.number()}
		v.r.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
		return v.time() + " ERROR cannot pay " + strings.Join(pairs[v.r.IntN(2):], " ")
	},
	"an object behind text": func(v *values) string {
		return v.time() + "\tERROR\tcannot pay\t" + v.object(`"cart": "`+v.word()+`"`, `"region": "`+v.word()+`"`)
	},
	"JSON in Docker's JSON": func(v *values) string {
		return `{"log":"{\"level\":\"error\",\"msg\":\"cannot pay\",\"cart\":\"` + v.word() + `\",\"region\":\"` + v.word() + `\"}\n","stream":"stderr","time":"` + v.time() + `"}`
	},
	"JSON in a container's line": func(v *values) string {
		return v.time() + ` stderr F {"level":"error","msg":"cannot pay","cart":"` + v.word() + `","region":"` + v.word() + `"}`
	},
	"separated by commas": func(v *values) string {
		return v.time() + ",ERROR,cannot pay," + v.word() + "," + v.word() + "," + v.number()
	},
	"names in quotes": func(v *values) string {
		name := v.word() + strings.Repeat(" "+v.word(), v.r.IntN(3))
		return v.time() + ` WARN cannot start "` + name + `" of pod ` + v.word() + `: back-off of container=` + v.word()
	},
	"pairs in an object": func(v *values) string {
		return v.time() + " ERROR cannot pay Order{id=" + v.number() + ", customer=" + v.word() + ", region=" + v.word() + "}"
	},
	"only errors": func(v *values) string {
		return v.object(`"ts":"`+v.time()+`"`, `"level":"fatal"`, `"msg":"cannot pay order `+v.number()+`"`, `"status":`+v.number())
	},
}

// values draws values.
type values struct {
	r *rand.Rand
	n int
}

func (v *values) time() string {
	v.n++
	return time.Date(2026, 11, 18, 9, 0, v.n, 0, time.UTC).Format(time.RFC3339)
}

func (v *values) word() string {
	words := strings.Fields("maple otter flint raven willow quartz heron basalt clover thistle")
	return words[v.r.IntN(len(words))]
}

func (v *values) number() string { return strconv.Itoa(v.r.IntN(500)) }

func (v *values) object(members ...string) string {
	v.r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return "{" + strings.Join(members, ",") + "}"
}

func TestOneStatementOfStructuredLinesIsOneAnomaly(t *testing.T) {
	t.Parallel()
	for name, line := range structuredLines {
		v := &values{r: rand.New(rand.NewPCG(1, 2))}
		lines := make([]string, 300)
		for i := range lines {
			lines[i] = line(v)
		}
		r := analyse(t, entries(name, lines...))
		require.Equal(t, 1, r.TemplateCount, "%s: %s", name, lines[0])
		require.LessOrEqual(t, len(r.Anomalies), 1, name)
	}
}

func TestStructuredLinesAreToldApartByMessageLevelAndLogger(t *testing.T) {
	t.Parallel()
	r := analyse(t, entries("app",
		`{"level":"info","msg":"ready"}`, `{"level":"error","msg":"ready"}`, `{"level":"info","msg":"closed"}`, `{"level":"info","msg":"ready","logger":"b"}`,
		`{"level":"info","op":"read"}`, `{"level":"info","op":"write"}`,
	))
	require.Equal(t, 6, r.TemplateCount)
}

func TestNumbersOfMembersAreComparedByTheirKey(t *testing.T) {
	t.Parallel()
	v := &values{r: rand.New(rand.NewPCG(1, 2))}
	lines := make([]string, 300)
	for i := range lines {
		took := 20 + i%17
		if i == 200 {
			took = 90_000
		}
		members := []string{`"level":"info"`, `"msg":"served"`, fmt.Sprintf(`"took":%d`, took), fmt.Sprintf(`"user_id":%d`, 1+i*i*i)}
		if i%3 == 0 {
			members = append(members, fmt.Sprintf(`"size":%d`, 1_000_000+i%10))
		}
		lines[i] = v.object(members...)
	}
	r := analyse(t, entries("app", lines...))
	require.Len(t, r.Anomalies, 1)
	require.Equal(t, domain.AnomalyNumericOutlier, r.Anomalies[0].Kind)
	require.Equal(t, 1, r.Anomalies[0].Count)
}

func TestTheWayInDoesNotChangeATemplate(t *testing.T) {
	t.Parallel()
	const text = `cannot pay order 17`
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	field := func(level domain.LogLevel, message string, attributes map[string]string) []domain.LogEntry {
		e := entries("app", message)
		e[0].Level, e[0].Attributes = level, attributes
		return e
	}
	at := now.Format(time.RFC3339)
	for name, ways := range map[string][][]domain.LogEntry{
		"a level": {
			field(domain.LogLevelError, text, nil),
			entries("app", `{"time":"`+at+`","level":"error","message":"`+text+`"}`),
			entries("app", `time=`+at+` level=error msg="`+text+`"`),
			entries("app", at+" ERROR "+text), entries("app", at+" [error] "+text), entries("app", at+" error: "+text),
		},
		"a level and a logger": {
			field(domain.LogLevelWarn, text, map[string]string{"logger": "shop.Pay", "cart": "a"}),
			entries("app", `{"level":"WARN","logger":"shop.Pay","cart":"b","msg":"`+text+`"}`),
			entries("app", at+" WARNING shop.Pay: "+text),
		},
		"a message that begins with its level": {
			field(domain.LogLevelError, "Error reading file 5", nil),
			entries("app", `{"level":"error","message":"Error reading file 5"}`),
			entries("app", at+" ERROR Error reading file 5"),
		},
		"no level": {
			field(domain.LogLevelUnknown, text, nil), entries("app", `{"message":"`+text+`"}`), entries("app", at+" "+text),
		},
	} {
		var all []domain.LogEntry
		for _, way := range ways {
			all = append(all, way...)
		}
		for i := range all {
			all[i].ID = uuid.NewSHA1(uuid.Nil, []byte{byte(i)})
		}
		require.Equal(t, 1, analyse(t, all).TemplateCount, name)
	}
}
