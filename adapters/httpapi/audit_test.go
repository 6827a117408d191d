package httpapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apikey"
	"logsift/domain"
)

// audited is an API that asks for keys and keeps an audit log.
func audited() (*world, keyring, *observer.ObservedLogs) {
	core, lines := observer.New(zapcore.DebugLevel)
	ring := newKeyring()
	w := newWorld(httpapi.Config{}, func(deps *httpapi.Deps) {
		deps.Keys, deps.Audit = func() apikey.Keys { return ring.keys }, zap.New(core)
	})
	return w, ring, lines
}

func TestEveryChangeLeavesOneLine(t *testing.T) {
	t.Parallel()
	w, ring, lines := audited()
	for _, route := range w.api.Routes() {
		unsafe := route.Method != http.MethodGet && route.Method != http.MethodHead
		for name := range ring.text {
			lines.TakeAll()
			path := sample(route)
			res := w.do(route.Method, path, "", append(ring.bearer(name), "X-Request-Id", "r-1")...)
			got := lines.TakeAll()
			if !unsafe {
				require.Empty(t, got, path)
				continue
			}
			require.Len(t, got, 1, "%s %s by %s", route.Method, path, name)
			require.Equal(t, route.Action, got[0].Message)
			fields := got[0].ContextMap()
			require.Equal(t, route.Method, fields["method"])
			require.Equal(t, route.Path, fields["route"])
			require.EqualValues(t, res.Code, fields["status"])
			require.Equal(t, "192.0.2.1", fields["remote"])
			require.Equal(t, "r-1", fields["request_id"])
			role, err := apikey.ParseRole(name)
			switch {
			case err != nil:
				require.Empty(t, fields["key_id"], "who it was is not proven")
			case route.Role != 0:
				require.Equal(t, name, fields["key_name"], "refused or not")
				require.Equal(t, role.String(), fields["role"])
				require.Equal(t, strings.Split(ring.text[name], "_")[1], fields["key_id"])
			}
			if strings.Contains(route.Path, "/tasks/{id}") {
				require.Len(t, fields["task_ids"], 1)
				require.EqualValues(t, 1, fields["tasks"])
			}
		}
	}
}

func TestTheAuditLogNamesTheTasks(t *testing.T) {
	t.Parallel()
	w, ring, lines := audited()
	do := func(method, path, body, media string) map[string]any {
		t.Helper()
		lines.TakeAll()
		res := w.do(method, path, body, append(ring.bearer("admin"), "Content-Type", media)...)
		require.Less(t, res.Code, 300, res.Body.String())
		all := lines.All()
		require.Len(t, all, 1)
		return all[0].ContextMap()
	}
	created := do("POST", tasksPath, `{"type":"echo","payload":{"n":"canary"}}`, "application/json")
	require.Len(t, created["task_ids"], 1)
	id := fmt.Sprint(created["task_ids"].([]any)[0])
	require.Contains(t, w.queue.tasks, uuid.MustParse(id))
	require.Equal(t, []any{id}, do("POST", tasksPath+"/"+id+":cancel", "", "")["task_ids"])
	require.Equal(t, []any{id}, do("DELETE", tasksPath+"/"+id, "", "")["task_ids"])

	batch := do("POST", batchPath, strings.Repeat(`{"type":"echo"}`+"\n", 50), "application/x-ndjson")
	require.EqualValues(t, 50, batch["tasks"])
	require.Len(t, batch["task_ids"], 20, "a line is bounded")

	w.queue.result = domain.BulkResult{Matched: 3, Changed: 2, Refused: 1}
	for dry, ids := range map[string]any{"true": nil, "false": []any{id}} {
		bulk := do("POST", tasksPath+":run", `{"ids":["`+id+`"],"dry_run":`+dry+`}`, "application/json")
		require.Equal(t, ids, bulk["task_ids"], "a dry run changes none")
		require.Equal(t, dry, fmt.Sprint(bulk["dry_run"]))
		require.Equal(t, []any{int64(3), int64(2), int64(1)}, []any{bulk["matched"], bulk["changed"], bulk["refused"]})
	}
	for _, replayed := range []any{nil, true} {
		lines.TakeAll()
		w.do("POST", tasksPath+":run", `{"filter":{},"all":true}`, append(ring.bearer("admin"), "Idempotency-Key", "k")...)
		require.Equal(t, replayed, lines.All()[0].ContextMap()["replayed"])
	}

	logs := do("POST", logsPath, "canary\n", "text/plain")
	require.Equal(t, []any{analysisTask.String()}, logs["task_ids"])
	require.Equal(t, zapcore.DebugLevel, lines.All()[0].Level, "shippers send all the time")
	w.do("POST", logsPath, "canary\n", ring.bearer("read")...)
	require.Equal(t, zapcore.InfoLevel, lines.All()[1].Level, "refused, they are told of")
}

func TestTheAuditLogHoldsNothingThatWasSent(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	ring := newKeyring()
	w := newWorld(httpapi.Config{}, func(deps *httpapi.Deps) {
		deps.Keys = func() apikey.Keys { return ring.keys }
		deps.Audit = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&out), zapcore.DebugLevel))
	})
	session := signIn(t, w, ring.text["admin"])
	for _, route := range w.api.Routes() {
		for _, who := range [][]string{ring.bearer("admin"), ring.bearer("forged"), {"Cookie", session}} {
			w.do(route.Method, sample(route)+"?canary=canary", `{"type":"canary","key":"canary","message":"canary"}`, append(who, "Content-Type", "application/json", "User-Agent", "canary", "Idempotency-Key", "canary")...)
		}
	}
	require.NotEmpty(t, out.String())
	for _, secret := range []string{"canary", strings.Split(ring.text["admin"], "_")[2], strings.Split(ring.text["forged"], "_")[2], session} {
		require.NotContains(t, out.String(), secret)
	}
	for line := range strings.Lines(out.String()) {
		require.True(t, json.Valid([]byte(line)))
	}
}

func TestRequestsThatAreRefusedAtTheDoorLeaveALine(t *testing.T) {
	t.Parallel()
	w, ring, lines := audited()
	id := uuid.NewString()
	res := w.do("DELETE", tasksPath+"/"+id, "", append(ring.bearer("admin"), "Sec-Fetch-Site", "cross-site")...)
	problem(t, res, http.StatusForbidden, "cross-origin")
	all := lines.TakeAll()
	require.Len(t, all, 1)
	require.Equal(t, "task.delete", all[0].Message)
	require.Equal(t, []any{id}, all[0].ContextMap()["task_ids"])
	w.do("POST", "/nowhere", "")
	w.do("PUT", tasksPath, "")
	require.Zero(t, lines.Len(), "what is no route changes nothing")
}
