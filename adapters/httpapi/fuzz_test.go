package httpapi_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/wire"
)

// FuzzCreateTask checks that no body panics, that a refused one reaches nothing
// and is answered with a problem, and that another reader takes an accepted one
// in the same way.
func FuzzCreateTask(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"type":"echo"}`, `{"type":"echo","payload":{"a":[1,2.5e3,null,"\u00e9\ud83d\ude00"]},"priority":9,"queue":"q"}`,
		`{"type":"echo","type":"x"}`, `{"type":"echo","timeout_seconds":1e999}`, `{"type":"echo","delay_seconds":0.0000001}`, `{"type":"echo","delay_seconds":0.0001000}`,
		`{"type":"echo","scheduled_at":"2027-01-01T00:00:00.123456789+23:59"}`, "{\"type\":\"echo\",\"unique_key\":\"\xff\"}",
		`{"type":"echo","payload":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}`, `{"type":"log_analysis","payload":{"log_ids":[""]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		w := newWorld(httpapi.Config{})
		res := w.do("POST", tasksPath, string(body))
		if res.Code != http.StatusCreated {
			require.Less(t, res.Code, 500)
			require.GreaterOrEqual(t, res.Code, 400)
			p := decode[wire.Problem](t, res.Body)
			require.NotEmpty(t, p.Errors)
			require.Empty(t, w.queue.tasks)
			return
		}
		got := decode[wire.Task](t, res.Body)
		stored := w.queue.tasks[got.ID]
		asked := stored.Clone()
		if asked.Delay > 0 {
			asked.ScheduledAt = time.Time{} // the store's answer to the delay
		}
		require.NoError(t, asked.Validate())
		var other wire.CreateTask
		require.NoError(t, json.Unmarshal(body, &other), "the standard library takes what we take")
		require.Equal(t, other.Type, string(stored.Type))
		require.Equal(t, other.UniqueKey, stored.UniqueKey)
		if other.Payload != nil {
			require.JSONEq(t, string(other.Payload), string(stored.Payload))
		}
		if other.Priority != nil {
			require.Equal(t, *other.Priority, int(stored.Priority))
		}
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
	f.Fuzz(func(t *testing.T, body []byte, media uint8) {
		w := newWorld(httpapi.Config{})
		res := w.do("POST", logsPath, string(body), "Content-Type", types[int(media)%len(types)])
		if res.Code != http.StatusAccepted {
			require.Equal(t, http.StatusBadRequest, res.Code, res.Body.String())
			require.NotEmpty(t, decode[wire.Problem](t, res.Body).Errors)
			require.Zero(t, w.logs.writes)
			return
		}
		got := decode[wire.LogReceipt](t, res.Body)
		require.Equal(t, len(w.logs.entries), got.Accepted)
		require.GreaterOrEqual(t, got.RejectedCount, len(got.Rejected))
	})
}
