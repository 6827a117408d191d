package logline_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/domain/logline"
)

func TestParse(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)
	at := func(s string) time.Time {
		parsed, err := time.Parse(time.RFC3339Nano, s)
		require.NoError(t, err)
		return parsed.UTC()
	}
	for name, c := range map[string]struct {
		line  string
		time  string
		level domain.LogLevel
	}{
		"RFC 3339":             {"2026-03-01T10:11:12.123456789Z INFO started", "2026-03-01T10:11:12.123456Z", domain.LogLevelInfo},
		"with an offset":       {"2026-03-01T10:11:12+02:00 WARN slow", "2026-03-01T08:11:12Z", domain.LogLevelWarn},
		"Log4j":                {"2026-03-01 10:11:12,345 ERROR [main] a.b.C - failed", "2026-03-01T10:11:12.345Z", domain.LogLevelError},
		"PostgreSQL":           {"2026-03-01 10:11:12.345 UTC [77] FATAL:  no such role", "2026-03-01T10:11:12.345Z", domain.LogLevelFatal},
		"PostgreSQL's LOG":     {"2026-03-01 10:11:12.345 UTC [77] LOG:  checkpoint starting", "2026-03-01T10:11:12.345Z", domain.LogLevelInfo},
		"syslog":               {"Mar  4 01:02:03 host sshd[12]: Accepted password", "2026-03-04T01:02:03Z", domain.LogLevelUnknown},
		"syslog of last year":  {"Dec 31 23:59:59 host app: error: disk", "2025-12-31T23:59:59Z", domain.LogLevelError},
		"Apache error":         {"[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok", "2005-12-04T04:47:44Z", domain.LogLevelInfo},
		"Apache 2.4 error":     {"[Sun Dec 04 04:47:44.123456 2005] [core:error] [pid 1] gone", "2005-12-04T04:47:44.123456Z", domain.LogLevelError},
		"access log":           {`127.0.0.1 - - [10/Oct/2025:13:55:36 -0700] "GET / HTTP/1.1" 200 5`, "2025-10-10T20:55:36Z", domain.LogLevelInfo},
		"nginx error":          {"2026/03/01 10:11:12 [error] 31#31: *9 connect() failed", "2026-03-01T10:11:12Z", domain.LogLevelError},
		"HDFS":                 {"081109 203615 148 INFO dfs.DataNode$PacketResponder: terminating", "2008-11-09T20:36:15Z", domain.LogLevelInfo},
		"Spark":                {"17/06/09 20:10:40 INFO executor.Executor: Running task", "2017-06-09T20:10:40Z", domain.LogLevelInfo},
		"BGL":                  {"- 1117838570 2005.06.03 R02-M1 2005-06-03-15.42.50.675872 R02-M1 RAS KERNEL FATAL parity", "2005-06-03T15:42:50.675872Z", domain.LogLevelFatal},
		"HealthApp":            {"20171223-22:15:29:606|Step_LSC|30002312|onStandStepChanged 3579", "2017-12-23T22:15:29.606Z", domain.LogLevelUnknown},
		"klog":                 {"E0302 10:11:12.654321   12 file.go:3] cannot sync", "2026-03-02T10:11:12.654321Z", domain.LogLevelError},
		"Redis":                {"12:M 01 Mar 2026 10:11:12.345 # Can't save in background", "2026-03-01T10:11:12.345Z", domain.LogLevelWarn},
		"Redis' notice":        {"12:M 01 Mar 2026 10:11:12.345 * Ready to accept connections", "2026-03-01T10:11:12.345Z", domain.LogLevelInfo},
		"epoch milliseconds":   {"1772359872345 WARNING queue long", "2026-03-01T10:11:12.345Z", domain.LogLevelWarn},
		"logfmt":               {`time="2026-03-01T10:11:12Z" level=warning msg="x"`, "2026-03-01T10:11:12Z", domain.LogLevelWarn},
		"syslog of RFC 5424":   {"<11>1 2026-03-01T10:11:12.003Z host app 71 ID47 - disk is gone", "2026-03-01T10:11:12.003Z", domain.LogLevelError},
		"syslog's priority":    {"<28>Mar  4 01:02:03 host app[7]: nearly full", "2026-03-04T01:02:03Z", domain.LogLevelWarn},
		"Android":              {"03-01 10:11:12.345  1702  2395 E ActivityManager: ANR in a.b", "2026-03-01T10:11:12.345Z", domain.LogLevelError},
		"Python":               {"2026-03-01 10:11:12,345 - root - WARNING - slow", "2026-03-01T10:11:12.345Z", domain.LogLevelWarn},
		"Python without time":  {"ERROR:root:gone", "", domain.LogLevelError},
		"Tomcat":               {"01-Mar-2026 10:11:12.345 SEVERE [main] a.b.C.d gone", "2026-03-01T10:11:12.345Z", domain.LogLevelError},
		"MongoDB":              {`{"t":{"$date":"2026-03-01T10:11:12.345Z"},"s":"W","msg":"x"}`, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn},
		"pino":                 {`{"level":50,"time":1772359872345,"msg":"x"}`, "2026-03-01T10:11:12.345Z", domain.LogLevelError},
		"a date in the text":   {"we met on 2026-03-01 10:11:12 there", "", domain.LogLevelUnknown},
		"JSON":                 {`{"ts":"2026-03-01T10:11:12Z","level":"error","msg":"x"}`, "2026-03-01T10:11:12Z", domain.LogLevelError},
		"JSON with a number":   {`{"time":1772359872.345,"severity":"INFO"}`, "2026-03-01T10:11:12.345Z", domain.LogLevelInfo},
		"plain text":           {"something happened that was no error at all", "", domain.LogLevelUnknown},
		"a month that is none": {"2026-13-01 10:11:12 INFO x", "", domain.LogLevelInfo},
		"a day that is none":   {"2026-02-30 10:11:12 INFO x", "", domain.LogLevelInfo},
		"empty":                {"", "", domain.LogLevelUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := logline.Parser{}.Parse(c.line+"\r", now)
			require.Equal(t, c.line, got.Message)
			require.Equal(t, c.level, got.Level)
			if c.time == "" {
				require.True(t, got.Timestamp.IsZero(), "%v", got.Timestamp)
				return
			}
			require.Equal(t, at(c.time), got.Timestamp)
		})
	}
}

func TestParseReadsTheSenderOfSyslog(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		line string
		want map[string]string
	}{
		"RFC 3164":     {"Mar  4 01:02:03 web1 sshd[12]: x", map[string]string{"host": "web1", "program": "sshd", "pid": "12"}},
		"no pid":       {"Mar  4 01:02:03 web1 kernel: x", map[string]string{"host": "web1", "program": "kernel"}},
		"RFC 5424":     {"<11>1 2026-03-01T10:11:12.003Z web1 app 71 ID47 - x", map[string]string{"host": "web1", "program": "app", "pid": "71", "msgid": "ID47"}},
		"nil values":   {"<11>1 2026-03-01T10:11:12.003Z - app - - - x", map[string]string{"program": "app"}},
		"no syslog":    {"2026-03-01 10:11:12,345 ERROR a: x", nil},
		"no time":      {"web1 sshd[12]: x", nil},
		"other layout": {"E0302 10:11:12.654321   12 file.go:3] x", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, logline.Parser{}.Parse(c.line, now).Attributes)
		})
	}
}

func BenchmarkParse(b *testing.B) {
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		logline.Parser{}.Parse("2026-03-01 10:11:12,345 ERROR [main] a.b.C - connection to 10.0.0.1 failed", now)
	}
}
