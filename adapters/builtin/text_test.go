package builtin_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

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
