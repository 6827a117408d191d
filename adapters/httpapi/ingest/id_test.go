package ingest_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
)

func TestTheIDsOfLogEntriesAreTheirCallersOwn(t *testing.T) {
	t.Parallel()
	const asJSON, asNDJSON = "application/json", "application/x-ndjson"
	for name, c := range map[string]struct{ path, media, key, body string }{
		"an Idempotency-Key":        {logsPath, "text/plain", "k", "a line"},
		"an _id":                    {"/_bulk", asNDJSON, "", `{"create":{"_index":"i","_id":"1"}}` + "\n" + `{"message":"m"}` + "\n"},
		"a log.record.uid":          {"/v1/logs", asJSON, "", `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"m"},"attributes":[{"key":"log.record.uid","value":{"stringValue":"1"}}]}]}]}]}`},
		"the contents of a record":  {"/v1/logs", asJSON, "", `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"observedTimeUnixNano":"1790000000000000000","body":{"stringValue":"m"}}]}]}]}`},
		"a line of Loki":            {"/loki/api/v1/push", asJSON, "", `{"streams":[{"stream":{"a":"b"},"values":[["1790000000000000000","m"]]}]}`},
		"a line of Loki with a key": {"/loki/api/v1/push", asJSON, "k", `{"streams":[{"stream":{"a":"b"},"values":[["1790000000000000000","m"]]}]}`},
		"an _id with a key":         {"/i/_bulk", asNDJSON, "k", `{"index":{"_id":"1"}}` + "\n" + `{"message":"m"}` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ring := apitest.Guarded(httpapi.Config{})
			send := func(who string) uuid.UUID {
				header := append(ring.Bearer(who), "Content-Type", c.media)
				if c.key != "" {
					header = append(header, "Idempotency-Key", c.key)
				}
				w.Logs.Entries = nil
				res := w.Do("POST", c.path, c.body, header...)
				require.Less(t, res.Code, 300, res.Body.String())
				require.Len(t, w.Logs.Entries, 1)
				return w.Logs.Entries[0].ID
			}
			first := send("ingest")
			require.NotEqual(t, first, send("write"), "another caller would have its entry passed over")
			require.Equal(t, first, send("ingest"), "what is sent again is known")
		})
	}
}
