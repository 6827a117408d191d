package ingest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/wire"
)

// The fuzz tests of what shippers send check that no body panics or is the
// server's fault, and that a refused one reaches nothing. That what is stored is
// valid, the stub of the log service checks.

func FuzzOTLPProto(f *testing.F) {
	for _, logs := range []*logspb.LogsData{
		{}, otlpLogs(&logspb.LogRecord{}), otlpLogs(&logspb.LogRecord{
			TimeUnixNano: 1, ObservedTimeUnixNano: 2, SeverityNumber: 9, SeverityText: "INFO", Body: objectValue(pair("a", listValue(stringValue("b")))),
			Attributes: []*commonpb.KeyValue{pair("", nil), pair("k", objectValue(pair("l", stringValue("\u00e9"))))}, TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567"), EventName: "e",
		}),
	} {
		body, err := proto.Marshal(logs)
		require.NoError(f, err)
		f.Add(body)
	}
	f.Add([]byte("\x0a\x04\x12\x02\x12\x00\x0b\x0c\x78\x01"))
	w := apitest.New(httpapi.Config{})
	f.Fuzz(func(t *testing.T, body []byte) {
		w.Forget()
		res := w.Do("POST", otlpPath, string(body), "Content-Type", protobuf)
		if res.Code != http.StatusOK {
			require.Equal(t, http.StatusBadRequest, res.Code)
			require.Zero(t, w.Logs.Writes)
			if !strings.Contains(res.Body.String(), "nested at most") {
				require.Error(t, proto.Unmarshal(body, &logspb.LogsData{}), "what Google's reader takes, ours does")
			}
			return
		}
		var whole logspb.LogsData
		if proto.Unmarshal(body, &whole) != nil {
			return
		}
		records := 0
		for _, r := range whole.ResourceLogs {
			for _, s := range r.ScopeLogs {
				records += len(s.LogRecords)
			}
		}
		require.LessOrEqual(t, len(w.Logs.Entries), records)
		if res.Body.Len() == 0 {
			require.Len(t, w.Logs.Entries, records, "none is lost without a word")
		}
	})
}

func FuzzOTLPJSON(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s"}}]},"scopeLogs":[{"scope":{"name":"l"},"logRecords":[{"timeUnixNano":"1","body":{"stringValue":"m"}}]}]}]}`,
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"kvlistValue":{"values":[{"key":"a","value":{"arrayValue":{"values":[{},{"intValue":"x"}]}}}]}},"severityNumber":"SEVERITY_NUMBER_WARN3"}]}]}]}`,
		`{"resourceLogs":[null,{"scopeLogs":null}]}`, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"doubleValue":"NaN","intValue":1e5}},[]]}]}]}`, "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":{\"stringValue\":\"\xff\\ud800\"},\"traceId\":\"\xff\"}]}]}]}",
	} {
		f.Add([]byte(seed))
	}
	w := apitest.New(httpapi.Config{})
	f.Fuzz(func(t *testing.T, body []byte) {
		w.Forget()
		res := w.Do("POST", otlpPath, string(body), "Content-Type", "application/json")
		require.True(t, json.Valid(res.Body.Bytes()))
		if res.Code != http.StatusOK {
			require.Equal(t, http.StatusBadRequest, res.Code, res.Body)
			require.Zero(t, w.Logs.Writes)
		}
	})
}

func FuzzLoki(f *testing.F) {
	at := lokiEntry{time.Unix(1, 2), "m", []string{"level", "warn", "", ""}}
	for _, seed := range []string{
		"", string(lokiPush(`{a="b"}`, at, at)), string(lokiPush(`{a="\x00\"",}`)), string(lokiPush(`{=""}`, at)), string(lokiPush("{a=`b`}", lokiEntry{line: "\xff"})),
		`{"streams":[{"stream":{"a":"b"},"values":[["1","m",{"k":"v"}],["x"],7]}]}`, `{"streams":[{"values":[["-1","m"]],"stream":{"a":{"b":1}}}]}`, `{"streams":null}`, "{\"streams\":[{\"values\":[[1,\"\xff\"]]}]}",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	w := apitest.New(httpapi.Config{})
	f.Fuzz(func(t *testing.T, body []byte, inJSON bool) {
		w.Forget()
		media, text := protobuf, apitest.Snapped(body)
		if inJSON {
			media, text = "application/json", string(body)
		}
		res := w.Do("POST", lokiPath, text, "Content-Type", media)
		if res.Code == http.StatusNoContent {
			require.Empty(t, res.Body.String())
			return
		}
		require.Equal(t, http.StatusBadRequest, res.Code, res.Body)
		require.Equal(t, strings.Contains(res.Body.String(), " entries were stored, ") && len(w.Logs.Entries) > 0, w.Logs.Writes > 0)
	})
}

func FuzzBulk(f *testing.F) {
	for _, seed := range []string{
		"", "{\"index\":{}}\n{\"message\":\"m\"}\n", "{\"create\":{\"_index\":\"i\",\"_id\":\"1\"}}\n{\"a\":{\"b\":[1]}}\n\n{\"delete\":{}}\n{\"update\":{}}\nx\n",
		"{\"index\":null}\n{}\n", "{\"index\":{\"_id\":\"\xff\"}}\n{\"\xff\":\"\xff\"}\n", "{\"index\":{}}\n", "[]\n", "{\"index\":{},\"index\":{}}\n{\"message\":\"m\",\"time\":-1}\n",
	} {
		f.Add([]byte(seed))
	}
	w := apitest.New(httpapi.Config{})
	f.Fuzz(func(t *testing.T, body []byte) {
		w.Forget()
		res := w.Do("POST", "/i/_bulk", string(body), "Content-Type", ndjson)
		require.True(t, json.Valid(res.Body.Bytes()))
		if res.Code != http.StatusOK {
			require.Equal(t, http.StatusBadRequest, res.Code, res.Body)
			require.Zero(t, w.Logs.Writes)
			return
		}
		var got bulkResponse
		require.NoError(t, json.Unmarshal(res.Body.Bytes(), &got))
		created := 0
		for _, item := range got.Items {
			require.Len(t, item, 1)
			for _, result := range item {
				require.Equal(t, result.Status == http.StatusCreated, result.Error.Reason == "")
				if result.Status == http.StatusCreated {
					created++
				}
			}
		}
		require.Len(t, w.Logs.Entries, created, "each item that is said to be stored is")
		require.Equal(t, created < len(got.Items), got.Errors)
	})
}

// FuzzCreateLogs checks that no body panics, that what is stored is valid, and
// that every line is accepted, rejected or blank.
func FuzzCreateLogs(f *testing.F) {
	for _, seed := range []string{
		``, "one\ntwo\r\n\n", `{"message":"m"}`, `[{"message":"m"},7]`, "{\"message\":\"\xff\"}\n{", `{"msg":1,"time":1e18,"level":50}`,
		`{"message":"m","attributes":{"a":{"b":1}},"":1}`, `{"log":{"a":1},"text":"x","ts":"2026-01-02 03:04:05,678"}`, "\xef\xbb\xbf{}",
		`[[`, `{"message":"m","time":-1}`, `{"message":"m","time":9223372036854775807}`, `{"message":"m","time":99999999999.9}`,
	} {
		for media := range 3 {
			f.Add([]byte(seed), uint8(media))
		}
	}
	types := []string{"application/json", ndjson, plain}
	w := apitest.New(httpapi.Config{})
	f.Fuzz(func(t *testing.T, body []byte, media uint8) {
		w.Forget()
		res := w.Do("POST", logsPath, string(body), "Content-Type", types[int(media)%len(types)])
		if res.Code != http.StatusAccepted {
			require.Equal(t, http.StatusBadRequest, res.Code, res.Body.String())
			require.NotEmpty(t, apitest.Decode[wire.Problem](t, res.Body).Errors)
			require.Zero(t, w.Logs.Writes)
			return
		}
		got := apitest.Decode[wire.LogReceipt](t, res.Body)
		require.Equal(t, len(w.Logs.Entries), got.Accepted)
		require.GreaterOrEqual(t, got.RejectedCount, len(got.Rejected))
	})
}
