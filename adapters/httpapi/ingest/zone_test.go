package ingest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/domain/logline"
)

func TestATimeWithoutAZoneIsOfTheRequests(t *testing.T) {
	t.Parallel()
	const clock = "2026-07-01 10:00:00"
	tokyo, err := logline.ParseZone("Asia/Tokyo")
	require.NoError(t, err)
	// Each sends one entry of that time. All go to one API in turn, so that a zone which
	// stayed there would be seen by the next request.
	ways := []struct{ name, path, media, body string }{
		{"text", logsPath, plain, clock + " INFO m"},
		{"text of several lines", logsPath, plain, clock + " ERROR m\njava.lang.Error: x\n\tat a.B.c(B.java:1)"},
		{"text of JSON", logsPath, plain, `{"time":"` + clock + `","msg":"m"}`},
		{"JSON", logsPath, "application/json", `{"time":"` + clock + `","msg":"m"}`},
		{"NDJSON", logsPath, ndjson, `{"@timestamp":"2026-07-01T10:00:00","msg":"m"}`},
		{"NDJSON, date and time apart", logsPath, ndjson, `{"date":"2026-07-01","time":"10:00:00","msg":"m"}`},
		{"NDJSON, a name that says time", logsPath, ndjson, `{"upload_time":"` + clock + `","msg":"m"}`},
		{"bulk", "/_bulk", ndjson, `{"index":{}}` + "\n" + `{"@timestamp":"` + clock + `","msg":"m"}`},
		{"bulk of an index", "/app/_bulk", ndjson, `{"create":{}}` + "\n" + `{"@timestamp":"` + clock + `","msg":"m"}`},
		{"Loki, JSON", "/loki/api/v1/push", "application/json", `{"streams":[{"stream":{"job":"a"},"values":[["0","` + clock + ` INFO m"]]}]}`},
		{"Loki, protobuf", "/loki/api/v1/push", protobuf, apitest.Snapped(lokiPush(`{job="a"}`, lokiEntry{at: time.Unix(0, 0), line: clock + " INFO m"}))},
		{"OTLP, JSON", otlpPath, "application/json", `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"` + clock + ` INFO m"}}]}]}]}`},
		{"OTLP, protobuf", otlpPath, protobuf, marshal(t, otlpLogs(&logspb.LogRecord{Body: stringValue(clock + " INFO m")}))},
		{"OTLP, an object", otlpPath, protobuf, marshal(t, otlpLogs(&logspb.LogRecord{Body: objectValue(pair("time", stringValue(clock)), pair("msg", stringValue("m")))}))},
	}
	zones := []struct {
		query  string
		header []string
		want   string // the hour in UTC, "" for a refusal
	}{
		{query: "?timezone=Europe/Berlin", want: "08"},
		{want: "01"},
		{header: []string{"Time-Zone", "America/Los_Angeles"}, want: "17"},
		{query: "?timezone=", header: []string{"Time-Zone", ""}, want: "01"},
		{query: "?timezone=-07:00", header: []string{"Time-Zone", "Europe/Berlin"}, want: "17"},
		{query: "?timezone=%2B02:00", want: "08"},
		{query: "?timezone=+02:00", want: "08"},
		{query: "?timezone=UTC", want: "10"},
		{query: "?timezone=Berlin"},
		{query: "?timezone=../../etc/passwd"},
		{header: []string{"Time-Zone", "+25:00"}},
		{query: "?timezone=Berlin", header: []string{"Time-Zone", "Europe/Berlin"}},
	}
	for _, way := range ways {
		apitest.Run(t, way.name, httpapi.Config{LogZone: tokyo}, func(t *testing.T, w *apitest.World) {
			for _, zone := range zones {
				stored := len(w.Logs.Entries)
				res := w.Do("POST", way.path+zone.query, way.body, append([]string{"Content-Type", way.media}, zone.header...)...)
				if zone.want == "" {
					require.Equal(t, http.StatusBadRequest, res.Code, res.Body.String())
					require.Contains(t, res.Body.String(), "timezone")
					require.Len(t, w.Logs.Entries, stored)
					if way.path == logsPath {
						apitest.FieldProblem(t, res, "timezone")
					}
					continue
				}
				require.Less(t, res.Code, 300, res.Body.String())
				require.Len(t, w.Logs.Entries, stored+1)
				require.Equal(t, "2026-07-01T"+zone.want+":00:00Z", w.Logs.Entries[stored].Timestamp.Format(time.RFC3339), "%s %v", zone.query, zone.header)
			}
			body := strings.NewReplacer(clock, "2026-07-01T10:00:00Z").Replace(way.body)
			if body != way.body && way.media != protobuf {
				stored := len(w.Logs.Entries)
				res := w.Do("POST", way.path+"?timezone=Europe/Berlin", body, "Content-Type", way.media)
				require.Less(t, res.Code, 300, res.Body.String())
				require.Equal(t, 10, w.Logs.Entries[stored].Timestamp.Hour(), "its own zone counts")
			}
		})
	}
	apitest.Run(t, "the default is UTC", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		w.Do("POST", logsPath, clock+" INFO m", "Content-Type", plain)
		require.Equal(t, 10, w.Logs.Entries[0].Timestamp.Hour())
	})
}
