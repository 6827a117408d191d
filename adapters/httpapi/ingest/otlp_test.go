package ingest_test

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/domain"
)

const (
	otlpPath = "/v1/logs"
	protobuf = "application/x-protobuf"
)

func stringValue(s string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}
}

func pair(key string, value *commonpb.AnyValue) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: value}
}

func listValue(values ...*commonpb.AnyValue) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: values}}}
}

func objectValue(pairs ...*commonpb.KeyValue) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{KvlistValue: &commonpb.KeyValueList{Values: pairs}}}
}

// otlpLogs are records of one scope of one service. A LogsData has the encoding of
// an ExportLogsServiceRequest.
func otlpLogs(records ...*logspb.LogRecord) *logspb.LogsData {
	return &logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{
		Resource:  &resourcepb.Resource{Attributes: []*commonpb.KeyValue{pair("service.name", stringValue("shop")), pair("host.name", stringValue("h1"))}},
		ScopeLogs: []*logspb.ScopeLogs{{Scope: &commonpb.InstrumentationScope{Name: "lib"}, LogRecords: records}},
	}}}
}

func marshal(t *testing.T, m proto.Message) string {
	t.Helper()
	out, err := proto.Marshal(m)
	require.NoError(t, err)
	return string(out)
}

// pushed sends an OTLP request and returns what it stored.
func pushed(t *testing.T, w *apitest.World, media, body string) []domain.LogEntry {
	t.Helper()
	before := len(w.Logs.Entries)
	res := w.Do("POST", otlpPath, body, "Content-Type", media)
	require.Equal(t, http.StatusOK, res.Code, res.Body.String())
	require.Equal(t, media, res.Header().Get("Content-Type"), "the answer is of the request's type")
	return w.Logs.Entries[before:]
}

func TestOTLPRecords(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 10, 20, 30, 123456000, time.UTC)
	nano := uint64(at.UnixNano() + 789)
	around := map[string]string{"scope.name": "lib", "host.name": "h1"}
	with := func(more map[string]string) map[string]string {
		for k, v := range around {
			if _, own := more[k]; !own {
				more[k] = v
			}
		}
		return more
	}
	for name, c := range map[string]struct {
		record *logspb.LogRecord
		json   string
		want   domain.LogEntry
	}{
		"all of its fields": {
			&logspb.LogRecord{
				TimeUnixNano: nano, ObservedTimeUnixNano: nano + 1e9, SeverityNumber: 17, SeverityText: "ERROR", Body: stringValue("it broke"), EventName: "e",
				Attributes: []*commonpb.KeyValue{
					pair("n", &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: -7}}), pair("ok", &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}),
					pair("f", &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: 1.5}}), pair("nan", &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: math.NaN()}}),
					pair("raw", &commonpb.AnyValue{Value: &commonpb.AnyValue_BytesValue{BytesValue: []byte("\x00\xff")}}),
					pair("list", listValue(stringValue("a"), &commonpb.AnyValue{}, objectValue(pair("b", stringValue("c"))))), pair("http", objectValue(pair("status", &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: 500}}))),
					pair("host.name", stringValue("own")), pair("none", nil),
				},
				TraceId: []byte("\x5b\x8e\xff\xf7\x98\x03\x81\x03\xd2\x69\xb6\x33\x81\x3f\xc6\x0c"), SpanId: []byte("\xee\xe1\x9b\x7e\xc3\xc1\xb1\x74"),
			},
			`{"attributes":[{"key":"n","value":{"intValue":"-7"}},{"value":{"boolValue":true},"key":"ok"},{"key":"f","value":{"doubleValue":1.5}},{"key":"nan","value":{"doubleValue":"NaN"}},
				{"key":"raw","value":{"bytesValue":"AP8="}},{"key":"list","value":{"arrayValue":{"values":[{"stringValue":"a"},{},{"kvlistValue":{"values":[{"key":"b","value":{"stringValue":"c"}}]}}]}}},
				{"key":"http","value":{"kvlistValue":{"values":[{"key":"status","value":{"intValue":500}}]}}},{"key":"host.name","value":{"stringValue":"own"}},{"key":"none"}],
				"timeUnixNano":"NANO","observedTimeUnixNano":"1795429231123456789","severityNumber":17,"severityText":"ERROR","body":{"stringValue":"it broke"},"eventName":"e",
				"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","unknownField":{"a":[1]}}`,
			domain.LogEntry{Message: "it broke", Timestamp: at, Level: domain.LogLevelError, Attributes: map[string]string{
				"n": "-7", "ok": "true", "f": "1.5", "nan": "NaN", "raw": "AP8=", "list": `["a",null,{"b":"c"}]`, "http.status": "500", "host.name": "own",
				"trace_id": "5b8efff798038103d269b633813fc60c", "span_id": "eee19b7ec3c1b174", "event_name": "e", "scope.name": "lib",
			}},
		},
		"the time that it was seen": {
			&logspb.LogRecord{ObservedTimeUnixNano: nano, Body: stringValue("m")},
			`{"observedTimeUnixNano":NANO,"body":{"stringValue":"m"}}`,
			domain.LogEntry{Message: "m", Timestamp: at, Attributes: around},
		},
		"the time in the line, rather than that it was seen": {
			&logspb.LogRecord{ObservedTimeUnixNano: nano + 1e15, Body: stringValue("2026-11-23T10:20:30.123456Z WARN m")},
			`{"observedTimeUnixNano":"2795429231123456789","body":{"stringValue":"2026-11-23T10:20:30.123456Z WARN m"}}`,
			domain.LogEntry{Message: "2026-11-23T10:20:30.123456Z WARN m", Timestamp: at, Level: domain.LogLevelWarn, Attributes: around},
		},
		"a level by its text, and a text that is none": {
			&logspb.LogRecord{TimeUnixNano: nano, SeverityText: "Critical", Body: stringValue("m")},
			`{"timeUnixNano":"NANO","severityText":"Critical","body":{"stringValue":"m"}}`,
			domain.LogEntry{Message: "m", Timestamp: at, Level: domain.LogLevelFatal, Attributes: around},
		},
		"a text that says more than the number": {
			&logspb.LogRecord{TimeUnixNano: nano, SeverityNumber: 10, SeverityText: "Audit", Body: stringValue("m")},
			`{"timeUnixNano":"NANO","severityNumber":"SEVERITY_NUMBER_INFO2","severityText":"Audit","body":{"stringValue":"m"}}`,
			domain.LogEntry{Message: "m", Timestamp: at, Level: domain.LogLevelInfo, Attributes: with(map[string]string{"severity_text": "Audit"})},
		},
		"a body that is an object": {
			&logspb.LogRecord{TimeUnixNano: nano, Body: objectValue(pair("msg", stringValue("m")), pair("level", stringValue("warn")), pair("user", objectValue(pair("id", stringValue("7")))))},
			`{"timeUnixNano":"NANO","body":{"kvlistValue":{"values":[{"key":"msg","value":{"stringValue":"m"}},{"key":"level","value":{"stringValue":"warn"}},{"key":"user","value":{"kvlistValue":{"values":[{"key":"id","value":{"stringValue":"7"}}]}}}]}}}`,
			domain.LogEntry{Message: "m", Timestamp: at, Level: domain.LogLevelWarn, Attributes: with(map[string]string{"user.id": "7"})},
		},
		"a body that is an object without a message": {
			&logspb.LogRecord{TimeUnixNano: nano, Body: objectValue(pair("a", stringValue("b")))},
			`{"timeUnixNano":"NANO","body":{"kvlistValue":{"values":[{"key":"a","value":{"stringValue":"b"}}]}}}`,
			domain.LogEntry{Message: `{"a":"b"}`, Timestamp: at, Attributes: with(map[string]string{"a": "b"})},
		},
		"a body that is a list": {
			&logspb.LogRecord{TimeUnixNano: nano, Body: listValue(stringValue("a"), stringValue("b"))},
			`{"timeUnixNano":"NANO","body":{"arrayValue":{"values":[{"stringValue":"a"},{"stringValue":"b"}]}}}`,
			domain.LogEntry{Message: `["a","b"]`, Timestamp: at, Attributes: around},
		},
		"an event without a body": {
			&logspb.LogRecord{TimeUnixNano: nano, EventName: "user.login"},
			`{"timeUnixNano":"NANO","eventName":"user.login"}`,
			domain.LogEntry{Message: "user.login", Timestamp: at, Attributes: with(map[string]string{"event_name": "user.login"})},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.want.Source = "shop"
			w := apitest.New(httpapi.Config{})
			got := pushed(t, w, protobuf, marshal(t, otlpLogs(c.record)))
			require.Len(t, got, 1)
			c.want.ID = got[0].ID
			if name == "a text that says more than the number" {
				// JSON may name the number, which is read like a text.
				c.json = strings.ReplaceAll(c.json, `"SEVERITY_NUMBER_INFO2"`, "10")
			}
			require.Equal(t, c.want, got[0])
			// The resource comes behind what is of it.
			body := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + strings.ReplaceAll(c.json, "NANO", "1795429230123456789") + `],"scope":{"name":"lib"}}],
				"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},{"key":"host.name","value":{"stringValue":"h1"}}]},"schemaUrl":"x"}]}`
			got = pushed(t, w, "application/json", body)
			require.Len(t, got, 1)
			c.want.ID = got[0].ID
			require.Equal(t, c.want, got[0], "JSON says the same")
		})
	}
	apitest.Run(t, "every severity number has its level", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		var records []*logspb.LogRecord
		for n := range 26 {
			records = append(records, &logspb.LogRecord{SeverityNumber: logspb.SeverityNumber(n), Body: stringValue("m")})
		}
		for n, e := range pushed(t, w, protobuf, marshal(t, otlpLogs(records...))) {
			want := domain.LogLevelUnknown
			if n >= 1 && n <= 24 {
				want = domain.LogLevelTrace + domain.LogLevel((n-1)/4)
			}
			require.Equal(t, want, e.Level, n)
		}
	})
	apitest.Run(t, "JSON may name a severity number", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		got := pushed(t, w, "application/json", `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":"SEVERITY_NUMBER_WARN3","body":{"stringValue":"m"}}]}]}]}`)
		require.Equal(t, domain.LogLevelWarn, got[0].Level)
		require.Empty(t, got[0].Attributes)
	})
	t.Run("a source is found where no service is named", func(t *testing.T) {
		t.Parallel()
		for want, change := range map[string]func(*logspb.ResourceLogs){
			"h1":      func(r *logspb.ResourceLogs) { r.Resource.Attributes[0].Value = stringValue("unknown_service:x") },
			"app.log": func(r *logspb.ResourceLogs) { r.Resource = nil },
			"lib":     func(r *logspb.ResourceLogs) { r.Resource, r.ScopeLogs[0].LogRecords[0].Attributes = nil, nil },
			"unknown_service:go": func(r *logspb.ResourceLogs) {
				r.Resource.Attributes = []*commonpb.KeyValue{pair("service.name", stringValue("unknown_service:go"))}
				r.ScopeLogs[0].Scope, r.ScopeLogs[0].LogRecords[0].Attributes = nil, nil
			},
		} {
			w := apitest.New(httpapi.Config{})
			logs := otlpLogs(&logspb.LogRecord{Body: stringValue("m"), Attributes: []*commonpb.KeyValue{pair("log.file.name", stringValue("app.log"))}})
			change(logs.ResourceLogs[0])
			if want == "h1" {
				logs.ResourceLogs[0].ScopeLogs[0].LogRecords[0].Attributes = nil
			}
			require.Equal(t, want, pushed(t, w, protobuf, marshal(t, logs))[0].Source)
		}
	})
}

func TestOTLPAnswers(t *testing.T) {
	t.Parallel()
	apitest.Run(t, "a whole success is an empty response", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		for media, body := range map[string]string{protobuf: "", "application/json": "{}\n"} {
			for _, request := range map[string]string{"": "", "application/json": `{"resourceLogs":[]}`, protobuf: ""} {
				if (media == protobuf) != (request == "") {
					continue
				}
				res := w.Do("POST", otlpPath, request, "Content-Type", media)
				require.Equal(t, http.StatusOK, res.Code)
				require.Equal(t, body, res.Body.String())
			}
		}
		require.Zero(t, w.Logs.Writes, "no records, no batch")
	})
	apitest.Run(t, "records that are refused are counted, the others stored", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		logs := otlpLogs(&logspb.LogRecord{Body: stringValue("one")}, &logspb.LogRecord{}, &logspb.LogRecord{TimeUnixNano: math.MaxUint64, Body: stringValue("x")}, &logspb.LogRecord{Body: stringValue("two")})
		res := w.Do("POST", otlpPath, marshal(t, logs), "Content-Type", protobuf)
		require.Equal(t, http.StatusOK, res.Code)
		require.Equal(t, []string{"one", "two"}, apitest.Messages(w.Logs.Entries))
		var rejected uint64
		var text string
		inner := res.Body.Bytes()
		_, _, n := protowire.ConsumeTag(inner)
		inner, _ = protowire.ConsumeBytes(inner[n:])
		for len(inner) > 0 {
			num, _, n := protowire.ConsumeTag(inner)
			inner = inner[n:]
			if num == 1 {
				rejected, n = protowire.ConsumeVarint(inner)
			} else {
				text, n = protowire.ConsumeString(inner)
			}
			inner = inner[n:]
		}
		require.EqualValues(t, 2, rejected)
		require.Equal(t, "record 2: message must not be empty; record 3: timeUnixNano must be before the year 2262", text)

		body := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"m"}},{"body":7},{"timeUnixNano":"x","body":{"stringValue":"m"}},{"severityText":{},"body":{"stringValue":"m"}}]}]}]}`
		res = w.Do("POST", otlpPath, body, "Content-Type", "application/json")
		require.Equal(t, http.StatusOK, res.Code)
		var answer struct {
			PartialSuccess struct {
				RejectedLogRecords string
				ErrorMessage       string
			}
		}
		require.NoError(t, json.Unmarshal(res.Body.Bytes(), &answer))
		require.Equal(t, "3", answer.PartialSuccess.RejectedLogRecords)
		require.Contains(t, answer.PartialSuccess.ErrorMessage, "record 3: timeUnixNano must be a whole number")
	})
	t.Run("a failure is a status in the request's type", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct {
			err        error
			status     int
			code       int32
			retryAfter string
		}{
			{domain.ErrQueueFull, http.StatusTooManyRequests, 8, "5"},
			{domain.ErrStoreUnavailable, http.StatusServiceUnavailable, 14, "1"},
			{domain.ErrStoreFull, http.StatusServiceUnavailable, 14, ""},
			{domain.ErrCorruptRecord, http.StatusInternalServerError, 13, ""},
		} {
			w := apitest.New(httpapi.Config{})
			w.Logs.Err = c.err
			res := w.Do("POST", otlpPath, marshal(t, otlpLogs(&logspb.LogRecord{Body: stringValue("m")})), "Content-Type", protobuf)
			require.Equal(t, c.status, res.Code)
			require.Equal(t, c.retryAfter, res.Header().Get("Retry-After"))
			require.Equal(t, protobuf, res.Header().Get("Content-Type"))
			var got status.Status
			require.NoError(t, proto.Unmarshal(res.Body.Bytes(), &got))
			require.Equal(t, c.code, got.Code)
			require.NotEmpty(t, got.Message)

			res = w.Do("POST", otlpPath, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"m"}}]}]}]}`, "Content-Type", "application/json")
			require.Equal(t, c.status, res.Code)
			var inJSON struct {
				Code    int32
				Message string
			}
			require.NoError(t, json.Unmarshal(res.Body.Bytes(), &inJSON))
			require.Equal(t, c.code, inJSON.Code)
			require.Equal(t, got.Message, inJSON.Message)
		}
	})
	apitest.Run(t, "bodies that are none", httpapi.Config{MaxBodyBytes: 4096}, func(t *testing.T, w *apitest.World) {
		whole := marshal(t, otlpLogs(&logspb.LogRecord{Body: stringValue("m")}))
		for _, c := range []struct {
			media, body string
			status      int
		}{
			{protobuf, "\xff", http.StatusBadRequest},
			{protobuf, whole[:len(whole)-1], http.StatusBadRequest},
			{protobuf, strings.Repeat("x", 5000), http.StatusRequestEntityTooLarge},
			{"text/plain", "x", http.StatusUnsupportedMediaType},
			{"application/json", `{"resourceLogs":[{"scopeLogs"`, http.StatusBadRequest},
			{"application/json", `{"resourceLogs":{}}`, http.StatusBadRequest},
			{"application/json", `[]`, http.StatusBadRequest},
			{"application/json", `{"resourceLogs":[7]}`, http.StatusBadRequest},
			{"application/json", `{}{}`, http.StatusBadRequest},
			{"application/json", strings.Repeat("[", 200) + strings.Repeat("]", 200), http.StatusBadRequest},
			{"application/json", `{"resourceLogs":[{"resource":{"attributes":[{"key":1}]}}]}`, http.StatusBadRequest},
		} {
			res := w.Do("POST", otlpPath, c.body, "Content-Type", c.media)
			require.Equal(t, c.status, res.Code, "%s: %q: %s", c.media, c.body, res.Body)
		}
		require.Zero(t, w.Logs.Writes)
		require.Equal(t, http.StatusMethodNotAllowed, w.Do("GET", otlpPath, "").Code)
	})
	apitest.Run(t, "compressed bodies", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		body := []byte(marshal(t, otlpLogs(&logspb.LogRecord{Body: stringValue("m")})))
		for encoding, packed := range map[string]string{"gzip": apitest.Gzipped(t, body), "zstd": apitest.Zstandard(t, body), "snappy": apitest.Snapped(body)} {
			require.Equal(t, http.StatusOK, w.Do("POST", otlpPath, packed, "Content-Type", protobuf, "Content-Encoding", encoding).Code, encoding)
		}
		require.Len(t, w.Logs.Entries, 3)
	})
}

func TestOTLPRepeats(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	seen := &logspb.LogRecord{ObservedTimeUnixNano: 1795429230123456789, Body: stringValue("m")}
	unseen := &logspb.LogRecord{TimeUnixNano: 1795429230123456789, Body: stringValue("m")}
	named := &logspb.LogRecord{Body: stringValue("m"), Attributes: []*commonpb.KeyValue{pair("log.record.uid", stringValue("01HX"))}}
	body := marshal(t, otlpLogs(seen, seen, unseen, named))
	first, again := pushed(t, w, protobuf, body), pushed(t, w, protobuf, body)
	require.Equal(t, first[0].ID, again[0].ID, "a record is known by the time that it was seen and its contents")
	require.Equal(t, first[1].ID, again[1].ID)
	require.NotEqual(t, first[0].ID, first[1].ID, "equal records of one request are two")
	require.NotEqual(t, first[2].ID, again[2].ID, "without the time that it was seen it is not known")
	require.Equal(t, first[3].ID, again[3].ID, "nor is its uid mistaken")

	elsewhere := otlpLogs(seen)
	elsewhere.ResourceLogs[0].Resource.Attributes[0].Value = stringValue("another")
	require.NotEqual(t, first[0].ID, pushed(t, w, protobuf, marshal(t, elsewhere))[0].ID)
}

func TestOTLPBodiesThatExpandAreBounded(t *testing.T) {
	t.Parallel()
	// Each record gets the attributes of its resource.
	logs := otlpLogs()
	for range 60 {
		r := logs.ResourceLogs[0].Resource
		r.Attributes = append(r.Attributes, pair(strings.Repeat("k", 1+len(r.Attributes)), stringValue(strings.Repeat("v", 4096))))
	}
	for range 2000 {
		logs.ResourceLogs[0].ScopeLogs[0].LogRecords = append(logs.ResourceLogs[0].ScopeLogs[0].LogRecords, &logspb.LogRecord{Body: stringValue("m")})
	}
	w := apitest.New(httpapi.Config{MaxBodyBytes: 1 << 20})
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Do("POST", otlpPath, marshal(t, logs), "Content-Type", protobuf).Code)
	require.Zero(t, w.Logs.Writes)

	w = apitest.New(httpapi.Config{MaxLogEntries: 1000})
	empty := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), []byte(marshal(t, &logspb.LogRecord{Body: stringValue("m")})))
	scope := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), []byte(strings.Repeat(string(empty), 100_000)))
	body := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), scope)
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Do("POST", otlpPath, string(body), "Content-Type", protobuf).Code)

	deep := stringValue("x")
	for range 40 {
		deep = listValue(deep)
	}
	res := w.Do("POST", otlpPath, marshal(t, otlpLogs(&logspb.LogRecord{Body: deep}, &logspb.LogRecord{Body: stringValue("m")})), "Content-Type", protobuf)
	require.Equal(t, http.StatusOK, res.Code)
	require.Contains(t, res.Body.String(), "nested at most 32 deep")
	require.Equal(t, []string{"m"}, apitest.Messages(w.Logs.Entries))
}

func BenchmarkPushOTLP(b *testing.B) {
	const records = 8192 // what a Collector sends at once
	logs := otlpLogs()
	for i := range records {
		logs.ResourceLogs[0].ScopeLogs[0].LogRecords = append(logs.ResourceLogs[0].ScopeLogs[0].LogRecords, &logspb.LogRecord{
			TimeUnixNano: 1795429230123456789 + uint64(i), ObservedTimeUnixNano: 1795429230123456789, SeverityNumber: 17, SeverityText: "ERROR",
			Body:       stringValue("connection to 10.0.0.7:5432 timed out after 3000 ms"),
			Attributes: []*commonpb.KeyValue{pair("http.method", stringValue("POST")), pair("order", &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: int64(i)}})},
		})
	}
	body, err := proto.Marshal(logs)
	require.NoError(b, err)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		w := apitest.New(httpapi.Config{})
		require.Equal(b, http.StatusOK, w.Do("POST", otlpPath, string(body), "Content-Type", protobuf).Code)
	}
	b.ReportMetric(float64(b.N)*records/b.Elapsed().Seconds(), "records/s")
}
