package httpapi_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

const (
	plain  = "text/plain"
	ndjson = "application/x-ndjson"
)

func messages(entries []domain.LogEntry) []string {
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.Message
	}
	return out
}

func gzipped(t *testing.T, data []byte) string {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, err := z.Write(data)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return buf.String()
}

func zstandard(t *testing.T, data []byte) string {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	out := z.EncodeAll(data, nil)
	require.NoError(t, z.Close())
	return string(out)
}

func snapped(data []byte) string { return string(snappy.Encode(nil, data)) }

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
			w := newWorld(httpapi.Config{})
			var headers []string
			if c.media != "" {
				headers = []string{"Content-Type", c.media}
			}
			got := answer[wire.LogReceipt](t, w.do("POST", logsPath, c.body, headers...), http.StatusAccepted)
			require.Equal(t, []string{"one", "two"}, messages(w.logs.entries), name)
			require.Equal(t, 2, got.Accepted)
			require.Equal(t, []uuid.UUID{w.logs.entries[0].ID, w.logs.entries[1].ID}, got.LogIDs)
			require.Equal(t, []uuid.UUID{analysisTask}, got.TaskIDs)
			require.Equal(t, 1, w.logs.writes)
		}
	})
	t.Run("one entry spread over lines is one entry", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		res := w.do("POST", logsPath, "{\n \"message\": \"one\"\n}")
		require.JSONEq(t, fmt.Sprintf(`{"accepted":1,"rejected":[],"rejected_count":0,"log_ids":[%q],"task_ids":[%q]}`, w.logs.entries[0].ID, analysisTask), res.Body.String())
	})
	t.Run("compressed bodies are understood", func(t *testing.T) {
		t.Parallel()
		for encoding, body := range map[string]string{
			"gzip": gzipped(t, []byte("one\ntwo")), "GZIP": gzipped(t, []byte("one\ntwo")),
			"zstd": zstandard(t, []byte("one\ntwo")), "snappy": snapped([]byte("one\ntwo")), "identity": "one\ntwo",
		} {
			w := newWorld(httpapi.Config{})
			answer[wire.LogReceipt](t, w.do("POST", logsPath, body, "Content-Type", plain, "Content-Encoding", encoding), http.StatusAccepted)
			require.Equal(t, []string{"one", "two"}, messages(w.logs.entries), encoding)
		}
	})
	t.Run("a bad line is rejected without the others", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		body := strings.Join([]string{
			`{"message":"one"}`, `{"message":`, `[]`, `{"level":"info"}`, `{"message":"x","time":"never"}`, `{"message":"  "}`,
			`{"message":"x"} {"message":"y"}`, `"text"`, `{"message":"` + strings.Repeat("x", domain.MaxLogMessage) + `"}`, `{"message":"two"}`,
		}, "\n")
		got := answer[wire.LogReceipt](t, w.do("POST", logsPath, body, "Content-Type", ndjson), http.StatusAccepted)
		require.Equal(t, []string{"one", "two"}, messages(w.logs.entries))
		require.Equal(t, 8, got.RejectedCount)
		for i, rejected := range got.Rejected {
			require.Equal(t, i+2, rejected.Line)
			require.NotEmpty(t, rejected.Reason)
		}
		require.Contains(t, got.Rejected[3].Reason, "timestamp")
	})
	t.Run("a line may have 1 MiB and no more", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		most := strings.Repeat("x", domain.MaxLogMessage)
		got := answer[wire.LogReceipt](t, w.do("POST", logsPath, most+"\r\n"+most+"y\r\nlast", "Content-Type", plain), http.StatusAccepted)
		require.Equal(t, []string{most, "last"}, messages(w.logs.entries))
		require.Equal(t, 2, got.Rejected[0].Line)
	})
	t.Run("an answer names 100 rejected lines and counts all", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		got := answer[wire.LogReceipt](t, w.do("POST", logsPath, strings.Repeat("x\n", 150)+`{"message":"one"}`, "Content-Type", ndjson), http.StatusAccepted)
		require.Len(t, got.Rejected, 100)
		require.Equal(t, 150, got.RejectedCount)
	})
	t.Run("invalid UTF-8 is replaced", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		answer[wire.LogReceipt](t, w.do("POST", logsPath, "a\xffb", "Content-Type", plain), http.StatusAccepted)
		answer[wire.LogReceipt](t, w.do("POST", logsPath, "{\"message\":\"a\xffb\",\"k\xfe\":[\"\xfd\"]}", "Content-Type", ndjson), http.StatusAccepted)
		require.Equal(t, []string{"a\uFFFDb", "a\uFFFDb"}, messages(w.logs.entries))
		require.Equal(t, map[string]string{"k\uFFFD": "[\"\uFFFD\"]"}, w.logs.entries[1].Attributes)
	})
	t.Run("the source of the request is that of its lines, and of entries without one", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		w.do("POST", logsPath+"?source=web", "one", "Content-Type", plain)
		w.do("POST", logsPath+"?source=web", `[{"message":"two"},{"message":"three","service":"db"}]`)
		require.Equal(t, "web", w.logs.entries[0].Source)
		require.Equal(t, "web", w.logs.entries[1].Source)
		require.Equal(t, "db", w.logs.entries[2].Source)
	})
}

func TestCreateLogsRefuses(t *testing.T) {
	t.Parallel()
	t.Run("bodies without any entry", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		for _, body := range []string{"", " \n", "[]"} {
			fieldProblem(t, w.do("POST", logsPath, body), "body")
		}
		fieldProblem(t, w.do("POST", logsPath, "\n \n", "Content-Type", plain), "body")
		p := problem(t, w.do("POST", logsPath, "[{}, 7]"), http.StatusBadRequest, "invalid-request")
		require.Equal(t, "line 1", p.Errors[0].Field)
		require.Equal(t, "line 2", p.Errors[1].Field)
		require.Zero(t, w.logs.writes)
	})
	t.Run("JSON that breaks off", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		for _, body := range []string{`[{"message":"one"}`, `[{"message":"one"},]`, `{"message":"one"} x`, `{"message":"one"`, `[{"message":"one"}] []`} {
			fieldProblem(t, w.do("POST", logsPath, body), "body")
		}
		require.Zero(t, w.logs.writes, "nothing is stored of a broken body")
	})
	t.Run("other parameters, types and encodings", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		fieldProblem(t, w.do("POST", logsPath+"?batch=7", "x", "Content-Type", plain), "batch")
		fieldProblem(t, w.do("POST", logsPath+"?source="+strings.Repeat("s", 257), "x", "Content-Type", plain), "source")
		problem(t, w.do("POST", logsPath, "x", "Content-Type", "application/x-www-form-urlencoded"), http.StatusUnsupportedMediaType, "unsupported-media-type")
		problem(t, w.do("POST", logsPath, "x", "Content-Type", plain, "Content-Encoding", "gzip, gzip"), http.StatusUnsupportedMediaType, "unsupported-media-type")
		require.Zero(t, w.logs.writes)
	})
	t.Run("bodies that are not what their encoding says", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		for _, encoding := range []string{"gzip", "zstd", "snappy"} {
			fieldProblem(t, w.do("POST", logsPath, "plain text", "Content-Type", plain, "Content-Encoding", encoding), "body")
		}
		whole := gzipped(t, []byte(strings.Repeat("line\n", 1000)))
		fieldProblem(t, w.do("POST", logsPath, whole[:len(whole)-8], "Content-Type", plain, "Content-Encoding", "gzip"), "body")
		require.Zero(t, w.logs.writes)
	})
	t.Run("more entries than the limit", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{MaxLogEntries: 3})
		answer[wire.LogReceipt](t, w.do("POST", logsPath, "a\nb\nc\n", "Content-Type", plain), http.StatusAccepted)
		problem(t, w.do("POST", logsPath, "a\nb\nc\nd\n", "Content-Type", plain), http.StatusRequestEntityTooLarge, "too-large")
		require.Equal(t, 1, w.logs.writes)
	})
	t.Run("bodies over the limit, announced or not", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{MaxBodyBytes: 100})
		body := strings.Repeat("x", 99) + "\n"
		answer[wire.LogReceipt](t, w.do("POST", logsPath, body, "Content-Type", plain), http.StatusAccepted)
		problem(t, w.do("POST", logsPath, body+"y", "Content-Type", plain), http.StatusRequestEntityTooLarge, "too-large")
		r := httptest.NewRequest(http.MethodPost, logsPath, io.MultiReader(strings.NewReader(body), strings.NewReader("y")))
		r.Header.Set("Content-Type", plain)
		require.Negative(t, r.ContentLength)
		res := httptest.NewRecorder()
		w.api.Handler().ServeHTTP(res, r)
		problem(t, res, http.StatusRequestEntityTooLarge, "too-large")
		require.Equal(t, 1, w.logs.writes)
	})
}

// countingReader counts what is read of a body.
type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func TestDecompressionIsBounded(t *testing.T) {
	t.Parallel()
	zeros := bytes.Repeat([]byte("0\n"), 32<<20)
	for encoding, bomb := range map[string]string{"gzip": gzipped(t, zeros), "zstd": zstandard(t, zeros), "snappy": snapped(zeros[:16<<20])} {
		t.Run(encoding+" is read no further than the limit", func(t *testing.T) {
			t.Parallel()
			w := newWorld(httpapi.Config{MaxBodyBytes: 1 << 20})
			require.Less(t, len(bomb), 1<<20, "the bomb is small on the wire")
			source := &countingReader{r: strings.NewReader(bomb)}
			r := httptest.NewRequest(http.MethodPost, logsPath, source)
			r.Header.Set("Content-Type", plain)
			r.Header.Set("Content-Encoding", encoding)
			res := httptest.NewRecorder()
			w.api.Handler().ServeHTTP(res, r)
			problem(t, res, http.StatusRequestEntityTooLarge, "too-large")
			if encoding == "gzip" {
				require.Less(t, source.n, len(bomb)/2, "the rest of the bomb is not even read")
			}
			require.Zero(t, w.logs.writes)
		})
	}
	t.Run("a frame that asks for a huge window is refused", func(t *testing.T) {
		t.Parallel()
		// Magic number, a frame header without size, a window of 2 GiB, and an
		// empty last block.
		frame := "\x28\xb5\x2f\xfd\x00" + "\xa8" + "\x01\x00\x00"
		w := newWorld(httpapi.Config{})
		fieldProblem(t, w.do("POST", logsPath, frame, "Content-Type", plain, "Content-Encoding", "zstd"), "body")
	})
}

func TestBodiesShareABudget(t *testing.T) {
	t.Parallel()
	w := newWorld(httpapi.Config{MaxBodyBytes: 1000, MaxBufferedBytes: 1000})
	pr, pw := io.Pipe()
	first := make(chan *httptest.ResponseRecorder)
	go func() {
		r := httptest.NewRequest(http.MethodPost, tasksPath, pr)
		res := httptest.NewRecorder()
		w.api.Handler().ServeHTTP(res, r)
		first <- res
	}()
	// The pipe hands over each write before it returns, and the second begins
	// only when the first was counted.
	_, err := io.WriteString(pw, `{"type":"echo","payload":"`+strings.Repeat("x", 600))
	require.NoError(t, err)
	_, err = io.WriteString(pw, `"`)
	require.NoError(t, err)

	lines := strings.Repeat("x\n", 250)
	res := w.do("POST", logsPath, lines, "Content-Type", plain)
	problem(t, res, http.StatusServiceUnavailable, "overloaded")
	require.Equal(t, "1", res.Header().Get("Retry-After"))
	require.Zero(t, w.logs.writes)

	_, err = io.WriteString(pw, `}`)
	require.NoError(t, err)
	require.NoError(t, pw.Close())
	answer[wire.Task](t, <-first, http.StatusCreated)
	answer[wire.LogReceipt](t, w.do("POST", logsPath, lines, "Content-Type", plain), http.StatusAccepted)
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
		"microseconds":         {`{"message":"m","ts":1795429230123456}`, domain.LogEntry{Message: "m", Timestamp: at}},
		"nanoseconds":          {`{"message":"m","date":1795429230123456789}`, domain.LogEntry{Message: "m", Timestamp: at}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(httpapi.Config{})
			answer[wire.LogReceipt](t, w.do("POST", logsPath, c.entry), http.StatusAccepted)
			got := w.logs.entries[0]
			require.NotEqual(t, uuid.Nil, got.ID)
			c.want.ID = got.ID
			require.Equal(t, c.want, got)
		})
	}
	t.Run("attributes are cut to their limits", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		var b strings.Builder
		b.WriteString(`{"message":"m","` + strings.Repeat("ü", 200) + `":"` + strings.Repeat("ü", 3000) + `"`)
		for i := range 100 {
			fmt.Fprintf(&b, `,"k%d":%d`, i, i)
		}
		b.WriteString("}")
		answer[wire.LogReceipt](t, w.do("POST", logsPath, b.String()), http.StatusAccepted)
		got := w.logs.entries[0].Attributes
		require.Len(t, got, domain.MaxLogAttributes)
		require.Equal(t, strings.Repeat("ü", 2048), got[strings.Repeat("ü", 128)])
	})
	t.Run("nesting beyond the limit is rejected", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		fieldProblem(t, w.do("POST", logsPath, `{"message":"m","x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`}`), "line 1")
	})
}

func TestReadLogs(t *testing.T) {
	t.Parallel()
	entry := domain.LogEntry{
		ID: uuid.New(), Timestamp: now, ReceivedAt: now.Add(time.Second), Level: domain.LogLevelError,
		Source: "web", Message: "boom", Attributes: map[string]string{"k": "v"},
	}
	t.Run("an entry is shown", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		w.logs.entries = []domain.LogEntry{entry}
		res := w.do("GET", logsPath+"/"+entry.ID.String(), "")
		require.JSONEq(t, `{"id":"`+entry.ID.String()+`","timestamp":"2026-11-23T12:00:00Z","received_at":"2026-11-23T12:00:01Z",
			"level":"error","source":"web","message":"boom","attributes":{"k":"v"}}`, res.Body.String())
		problem(t, w.do("GET", logsPath+"/"+uuid.NewString(), ""), http.StatusNotFound, "log-not-found")
		fieldProblem(t, w.do("GET", logsPath+"/x", ""), "id")
	})
	t.Run("every parameter reaches the filter", func(t *testing.T) {
		t.Parallel()
		w := newWorld(httpapi.Config{})
		w.logs.page = domain.LogPage{Logs: []domain.LogEntry{entry}, NextCursor: "n"}
		got := answer[wire.LogList](t, w.do("GET", logsPath+"?from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z&level=WARN&source=web&text=a%20b&limit=200&cursor=c", ""), http.StatusOK)
		require.Equal(t, domain.LogFilter{
			From: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
			MinLevel: domain.LogLevelWarn, Source: "web", Text: "a b", Limit: 200, Cursor: "c",
		}, w.logs.filter)
		require.Equal(t, "n", *got.NextCursor)
		require.Equal(t, entry.ID, got.Logs[0].ID)
	})
	t.Run("a wrong parameter is named", func(t *testing.T) {
		t.Parallel()
		for param, field := range map[string]string{
			"from=x": "from", "to=": "to", "level=loud": "level", "source=" + strings.Repeat("s", 257): "source",
			"text=" + strings.Repeat("s", 257): "text", "limit=x": "limit", "status=x": "status",
		} {
			fieldProblem(t, newWorld(httpapi.Config{}).do("GET", logsPath+"?"+param, ""), field)
		}
	})
}

func BenchmarkCreateLogs(b *testing.B) {
	const lines = 10_000
	for media, line := range map[string]string{
		plain:  "2026-11-23T10:20:30.123Z ERROR web: connection to 10.0.0.7:5432 timed out after 3000 ms\n",
		ndjson: `{"time":"2026-11-23T10:20:30.123Z","level":"error","service":"web","message":"connection to 10.0.0.7:5432 timed out","ms":3000}` + "\n",
	} {
		b.Run(media, func(b *testing.B) {
			body := strings.Repeat(line, lines)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				w := newWorld(httpapi.Config{})
				require.Equal(b, http.StatusAccepted, w.do("POST", logsPath, body, "Content-Type", media).Code)
			}
			b.ReportMetric(float64(b.N)*lines/b.Elapsed().Seconds(), "lines/s")
		})
	}
}
