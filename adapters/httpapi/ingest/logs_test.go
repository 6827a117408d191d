package ingest_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/openapitest"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
	"logsift/domain/logline"
)

func TestCreateLogs(t *testing.T) {
	t.Parallel()
	t.Run("each form of a body gives the same entries", func(t *testing.T) {
		t.Parallel()
		for name, c := range map[string]struct{ media, body string }{
			"array":         {"application/json", ` [{"message":"one"}, {"msg":"two"}] `},
			"NDJSON":        {ndjson, "{\"message\":\"one\"}\r\n\n{\"log\":\"two\\n\"}"},
			"NDJSON as one": {"application/json", "{\"message\":\"one\"}\n{\"body\":\"two\"}\n"},
			"lines":         {plain, "one\n\n  \r\ntwo\r\n"},
			"with a mark":   {plain, "\uFEFFone\ntwo"},
			"no type":       {"", `[{"text":"one"},{"text":"two"}]`},
		} {
			w := apitest.New(httpapi.Config{})
			var headers []string
			if c.media != "" {
				headers = []string{"Content-Type", c.media}
			}
			got := apitest.Answer[wire.LogReceipt](t, w.Do("POST", logsPath, c.body, headers...), http.StatusAccepted)
			require.Equal(t, []string{"one", "two"}, apitest.Messages(w.Logs.Entries), name)
			require.Equal(t, 2, got.Accepted)
			require.Equal(t, []uuid.UUID{w.Logs.Entries[0].ID, w.Logs.Entries[1].ID}, got.LogIDs)
			require.Equal(t, []uuid.UUID{apitest.AnalysisTask}, got.TaskIDs)
			require.Equal(t, 1, w.Logs.Writes)
		}
	})
	apitest.Run(t, "one entry spread over lines is one entry", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		res := w.Do("POST", logsPath, "{\n \"message\": \"one\"\n}")
		require.JSONEq(t, fmt.Sprintf(`{"accepted":1,"rejected":[],"rejected_count":0,"log_ids":[%q],"task_ids":[%q]}`, w.Logs.Entries[0].ID, apitest.AnalysisTask), res.Body.String())
	})
	t.Run("compressed bodies are understood", func(t *testing.T) {
		t.Parallel()
		for encoding, body := range map[string]string{
			"gzip": apitest.Gzipped(t, []byte("one\ntwo")), "GZIP": apitest.Gzipped(t, []byte("one\ntwo")),
			"zstd": apitest.Zstandard(t, []byte("one\ntwo")), "snappy": apitest.Snapped([]byte("one\ntwo")), "identity": "one\ntwo",
		} {
			w := apitest.New(httpapi.Config{})
			apitest.Answer[wire.LogReceipt](t, w.Do("POST", logsPath, body, "Content-Type", plain, "Content-Encoding", encoding), http.StatusAccepted)
			require.Equal(t, []string{"one", "two"}, apitest.Messages(w.Logs.Entries), encoding)
		}
	})
	t.Run("lines of text are joined", func(t *testing.T) {
		t.Parallel()
		w := apitest.New(httpapi.Config{})
		long := strings.Repeat("x", domain.MaxLogMessage+1)
		trace := "java.lang.IllegalStateException: no\n\tat a.B.c(B.java:7)"
		body := "2026-11-18 09:00:00 INFO on\r\n" + trace + "\n\x00\x002026-11-18 09:00:01 INFO on\n" + long + "\nsdb: sector 0 unreadable\n"
		got := apitest.Answer[wire.LogReceipt](t, w.Do("POST", logsPath, body, "Content-Type", plain), http.StatusAccepted)
		require.Equal(t, []string{"2026-11-18 09:00:00 INFO on", trace, "2026-11-18 09:00:01 INFO on", "sdb: sector 0 unreadable"}, apitest.Messages(w.Logs.Entries))
		require.Equal(t, domain.LogLevelError, w.Logs.Entries[1].Level)
		require.Equal(t, 5, got.Rejected[0].Line)
	})
	apitest.Run(t, "a bad line is rejected without the others", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		body := strings.Join([]string{
			`{"message":"one"}`, `{"message":`, `[]`, `{"level":"info"}`, `{"message":"x","time":"never"}`, `{"message":"  "}`,
			`{"message":"x"} {"message":"y"}`, `"text"`, `{"message":"` + strings.Repeat("x", domain.MaxLogMessage) + `"}`,
			`{"message":"x","time":1e999}`, `{"message":"x","time":"1969-12-31T23:59:59Z"}`, `{"message":"two"}`,
		}, "\n")
		got := apitest.Answer[wire.LogReceipt](t, w.Do("POST", logsPath, body, "Content-Type", ndjson), http.StatusAccepted)
		require.Equal(t, []string{"one", `{"level":"info"}`, "x", "x", "x", "two"}, apitest.Messages(w.Logs.Entries))
		require.Equal(t, 6, got.RejectedCount)
		var fields []string
		var lines []int
		for _, rejected := range got.Rejected {
			require.NotEmpty(t, rejected.Reason)
			fields, lines = append(fields, rejected.Field), append(lines, rejected.Line)
		}
		require.Equal(t, []string{"entry", "entry", "message", "entry", "entry", "line"}, fields)
		require.Equal(t, []int{2, 3, 6, 7, 8, 9}, lines)
	})
	t.Run("a time that cannot be read is kept as text, and the entry too", func(t *testing.T) {
		t.Parallel()
		w := apitest.New(httpapi.Config{})
		for _, value := range []string{`"14:09:26"`, `"N/A"`, "1e999", `"1969-12-31T23:59:59Z"`} {
			w.Logs.Entries = nil
			got := apitest.Answer[wire.LogReceipt](t, w.Do("POST", logsPath, `{"time":`+value+`,"level":"error","message":"boom"}`, "Content-Type", ndjson), http.StatusAccepted)
			require.Equal(t, 1, got.Accepted)
			entry := w.Logs.Entries[0]
			require.Equal(t, "boom", entry.Message)
			require.Equal(t, domain.LogLevelError, entry.Level)
			require.True(t, entry.Timestamp.IsZero())
			require.Equal(t, map[string]string{"time": strings.Trim(value, `"`)}, entry.Attributes)
		}
	})
	t.Run("a text tells the dates of its lines", func(t *testing.T) {
		t.Parallel()
		w := apitest.New(httpapi.Config{})
		w.Do("POST", logsPath, "11/10/2020 09:00:01 INFO a\n13/10/2020 09:00:01 INFO b\n", "Content-Type", plain)
		require.Equal(t, time.Date(2020, 10, 11, 9, 0, 1, 0, time.UTC), w.Logs.Entries[0].Timestamp)
		require.Equal(t, time.Date(2020, 10, 13, 9, 0, 1, 0, time.UTC), w.Logs.Entries[1].Timestamp)
	})
	t.Run("objects of many programs have their time, level and message", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct{ line, message, level string }{
			{`{"eventTime":"2026-11-29T09:00:00Z","eventSource":"iam.test","eventName":"CreateUser","errorCode":"AccessDenied"}`, "", "unknown"},
			{`{"@t":"2026-11-29T09:00:00Z","@mt":"Failed {Id}","@l":"Error","Id":7}`, "Failed {Id}", "error"},
			{`{"event":"boom","level":"error","timestamp":"2026-11-29T09:00:00Z"}`, "boom", "error"},
			{`{"version":"1.1","host":"h","short_message":"boom","timestamp":1795942800,"level":3}`, "boom", "error"},
			{`{"version":"1.1","host":"h","short_message":"boom","timestamp":1795942800,"level":1}`, "boom", "fatal"},
			{`{"@level":"error","@message":"boom","@timestamp":"2026-11-29T09:00:00Z"}`, "boom", "error"},
			{`{"start_time":"2026-11-29T09:00:00Z","method":"GET","path":"/x","response_code":503}`, "", "error"},
			{`{"time_iso8601":"2026-11-29T09:00:00+00:00","request":"GET /x HTTP/1.1","status":"200"}`, "", "info"},
			{`{"instant":{"epochSecond":1795942800,"nanoOfSecond":0},"level":"ERROR","message":"boom"}`, "boom", "error"},
			{`{"reqId":"a1","level":1,"time":"2026-11-29T09:00:00+00:00","message":"boom"}`, "boom", "info"},
			{`{"kind":"Event","level":"Metadata","auditID":"a","stageTimestamp":"2026-11-29T09:00:00Z","verb":"list"}`, "", "unknown"},
			{`{"log":"{\"level\":\"error\",\"msg\":\"boom\"}\n","stream":"stderr","time":"2026-11-29T09:00:00Z"}`, `{"level":"error","msg":"boom"}`, "error"},
			{`{"date":"2026-11-29","time":"09:00:00","msg":"boom","severity":"alert"}`, "boom", "fatal"},
			{`{"ts":1.7959428e9,"level":"error","msg":"boom"}`, "boom", "error"},
			{`{"level":"info","msg":"","time":"2026-11-29T09:00:00Z","DownstreamStatus":502}`, "", "info"},
		} {
			w := apitest.New(httpapi.Config{})
			got := apitest.Answer[wire.LogReceipt](t, w.Do("POST", logsPath, c.line, "Content-Type", ndjson), http.StatusAccepted)
			require.Equal(t, 1, got.Accepted, c.line)
			entry := w.Logs.Entries[0]
			require.Equal(t, cmp.Or(c.message, c.line), entry.Message)
			require.Equal(t, c.level, entry.Level.String(), c.line)
			require.Equal(t, time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC), entry.Timestamp, c.line)
			require.Equal(t, c.level, logline.Parser{}.Parse(c.line, time.Now()).Level.String(), "analyze reads the same: %s", c.line)
			require.Equal(t, entry.Timestamp, logline.Parser{}.Parse(c.line, time.Now()).Timestamp, "analyze reads the same: %s", c.line)
		}
	})
	apitest.Run(t, "of many fields the first are attributes, and those with a meaning count anywhere", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		var fields strings.Builder
		for i := range 500 {
			fmt.Fprintf(&fields, `"k%d":%d,`, i, i)
		}
		line := `{` + fields.String() + `"k3":"newest","STATUS":503,"Msg":"boom","time":"2026-11-29T09:00:00Z"}`
		apitest.Answer[wire.LogReceipt](t, w.Do("POST", logsPath, line+"\n{\"message\":\"next\",\"k499\":1}", "Content-Type", ndjson), http.StatusAccepted)
		entry := w.Logs.Entries[0]
		require.Equal(t, "boom", entry.Message)
		require.Equal(t, domain.LogLevelError, entry.Level)
		require.Equal(t, time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC), entry.Timestamp)
		require.Len(t, entry.Attributes, domain.MaxLogAttributes)
		require.Equal(t, "newest", entry.Attributes["k3"])
		require.Contains(t, entry.Attributes, "k63")
		require.Equal(t, map[string]string{"k499": "1"}, w.Logs.Entries[1].Attributes)
	})
	apitest.Run(t, "a line may have 1 MiB and no more", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		most := strings.Repeat("x", domain.MaxLogMessage)
		got := apitest.Answer[wire.LogReceipt](t, w.Do("POST", logsPath, most+"\r\n"+most+"y\r\nlast", "Content-Type", plain), http.StatusAccepted)
		require.Equal(t, []string{most, "last"}, apitest.Messages(w.Logs.Entries))
		require.Equal(t, 2, got.Rejected[0].Line)
	})
	apitest.Run(t, "an answer names 100 rejected lines and counts all", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		got := apitest.Answer[wire.LogReceipt](t, w.Do("POST", logsPath, strings.Repeat("x\n", 150)+`{"message":"one"}`, "Content-Type", ndjson), http.StatusAccepted)
		require.Len(t, got.Rejected, 100)
		require.Equal(t, 150, got.RejectedCount)
	})
	apitest.Run(t, "invalid UTF-8 is replaced", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		apitest.Answer[wire.LogReceipt](t, w.Do("POST", logsPath, "a\xffb", "Content-Type", plain), http.StatusAccepted)
		apitest.Answer[wire.LogReceipt](t, w.Do("POST", logsPath, "{\"message\":\"a\xffb\",\"k\xfe\":[\"\xfd\"]}", "Content-Type", ndjson), http.StatusAccepted)
		require.Equal(t, []string{"a\uFFFDb", "a\uFFFDb"}, apitest.Messages(w.Logs.Entries))
		require.Equal(t, map[string]string{"k\uFFFD": "[\"\uFFFD\"]"}, w.Logs.Entries[1].Attributes)
	})
	apitest.Run(t, "the source of the request is that of its lines, and of entries without one", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		w.Do("POST", logsPath+"?source=web", "one", "Content-Type", plain)
		w.Do("POST", logsPath+"?source=web", `[{"message":"two"},{"message":"three","service":"db"}]`)
		require.Equal(t, "web", w.Logs.Entries[0].Source)
		require.Equal(t, "web", w.Logs.Entries[1].Source)
		require.Equal(t, "db", w.Logs.Entries[2].Source)
	})
}

func TestCreateLogsRefuses(t *testing.T) {
	t.Parallel()
	apitest.Run(t, "bodies without any entry", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		for _, body := range []string{"", " \n", "[]"} {
			apitest.FieldProblem(t, w.Do("POST", logsPath, body), "body")
		}
		apitest.FieldProblem(t, w.Do("POST", logsPath, "\n \n", "Content-Type", plain), "body")
		p := apitest.Problem(t, w.Do("POST", logsPath, "[{}, 7]"), http.StatusBadRequest, "invalid-request")
		require.Equal(t, "line 1", p.Errors[0].Field)
		require.Equal(t, "line 2", p.Errors[1].Field)
		require.Zero(t, w.Logs.Writes)
	})
	apitest.Run(t, "JSON that breaks off", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		for _, body := range []string{`[{"message":"one"}`, `[{"message":"one"},]`, `{"message":"one"} x`, `{"message":"one"`, `[{"message":"one"}] []`} {
			apitest.FieldProblem(t, w.Do("POST", logsPath, body), "body")
		}
		require.Zero(t, w.Logs.Writes, "nothing is stored of a broken body")
	})
	apitest.Run(t, "other parameters, types and encodings", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		apitest.FieldProblem(t, w.Do("POST", logsPath+"?batch=7", "x", "Content-Type", plain), "batch")
		apitest.FieldProblem(t, w.Do("POST", logsPath+"?source="+strings.Repeat("s", 257), "x", "Content-Type", plain), "source")
		apitest.Problem(t, w.Do("POST", logsPath, "x", "Content-Type", "application/x-www-form-urlencoded"), http.StatusUnsupportedMediaType, "unsupported-media-type")
		apitest.Problem(t, w.Do("POST", logsPath, "x", "Content-Type", plain, "Content-Encoding", "gzip, gzip"), http.StatusUnsupportedMediaType, "unsupported-media-type")
		require.Zero(t, w.Logs.Writes)
	})
	apitest.Run(t, "bodies that are not what their encoding says", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		for _, encoding := range []string{"gzip", "zstd", "snappy"} {
			apitest.FieldProblem(t, w.Do("POST", logsPath, "plain text", "Content-Type", plain, "Content-Encoding", encoding), "body")
		}
		whole := apitest.Gzipped(t, []byte(strings.Repeat("line\n", 1000)))
		apitest.FieldProblem(t, w.Do("POST", logsPath, whole[:len(whole)-8], "Content-Type", plain, "Content-Encoding", "gzip"), "body")
		require.Zero(t, w.Logs.Writes)
	})
	apitest.Run(t, "more entries than the limit", httpapi.Config{MaxLogEntries: 3}, func(t *testing.T, w *apitest.World) {
		apitest.Answer[wire.LogReceipt](t, w.Do("POST", logsPath, "a\nb\nc\n", "Content-Type", plain), http.StatusAccepted)
		apitest.Problem(t, w.Do("POST", logsPath, "a\nb\nc\nd\n", "Content-Type", plain), http.StatusRequestEntityTooLarge, "too-large")
		require.Equal(t, 1, w.Logs.Writes)
	})
	apitest.Run(t, "bodies over the limit, announced or not", httpapi.Config{MaxBodyBytes: 100}, func(t *testing.T, w *apitest.World) {
		body := strings.Repeat("x", 99) + "\n"
		apitest.Answer[wire.LogReceipt](t, w.Do("POST", logsPath, body, "Content-Type", plain), http.StatusAccepted)
		apitest.Problem(t, w.Do("POST", logsPath, body+"y", "Content-Type", plain), http.StatusRequestEntityTooLarge, "too-large")
		r := httptest.NewRequest(http.MethodPost, logsPath, io.MultiReader(strings.NewReader(body), strings.NewReader("y")))
		r.Header.Set("Content-Type", plain)
		require.Negative(t, r.ContentLength)
		res := openapitest.API().Serve(w.API.Handler(), r)
		apitest.Problem(t, res, http.StatusRequestEntityTooLarge, "too-large")
		require.Equal(t, 1, w.Logs.Writes)
	})
}

func TestDecompressionIsBounded(t *testing.T) {
	t.Parallel()
	zeros := bytes.Repeat([]byte("0\n"), 32<<20)
	for encoding, bomb := range map[string]string{"gzip": apitest.Gzipped(t, zeros), "zstd": apitest.Zstandard(t, zeros), "snappy": apitest.Snapped(zeros[:16<<20])} {
		apitest.Run(t, encoding+" is read no further than the limit", httpapi.Config{MaxBodyBytes: 1 << 20}, func(t *testing.T, w *apitest.World) {
			require.Less(t, len(bomb), 1<<20, "the bomb is small on the wire")
			apitest.Problem(t, w.Do("POST", logsPath, bomb, "Content-Type", plain, "Content-Encoding", encoding), http.StatusRequestEntityTooLarge, "too-large")
			require.Zero(t, w.Logs.Writes)
		})
	}
	t.Run("a frame that asks for a huge window is refused", func(t *testing.T) {
		t.Parallel()
		// Magic number, a frame header without size, a window of 2 GiB, and an
		// empty last block.
		frame := "\x28\xb5\x2f\xfd\x00" + "\xa8" + "\x01\x00\x00"
		w := apitest.New(httpapi.Config{})
		apitest.FieldProblem(t, w.Do("POST", logsPath, frame, "Content-Type", plain, "Content-Encoding", "zstd"), "body")
	})
}

func TestJSONEntries(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 10, 20, 30, 123456000, time.UTC)
	cases := map[string]struct {
		entry string
		want  domain.LogEntry
	}{
		"the plain names": {
			`{"message":"m","timestamp":"2026-11-23T11:20:30.123456789+01:00","level":"WARNING","source":"s","n":1.50,"ok":true,"none":null,"o":{"a": [1]}}`,
			domain.LogEntry{Message: "m", Timestamp: at, Level: domain.LogLevelWarn, Source: "s", Attributes: map[string]string{"n": "1.50", "ok": "true", "o.a": "[1]"}},
		},
		"other names in another case": {
			`{"Msg":"m","@Timestamp":"2026-11-23 10:20:30,123456","Severity":"crit","Host":"h"}`,
			domain.LogEntry{Message: "m", Timestamp: at, Level: domain.LogLevelFatal, Source: "h"},
		},
		"of several names the first counts": {
			`{"text":"t","msg":"m","service":"svc","host":"h","lvl":"error"}`,
			domain.LogEntry{Message: "m", Source: "svc", Level: domain.LogLevelError, Attributes: map[string]string{"text": "t", "host": "h"}},
		},
		"names of nested objects, joined by dots": {
			`{"log":{"level":"error","logger":"l"},"message":"m","host":{"name":"h","ip":["::1"]},"k8s":{"pod":{"name":"p"}},"empty":{}}`,
			domain.LogEntry{Message: "m", Level: domain.LogLevelError, Source: "h", Attributes: map[string]string{"log.logger": "l", "host.ip": `["::1"]`, "k8s.pod.name": "p"}},
		},
		"names with dots": {
			`{"message":"m","log.level":"warn","service.name":"svc"}`,
			domain.LogEntry{Message: "m", Level: domain.LogLevelWarn, Source: "svc"},
		},
		"arrays where a scalar is looked for": {
			`{"message":["a"],"msg":"m","level":[1],"ts":[2],"host":[{"a": 1}]}`,
			domain.LogEntry{Message: "m", Attributes: map[string]string{"message": `["a"]`, "level": "[1]", "ts": "[2]", "host": `[{"a":1}]`}},
		},
		"a name in attributes is no part of the entry": {
			`{"message":"m","level":"info","attributes":{"level":"high","message":"x","time":"never"}}`,
			domain.LogEntry{Message: "m", Level: domain.LogLevelInfo, Attributes: map[string]string{"level": "high", "message": "x", "time": "never"}},
		},
		"the priority of syslog as a level": {
			`{"_msg":"m","level":"3","_time":0}`,
			domain.LogEntry{Message: "m", Level: domain.LogLevelError},
		},
		"a number as a level": {
			`{"msg":"m","level":50,"time":1795429230123}`,
			domain.LogEntry{Message: "m", Level: domain.LogLevelError, Timestamp: at.Truncate(time.Millisecond)},
		},
		"a word that is no level": {
			`{"msg":"m","level":"loud"}`,
			domain.LogEntry{Message: "m", Attributes: map[string]string{"level": "loud"}},
		},
		"a level in the message only": {
			`{"msg":"an ERROR here"}`,
			domain.LogEntry{Message: "an ERROR here", Level: domain.LogLevelError},
		},
		"attributes of its own, as entries are shown": {
			`{"message":"m","attributes":{"k":"v","n":1},"k2":"v2"}`,
			domain.LogEntry{Message: "m", Attributes: map[string]string{"k": "v", "n": "1", "k2": "v2"}},
		},
		"a name twice": {
			`{"message":"first","message":"second"}`,
			domain.LogEntry{Message: "second"},
		},
		"an id of the sender": {
			`{"message":"m","id":"0190f000-0000-7000-8000-000000000001"}`,
			domain.LogEntry{Message: "m", Attributes: map[string]string{"id": "0190f000-0000-7000-8000-000000000001"}},
		},
		"escapes":              {`{"message":"a\u00e9\n\tb"}`, domain.LogEntry{Message: "aé\n\tb"}},
		"an empty time":        {`{"message":"m","time":""}`, domain.LogEntry{Message: "m", Attributes: map[string]string{"time": ""}}},
		"seconds":              {`{"message":"m","ts":1795429230}`, domain.LogEntry{Message: "m", Timestamp: at.Truncate(time.Second)}},
		"seconds with a point": {`{"message":"m","ts":1795429230.123456}`, domain.LogEntry{Message: "m", Timestamp: at}},
		"seconds in quotes":    {`{"message":"m","ts":"1795429230.123456"}`, domain.LogEntry{Message: "m", Timestamp: at}},
		"another name that says time": {
			`{"my_time_of_it":"2026-11-23T10:20:30.123456Z","msg":"boom"}`, domain.LogEntry{Message: "boom", Timestamp: at},
		},
		"counters": {
			`{"msg":"sync done","created":12,"t":21.5,"published":5,"eventtime":7}`,
			domain.LogEntry{Message: "sync done", Attributes: map[string]string{"created": "12", "t": "21.5", "published": "5", "eventtime": "7"}},
		},
		"times of other things": {
			`{"msg":"m","expiry_date":"2026-11-23T10:20:30Z","not_before_time":"2026-11-23T10:20:30Z","created_at":"2026-11-23T10:20:30Z","last_time":"2020-11-23T10:20:30Z"}`,
			domain.LogEntry{Message: "m", Attributes: map[string]string{
				"expiry_date": "2026-11-23T10:20:30Z", "not_before_time": "2026-11-23T10:20:30Z", "created_at": "2026-11-23T10:20:30Z", "last_time": "2020-11-23T10:20:30Z",
			}},
		},
		"numbers that are no levels": {
			`{"msg":"m","s":600,"priority":1,"type":500}`,
			domain.LogEntry{Message: "m", Attributes: map[string]string{"s": "600", "priority": "1", "type": "500"}},
		},
		"MongoDB": {
			`{"t":{"$date":"2026-11-23T10:20:30.123456Z"},"s":"E","c":"NETWORK","msg":"m"}`,
			domain.LogEntry{Message: "m", Timestamp: at, Level: domain.LogLevelError, Attributes: map[string]string{"c": "NETWORK"}},
		},
		"nanoseconds of another name": {`{"message":"m","timestamp_ns":1795429230123456789}`, domain.LogEntry{Message: "m", Timestamp: at}},
		"the journal": {
			`{"MESSAGE":"m","PRIORITY":"2"}`, domain.LogEntry{Message: "m", Level: domain.LogLevelFatal},
		},
		"microseconds": {`{"message":"m","ts":1795429230123456}`, domain.LogEntry{Message: "m", Timestamp: at}},
		"nanoseconds":  {`{"message":"m","date":1795429230123456789}`, domain.LogEntry{Message: "m", Timestamp: at}},
	}
	for name, c := range cases {
		apitest.Run(t, name, httpapi.Config{}, func(t *testing.T, w *apitest.World) {
			apitest.Answer[wire.LogReceipt](t, w.Do("POST", logsPath, c.entry), http.StatusAccepted)
			got := w.Logs.Entries[0]
			require.NotEqual(t, uuid.Nil, got.ID)
			c.want.ID = got.ID
			require.Equal(t, c.want, got)
		})
	}
	apitest.Run(t, "attributes are cut to their limits", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		var b strings.Builder
		b.WriteString(`{"message":"m","` + strings.Repeat("ü", 200) + `":"` + strings.Repeat("ü", 3000) + `"`)
		for i := range 100 {
			fmt.Fprintf(&b, `,"k%d":%d`, i, i)
		}
		b.WriteString("}")
		apitest.Answer[wire.LogReceipt](t, w.Do("POST", logsPath, b.String()), http.StatusAccepted)
		got := w.Logs.Entries[0].Attributes
		require.Len(t, got, domain.MaxLogAttributes)
		require.Equal(t, strings.Repeat("ü", 2048), got[strings.Repeat("ü", 128)])
	})
	apitest.Run(t, "nesting beyond the limit is rejected", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		apitest.FieldProblem(t, w.Do("POST", logsPath, `{"message":"m","x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`}`), "line 1")
	})
}
