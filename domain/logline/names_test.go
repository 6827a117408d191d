package logline_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain/logline"
)

func TestFieldsOfOtherThingsAreNoTimesAndLevels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, time, level string }{
		{`{"msg":"sync done","created":12}`, "", "unknown"},
		{`{"msg":"temp read","t":21.5}`, "", "unknown"},
		{`{"msg":"hello","published":5}`, "", "unknown"},
		{`{"msg":"user read","created_at":"2026-11-30T09:00:00Z"}`, "", "unknown"},
		{`{"msg":"article read","published":"2019-05-01T09:00:00Z"}`, "", "unknown"},
		{`{"msg":"audit","published":"2026-11-30T09:00:00Z"}`, "2026-11-30T09:00:00Z", "unknown"},
		{`{"msg":"cert","expiry_date":"2026-11-30T09:00:00Z"}`, "", "unknown"},
		{`{"msg":"cert","not_before_time":"2026-11-30T09:00:00Z"}`, "", "unknown"},
		{`{"msg":"cert","validUntilDate":"2026-11-30T09:00:00Z"}`, "", "unknown"},
		{`{"msg":"x","update":"2026-11-30T09:00:00Z"}`, "", "unknown"},
		{`{"msg":"x","candidate":"2026-11-30T09:00:00Z"}`, "", "unknown"},
		{`{"msg":"x","runtime":1795942800,"uptime":1795942800,"timeout":1795942800}`, "", "unknown"},
		{`{"msg":"x","job_time":"2026-12-03T09:00:00Z"}`, "", "unknown"},
		{`{"msg":"x","job_time":"2025-11-01T09:00:00Z"}`, "", "unknown"},
		{`{"msg":"x","jobTime":"2026-11-30T09:00:00Z"}`, "2026-11-30T09:00:00Z", "unknown"},
		{`{"msg":"x","UTCTime":"2026-11-30T09:00:00Z"}`, "2026-11-30T09:00:00Z", "unknown"},
		{`{"msg":"x","expiry_date":"2026-11-30T08:00:00Z","log.date":"2026-11-30T09:00:00Z"}`, "2026-11-30T09:00:00Z", "unknown"},
		{`{"msg":"took","s":600}`, "", "unknown"},
		{`{"msg":"took","s":"E"}`, "", "unknown"},
		{`{"msg":"took","s":600,"t":7}`, "", "unknown"},
		{`{"s":"E","c":"NETWORK","msg":"gone"}`, "", "error"},
		{`{"msg":"ticket","priority":1}`, "", "unknown"},
		{`{"msg":"ticket","priority":3}`, "", "unknown"},
		{`{"msg":"ticket","priority":500}`, "", "unknown"},
		{`{"msg":"ticket","priority":"high","level":"info"}`, "", "info"},
		{`{"output":"rule","priority":"Critical"}`, "", "fatal"},
		{`{"MESSAGE":"down","PRIORITY":"2"}`, "", "fatal"},
		{`{"message":"down","priority":"2","_systemd_unit":"a.service"}`, "", "fatal"},
		{`{"priority":4,"message":"slow","facility":"daemon"}`, "", "warn"},
		{`{"msg":"m","level":3}`, "", "error"},
		{`{"msg":"m","level":5}`, "", "info"},
		{`{"msg":"m","level":2}`, "", "unknown"},
		{`msg=ticket priority=1 user=a s=600`, "", "unknown"},
	} {
		e := logline.Parser{}.Parse(c.line, productsNow())
		got := ""
		if !e.Timestamp.IsZero() {
			got = e.Timestamp.Format(time.RFC3339Nano)
		}
		require.Equal(t, c.time, got, c.line)
		require.Equal(t, c.level, e.Level.String(), c.line)
	}
}

func TestOnlyTheStatusOfAResponseIsALevel(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`INFO proto HTTP/1.1 512 bytes read`:                         "info",
		`proto HTTP/1.1 512 bytes read`:                              "unknown",
		`INFO sent "GET / HTTP/1.1" 512 bytes of it`:                 "info",
		`sent "GET / HTTP/1.1" 5123`:                                 "unknown",
		`sent "GET / HTTP/1.1" 600 1`:                                "unknown",
		`proxy: "GET / HTTP/1.1" 502`:                                "error",
		`proxy: "GET / HTTP/1.1" 502 -`:                              "error",
		`proxy: "GET / HTTP/1.1" 404 17`:                             "warn",
		`INFO: 192.0.2.7:5 - "GET / HTTP/1.1" 503 No such thing`:     "error",
		`WARN late: 192.0.2.7:5 - "GET / HTTP/1.1" 200 OK`:           "warn",
		`[pid: 7] GET /x => generated 1 byte (HTTP/1.1 500) at once`: "error",
	} {
		require.Equal(t, want, logline.Parser{}.Parse(line, productsNow()).Level.String(), line)
	}
}
