package request

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// strictCorpus are bodies that readers of JSON are known to take otherwise, and the
// field that is to be named; "" is accepted.
var strictCorpus = map[string]string{
	`{"type":"echo"}`: "",
	`{"type":"echo","payload":{"a":[1,2.50,-0,1e3,"\u00e9\ud83d\ude00",true,null]}}`: "",
	" \t\r\n{\"type\":\"echo\"} \n":                  "",
	`{"type":"echo","priority":null}`:                "",
	`{"type":"echo","type":"echo"}`:                  "type",
	`{""`:                                            "body",
	`{"type":"echo","\u0074ype":"echo"}`:             "type",
	`{"type":"echo","payload":{"a":1,"a":2}}`:        "payload.a",
	`{"type":"echo","payload":[{"a":1,"a":2}]}`:      "payload.0.a",
	`{"TYPE":"echo"}`:                                "TYPE",
	`{"type":"echo","prio":1}`:                       "prio",
	`{"type":"echo","payload":"` + "\xff" + `"}`:     "payload",
	`{"type":"echo","payload":{"` + "\xc0" + `":1}}`: "payload",
	`{"type":"echo","payload":"\ud800"}`:             "payload",
	`{"type":"echo","payload":01}`:                   "body",
	`{"type":"echo","payload":NaN}`:                  "payload",
	`{"type":"echo","payload":'a'}`:                  "payload",
	"{\"type\":\"ec\x00ho\"}":                        "type",
	`{"type":"echo","priority":1.0}`:                 "priority",
	`{"type":"echo","priority":"1"}`:                 "priority",
	`{"type":"echo","priority":true}`:                "priority",
	`{"type":["echo"]}`:                              "type",
	`{"type":"echo","payload":1,}`:                   "body",
	`{"type":"echo"}}`:                               "body",
	`{"type":"echo"} {"type":"echo"}`:                "body",
	`{"type":"echo"} x`:                              "body",
	"\xef\xbb\xbf" + `{"type":"echo"}`:               "body",
	`{"type":"echo"`:                                 "body",
	`{"type":"echo","payload":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`: "body",
	`{"type":"echo","payload":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`: "",
}

func TestJSONIsReadStrictly(t *testing.T) {
	t.Parallel()
	for body, field := range strictCorpus {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			err := Decode([]byte(body), &wire.CreateTask{})
			if field == "" {
				require.NoError(t, err)
				return
			}
			var invalid *domain.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, field, invalid.Field, err)
		})
	}
}

// FuzzStrictJSON checks that what is accepted is read by another parser, that of
// encoding/json, to the same values, so that nobody between the client and the
// server can see another request in it.
func FuzzStrictJSON(f *testing.F) {
	for body := range strictCorpus {
		f.Add([]byte(body))
	}
	f.Add([]byte(`{"ids":["a"],"filter":{"status":"x","created_after":"2026-01-02T03:04:05.5+01:00"},"all":true,"dry_run":false,"cursor":"c"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		sameByBoth[wire.CreateTask](t, body)
		sameByBoth[wire.BulkTasks](t, body)
	})
}

func sameByBoth[T any](t *testing.T, body []byte) {
	t.Helper()
	var ours, theirs T
	if err := Decode(body, &ours); err != nil {
		var invalid *domain.ValidationError
		require.True(t, errors.As(err, &invalid), "%T %v", err, err)
		require.NotEmpty(t, invalid.Field)
		return
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	require.NoError(t, dec.Decode(&theirs))
	require.Equal(t, ours, theirs)
}

func TestListsStopAtTheirLimit(t *testing.T) {
	t.Parallel()
	for body, field := range map[string]string{
		`{"tasks":[{"ref":"a","tags":null},{"ref":"b","after":["a"],"tags":["x"]}]}`: "",
		`{"tasks":null}`:                               "",
		`{"tasks":[{},{},{},{"unread`:                  "tasks",
		`{"tasks":[{"after":["a"]},{"after":["b","c"`:  "tasks.1.after",
		`{"tasks":[{"ref":"a"},{"ref":"b","tags":[1]}`: "tasks.1.tags.0",
		`{"tasks":[{"ref":"a","tags":["x","x"`:         "tasks.0.tags",
		`{"tasks":[{"ref":"a"},{"ref":"b","ref":"b"}]`: "tasks.1.ref",
		`{"tasks":[{"ref":"a"},{"Ref":"b"}]}`:          "tasks.1.Ref",
		`{"tasks":{"ref":"a"}}`:                        "tasks",
		`{"tasks":[{"ref":"a"}`:                        "body",
	} {
		var in wire.CreateWorkflow
		err := Decode([]byte(body), &in, AtMost[[]wire.WorkflowTask](3), AtMost[wire.Refs](2), AtMost[[]string](1))
		if field == "" {
			require.NoError(t, err, body)
			continue
		}
		var invalid *domain.ValidationError
		require.ErrorAs(t, err, &invalid, body)
		require.Equal(t, field, invalid.Field, body)
	}
	var in wire.CreateWorkflow
	require.NoError(t, Decode([]byte(`{"tasks":[{"ref":"a"},{"ref":"b","after":["a"],"tags":["x"]}]}`), &in, AtMost[[]wire.WorkflowTask](3), AtMost[wire.Refs](2)))
	require.Equal(t, []wire.WorkflowTask{{Ref: "a"}, {Ref: "b", After: wire.Refs{"a"}, CreateTask: wire.CreateTask{Tags: []string{"x"}}}}, in.Tasks)
}
