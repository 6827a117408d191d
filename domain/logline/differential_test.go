package logline_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logfmt/logfmt"
	"github.com/leodido/go-syslog/v4/rfc3164"
	"github.com/leodido/go-syslog/v4/rfc5424"
	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/domain/logline"
)

// diffLines is how many random lines are compared with another parser's reading.
const diffLines = 20_000

// pick is one of the values.
func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// severityLevel is the level of a severity of RFC 5424, table 2.
func severityLevel(n uint8) domain.LogLevel {
	return []domain.LogLevel{
		domain.LogLevelFatal, domain.LogLevelFatal, domain.LogLevelFatal, domain.LogLevelError,
		domain.LogLevelWarn, domain.LogLevelInfo, domain.LogLevelInfo, domain.LogLevelDebug,
	}[n]
}

// What go-syslog takes for RFC 5424 is read alike.
func TestRFC5424IsReadAsGoSyslogReadsIt(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	compared := 0
	for range diffLines {
		line := randomRFC5424(r)
		parsed, err := rfc5424.NewParser().Parse([]byte(line))
		if err != nil {
			continue
		}
		compared++
		m := parsed.(*rfc5424.SyslogMessage) //nolint:forcetypeassert // The parser returns no other.
		h := logline.Parser{}.Header(line, testNow())
		e := logline.Parser{}.Parse(line, testNow())
		require.Equal(t, logline.FormatSyslog, h.Format, line)
		require.Equal(t, severityLevel(*m.Severity), e.Level, line)
		if m.Timestamp == nil {
			require.True(t, e.Timestamp.IsZero(), line)
		} else {
			require.Equal(t, m.Timestamp.UTC().Truncate(time.Microsecond), e.Timestamp, line)
		}
		want := map[string]string{}
		for name, value := range map[string]*string{"host": m.Hostname, "program": m.Appname, "pid": m.ProcID, "msgid": m.MsgID} {
			if value != nil {
				want[name] = *value
			}
		}
		if m.StructuredData != nil {
			for id, params := range *m.StructuredData {
				for name, value := range params {
					want[id+"."+name] = value
				}
			}
		}
		maps.DeleteFunc(want, func(_, v string) bool { return v == "" })
		if len(want) == 0 {
			want = nil
		}
		require.Equal(t, want, e.Attributes, line)
		require.Equal(t, strings.TrimPrefix(deref(m.Message), "\uFEFF"), line[h.TextBegin:h.TextEnd], line)
	}
	require.Greater(t, compared, diffLines/2, "too few lines were valid to say something")
}

// randomRFC5424 is mostly a line of RFC 5424.
func randomRFC5424(r *rand.Rand) string {
	stamp := time.Unix(r.Int64N(4e9), r.Int64N(1e9)).UTC().In(time.FixedZone("", (r.IntN(27)-12)*1800)).
		Format(pick(r, time.RFC3339, "2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05.000000Z07:00"))
	data := "-"
	if r.IntN(2) == 0 {
		var b strings.Builder
		for i := range 1 + r.IntN(3) {
			fmt.Fprintf(&b, "[id%d@%d", i, r.IntN(99999))
			for j := range r.IntN(4) {
				fmt.Fprintf(&b, " p%d=\"%s\"", j, pick(r, "", "v", `a \"b\" c`, `back\\slash`, `brac\]ket`, "sp ace", "ünïcode", "=", "[x"))
			}
			b.WriteByte(']')
		}
		data = b.String()
	}
	return fmt.Sprintf("<%d>1 %s %s %s %s %s %s%s", r.IntN(200), pick(r, stamp, stamp, stamp, "-", "x"),
		pick(r, "-", "host", "10.0.0.1", "h.example.com"), pick(r, "-", "app", "su", "a/b"), pick(r, "-", "1", "4711"), pick(r, "-", "ID47", "TCPIN"), data,
		pick(r, "", " ", " text", " \uFEFFtext é", " [x y=\"z\"]", "  two", " - dash", " ERROR 2026-01-01T00:00:00Z x", "broken"))
}

// What go-syslog takes for RFC 3164 is read alike.
func TestRFC3164IsReadAsGoSyslogReadsIt(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	compared := 0
	for range diffLines {
		at := time.Date(2025, 1, 2, 0, 0, r.IntN(363*86400), 0, time.UTC)
		line := fmt.Sprintf("<%d>%s %s %s%s: %s", r.IntN(200), at.Format(time.Stamp), pick(r, "host", "10.0.0.1", "h-1.example.com"),
			pick(r, "su", "sshd", "my-app", "kernel"), pick(r, "", "[1]", "[4711]"), pick(r, "text", "'su root' failed for x", "a: b", "é", "ERROR x", "[y] z"))
		parsed, err := rfc3164.NewParser(rfc3164.WithYear(rfc3164.Year{YYYY: 2025})).Parse([]byte(line))
		if err != nil {
			continue
		}
		compared++
		m := parsed.(*rfc3164.SyslogMessage) //nolint:forcetypeassert // The parser returns no other.
		now := time.Date(2025, 12, 31, 23, 59, 59, 0, time.UTC)
		h := logline.Parser{}.Header(line, now)
		require.Equal(t, logline.FormatSyslog, h.Format, line)
		require.Equal(t, severityLevel(*m.Severity), h.Level, line)
		require.Equal(t, m.Timestamp.UTC(), h.Time, line)
		require.Equal(t, []string{deref(m.Hostname), deref(m.Appname), deref(m.ProcID)}, []string{h.Host, h.Program, h.PID}, line)
		_, text, _ := strings.Cut(line[h.TextBegin:h.TextEnd], ": ")
		require.Equal(t, deref(m.Message), text, line)
	}
	require.Greater(t, compared, diffLines/2, "too few lines were valid to say something")
}

// What go-logfmt takes is read alike.
func TestLogfmtIsReadAsGoLogfmtReadsIt(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	names := map[string]string{"host": "host", "service": "program", "pid": "pid", "method": "method", "status": "status", "trace_id": "trace_id", "stream": "stream", "path": "path"}
	keys := slices.Sorted(maps.Keys(names))
	compared := 0
	for range diffLines {
		at := time.Unix(r.Int64N(4e9), 0).UTC()
		line := fmt.Sprintf("time=%s", at.Format(time.RFC3339))
		level := pick(r, "debug", "info", "warn", "error", "INFO")
		for _, i := range r.Perm(6) {
			line += " " + pick(r, keys[i]+"=", keys[i]+"=v", keys[i]+`="two words"`, keys[i]+`="a \"q\" b"`, keys[i]+`="back\\slash"`, keys[i]+"=é", keys[i]+"=a/b:c")
			if i == 2 {
				line += pick(r, " level=", ` level="`)
				if strings.HasSuffix(line, `"`) {
					line += level + `"`
				} else {
					line += level
				}
			}
			if i == 3 {
				line += ` msg="` + pick(r, "gone", "a b", `c \"d\"`) + `"`
			}
		}
		d := logfmt.NewDecoder(strings.NewReader(line))
		require.True(t, d.ScanRecord())
		want, text := map[string]string{}, ""
		for d.ScanKeyval() {
			switch key, value := string(d.Key()), string(d.Value()); {
			case key == "msg":
				text = value
			case names[key] != "" && value != "":
				want[names[key]] = value
			}
		}
		if d.Err() != nil {
			continue
		}
		compared++
		if len(want) == 0 {
			want = nil
		}
		h := logline.Parser{}.Header(line, testNow())
		e := logline.Parser{}.Parse(line, testNow())
		require.Equal(t, logline.FormatLogfmt, h.Format, line)
		require.Equal(t, at, e.Timestamp, line)
		wantLevel, _ := domain.LookupLogLevel(level)
		require.Equal(t, wantLevel, e.Level, line)
		require.Equal(t, want, e.Attributes, line)
		require.Equal(t, text, strings.ReplaceAll(line[h.TextBegin:h.TextEnd], `\"`, `"`), line)
	}
	require.Greater(t, compared, diffLines/2, "too few lines were valid to say something")
}
