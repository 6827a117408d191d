package ingest_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/domain"
)

const lokiPath = "/loki/api/v1/push"

// lokiEntry is a line of a stream, with pairs of metadata.
type lokiEntry struct {
	at       time.Time
	line     string
	metadata []string
}

// lokiPush is the PushRequest of one stream.
func lokiPush(labels string, entries ...lokiEntry) []byte {
	text := func(to []byte, num protowire.Number, v []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(to, num, protowire.BytesType), v)
	}
	number := func(to []byte, num protowire.Number, v int64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(to, num, protowire.VarintType), uint64(v))
	}
	var stream []byte
	// Entries before labels: the order of fields is free.
	for _, e := range entries {
		entry := text(nil, 1, number(number(nil, 1, e.at.Unix()), 2, int64(e.at.Nanosecond())))
		entry = text(entry, 2, []byte(e.line))
		for i := 0; i < len(e.metadata); i += 2 {
			entry = text(entry, 3, text(text(nil, 1, []byte(e.metadata[i])), 2, []byte(e.metadata[i+1])))
		}
		stream = text(stream, 2, entry)
	}
	stream = number(text(stream, 1, []byte(labels)), 3, 7)
	return text(nil, 1, stream)
}

func TestLokiStreams(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 10, 20, 30, 123456000, time.UTC)
	nano := strconv.FormatInt(at.UnixNano()+789, 10)
	want := []domain.LogEntry{
		{Message: "2020-01-01 00:00:00 INFO one", Timestamp: at, Level: domain.LogLevelInfo, Source: "shop", Attributes: map[string]string{"env": `a"b`, "trace_id": "7"}},
		{Message: `{"level":50,"msg":"two"}`, Timestamp: at.Add(time.Second), Level: domain.LogLevelError, Source: "shop", Attributes: map[string]string{"env": `a"b`}},
		{Message: "three ERROR", Timestamp: at, Level: domain.LogLevelWarn, Source: "shop", Attributes: map[string]string{"env": `a"b`}},
	}
	t.Run("protobuf and JSON say the same", func(t *testing.T) {
		t.Parallel()
		push := lokiPush(`{env="a\"b", job="shop"}`,
			lokiEntry{at.Add(789), want[0].Message, []string{"trace_id", "7"}}, lokiEntry{at.Add(time.Second), want[1].Message + "\n", nil},
			lokiEntry{at, " \n", nil}, lokiEntry{at, want[2].Message, []string{"detected_level", "warn"}})
		later := strconv.FormatInt(at.Add(time.Second).UnixNano(), 10)
		inJSON := `{"streams":[{"values":[["` + nano + `","2020-01-01 00:00:00 INFO one",{"trace_id":"7"}],["` + later + `","{\"level\":50,\"msg\":\"two\"}"],["` + nano + `",""],
			[` + nano + `,"three ERROR",{"detected_level":"warn"}]],"stream":{"env":"a\"b","job":"shop"}}]}`
		for name, c := range map[string][]string{
			"snappy, unsaid":      {apitest.Snapped(push), "Content-Type", protobuf},
			"snappy":              {apitest.Snapped(push), "Content-Type", protobuf, "Content-Encoding", "snappy"},
			"no content type":     {apitest.Snapped(push)},
			"JSON":                {inJSON, "Content-Type", "application/json"},
			"JSON with a charset": {inJSON, "Content-Type", "application/json; charset=utf-8"},
			"JSON, gzip":          {apitest.Gzipped(t, []byte(inJSON)), "Content-Type", "application/json", "Content-Encoding", "gzip"},
		} {
			w := apitest.New(httpapi.Config{})
			res := w.Do("POST", lokiPath, c[0], c[1:]...)
			require.Equal(t, http.StatusNoContent, res.Code, "%s: %s", name, res.Body)
			require.Empty(t, res.Body.String())
			require.Len(t, w.Logs.Entries, 3, name)
			for i, got := range w.Logs.Entries {
				expected := want[i]
				expected.ID = got.ID
				require.Equal(t, expected, got, name)
			}
		}
	})
	t.Run("the source is what Loki takes for the service", func(t *testing.T) {
		t.Parallel()
		for labels, want := range map[string]string{
			`{job="j", service_name="s", app="a"}`: "s", `{job="j",app="a"}`: "a", `{job="j",host="h"}`: "j", `{filename="/var/log/x"}`: "/var/log/x", `{}`: "", `{a="b",}`: "",
		} {
			w := apitest.New(httpapi.Config{})
			require.Equal(t, http.StatusNoContent, w.Do("POST", lokiPath, apitest.Snapped(lokiPush(labels, lokiEntry{at, "m", nil})), "Content-Type", protobuf).Code)
			require.Equal(t, want, w.Logs.Entries[0].Source, labels)
		}
	})
	apitest.Run(t, "a repeat keeps its ids, as in Loki", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		for _, body := range []string{nano, nano, "0", "0"} {
			w.Do("POST", lokiPath, `{"streams":[{"stream":{"app":"a"},"values":[["`+body+`","m"],["`+body+`","m"]]}]}`, "Content-Type", "application/json")
		}
		e := w.Logs.Entries
		require.Equal(t, e[0].ID, e[2].ID)
		require.Equal(t, e[1].ID, e[3].ID)
		require.NotEqual(t, e[0].ID, e[1].ID, "equal lines of one request are two")
		require.NotEqual(t, e[4].ID, e[6].ID, "without a time they are not known")
	})
}

func TestLokiAnswers(t *testing.T) {
	t.Parallel()
	apitest.Run(t, "entries that are refused are told, the others stored", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		body := `{"streams":[{"stream":{"app":"a"},"values":[["1","one"],["x","two"],["1"],7,["2",{}],["-1","m"],["9223372036854775808","m"],["1","` + strings.Repeat("x", domain.MaxLogMessage+1) + `"],["3","three",null]]}]}`
		res := w.Do("POST", lokiPath, body, "Content-Type", "application/json")
		require.Equal(t, http.StatusBadRequest, res.Code)
		require.Equal(t, "text/plain; charset=utf-8", res.Header().Get("Content-Type"))
		require.Contains(t, res.Body.String(), "2 entries were stored, 7 were not: entry 2: timestamp must be a whole number")
		require.Contains(t, res.Body.String(), "and 2 more")
		require.Equal(t, []string{"one", "three"}, apitest.Messages(w.Logs.Entries))
	})
	apitest.Run(t, "an empty push is well", httpapi.Config{}, func(t *testing.T, w *apitest.World) {
		require.Equal(t, http.StatusNoContent, w.Do("POST", lokiPath, `{"streams":[]}`, "Content-Type", "application/json").Code)
		require.Zero(t, w.Logs.Writes)
		require.Equal(t, "ready\n", w.Do("GET", "/ready", "").Body.String())
	})
	t.Run("a failure is told as text", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct {
			err        error
			status     int
			retryAfter string
		}{{domain.ErrQueueFull, 429, "5"}, {domain.ErrStoreUnavailable, 503, "1"}, {domain.ErrStoreFull, 503, ""}, {domain.ErrCorruptRecord, 500, ""}} {
			w := apitest.New(httpapi.Config{})
			w.Logs.Err = c.err
			res := w.Do("POST", lokiPath, `{"streams":[{"stream":{},"values":[["1","m"]]}]}`, "Content-Type", "application/json")
			require.Equal(t, c.status, res.Code)
			require.Equal(t, c.retryAfter, res.Header().Get("Retry-After"))
			require.NotContains(t, res.Body.String(), "{")
		}
	})
	apitest.Run(t, "bodies that are none", httpapi.Config{MaxBodyBytes: 4096}, func(t *testing.T, w *apitest.World) {
		at := lokiEntry{time.Unix(1, 0), "m", nil}
		for _, c := range []struct {
			media, body string
			status      int
		}{
			{protobuf, "not snappy", 400},
			{protobuf, apitest.Snapped([]byte("\xff")), 400},
			{protobuf, apitest.Snapped(make([]byte, 5000)), 413},
			{protobuf, apitest.Snapped(lokiPush(`job="x"`, at)), 400},
			{protobuf, apitest.Snapped(lokiPush(`{job=x}`, at)), 400},
			{protobuf, apitest.Snapped(lokiPush(`{job="x`, at)), 400},
			{"application/json", `{"streams":[{"stream":7}]}`, 400},
			{"application/json", `{"streams":7}`, 400},
			{"application/json", `{`, 400},
			{"text/plain", `{}`, 415},
		} {
			require.Equal(t, c.status, w.Do("POST", lokiPath, c.body, "Content-Type", c.media).Code, "%s %q", c.media, c.body)
		}
		require.Zero(t, w.Logs.Writes)
	})
}
