package ingest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

func TestTheNamesOfARequestCountMost(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	target := logsPath + "?_msg_field=event.text,note&_time_field=at&_stream_fields=pod,%20ns"
	body := `[{"event":{"text":"m"},"message":"other","at":1795429230,"time":"never","ns":"n","host":"h"},{"message":"m2","pod":"p","ns":"n"}]`
	apitest.Answer[wire.LogReceipt](t, w.Do("POST", target, body), http.StatusAccepted)
	first, second := w.Logs.Entries[0], w.Logs.Entries[1]
	require.Equal(t, "m", first.Message)
	require.Equal(t, int64(1795429230), first.Timestamp.Unix())
	require.Equal(t, "n", first.Source)
	require.Equal(t, map[string]string{"message": "other", "time": "never", "host": "h"}, first.Attributes)
	require.Equal(t, "m2", second.Message)
	require.Equal(t, "p", second.Source)

	apitest.Answer[wire.LogReceipt](t, w.Do("POST", logsPath+"?_time_field=created", `{"message":"m","created":12,"time":13}`), http.StatusAccepted)
	require.Equal(t, int64(12), w.Logs.Entries[2].Timestamp.Unix(), "each number is a time under a name that was asked for")
}

func TestEntriesOfAKeyKeepTheirIDs(t *testing.T) {
	t.Parallel()
	send := func(w *apitest.World, media, body string, headers ...string) []uuid.UUID {
		return apitest.Answer[wire.LogReceipt](t, w.Do("POST", logsPath, body, append([]string{"Content-Type", media}, headers...)...), http.StatusAccepted).LogIDs
	}
	w := apitest.New(httpapi.Config{})
	first := send(w, plain, "one\none\n\ntwo", "Idempotency-Key", "k1")
	require.Equal(t, first, send(w, plain, "one\none\n\ntwo", "Idempotency-Key", "k1"), "a repeat gives the same ids")
	require.NotEqual(t, first[0], first[1], "equal lines are entries of their own")
	require.Less(t, first[0].String(), first[1].String(), "ids keep the order of the lines")
	require.Equal(t, uuid.Version(8), first[0].Version())
	require.Equal(t, uuid.RFC4122, first[0].Variant())

	other := send(w, plain, "one\nTWO", "Idempotency-Key", "k1")
	require.Equal(t, first[0], other[0])
	require.NotEqual(t, first[1], other[1], "another line under the same key is another entry")
	require.NotContains(t, first, send(w, plain, "one", "Idempotency-Key", "k2")[0])
	require.NotEqual(t, send(w, plain, "one"), send(w, plain, "one"), "without a key each is new")

	apitest.FieldProblem(t, w.Do("POST", logsPath, "x", "Content-Type", plain, "Idempotency-Key", ""), "Idempotency-Key")
}

func TestHostileObjects(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 10_000)
	for name, body := range map[string]string{
		"names that grow with their depth":  `{"message":"m",` + strings.Repeat(`"`+long+`":{`, 30) + strings.Repeat(`"a":1,"b":2,`, 1000) + `"c":3` + strings.Repeat(`}`, 31),
		"more members than are read":        `{"message":"m"` + strings.Repeat(`,"x":1,"`+uuid.NewString()+`":[]`, 10_000) + `}`,
		"a number of a million digits":      `{"message":"m","n":` + strings.Repeat("9", 1_000_000) + `}`,
		"one name a hundred thousand times": `{` + strings.Repeat(`"message":"m",`, 50_000) + `"message":"m"}`,
		"NUL and ANSI codes":                `{"message":"m","a\u0000b":"\u001b[31mred\u0000"}`,
		"lone surrogates":                   `{"message":"m","a":"\ud800"}`,
	} {
		apitest.Run(t, name, httpapi.Config{}, func(t *testing.T, w *apitest.World) {
			require.Less(t, len(body), domain.MaxLogMessage)
			apitest.Answer[wire.LogReceipt](t, w.Do("POST", logsPath, body, "Content-Type", ndjson), http.StatusAccepted)
			require.Equal(t, []string{"m"}, apitest.Messages(w.Logs.Entries))
		})
	}
}
