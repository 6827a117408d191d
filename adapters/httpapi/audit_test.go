package httpapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/apitest"
	"logsift/domain"
)

// audited is an API that asks for keys and keeps an audit log, with a clock.
func audited() (*apitest.World, apitest.Keyring, *observer.ObservedLogs, *time.Time) {
	core, lines := observer.New(zapcore.DebugLevel)
	ring, at := apitest.NewKeyring(), apitest.Now
	w := apitest.New(httpapi.Config{}, func(deps *httpapi.Deps) {
		deps.Keys, deps.Audit = func() apikey.Keys { return ring.Keys }, zap.New(core)
		deps.Now = func() time.Time { return at }
	})
	return w, ring, lines, &at
}

func TestEveryChangeLeavesOneLine(t *testing.T) {
	t.Parallel()
	for _, route := range apitest.New(httpapi.Config{}).API.Routes() {
		unsafe := route.Method != http.MethodGet && route.Method != http.MethodHead
		for name := range apitest.NewKeyring().Text {
			w, ring, lines, _ := audited()
			path := sample(route)
			res := w.Do(route.Method, path, "", append(ring.Bearer(name), "X-Request-Id", "r-1")...)
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
				require.Equal(t, strings.Split(ring.Text[name], "_")[1], fields["key_id"])
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
	w, ring, lines, _ := audited()
	do := func(method, path, body, media string) map[string]any {
		t.Helper()
		lines.TakeAll()
		res := w.Do(method, path, body, append(ring.Bearer("admin"), "Content-Type", media)...)
		require.Less(t, res.Code, 300, res.Body.String())
		all := lines.All()
		require.Len(t, all, 1)
		return all[0].ContextMap()
	}
	created := do("POST", tasksPath, `{"type":"echo","payload":{"n":"canary"}}`, "application/json")
	require.Len(t, created["task_ids"], 1)
	id := fmt.Sprint(created["task_ids"].([]any)[0])
	require.Contains(t, w.Queue.Tasks, uuid.MustParse(id))
	require.Equal(t, []any{id}, do("POST", tasksPath+"/"+id+":cancel", "", "")["task_ids"])
	require.Equal(t, []any{id}, do("DELETE", tasksPath+"/"+id, "", "")["task_ids"])

	batch := do("POST", batchPath, strings.Repeat(`{"type":"echo"}`+"\n", 50), "application/x-ndjson")
	require.EqualValues(t, 50, batch["tasks"])
	require.Len(t, batch["task_ids"], 20, "a line is bounded")

	w.Queue.Result = domain.BulkResult{Matched: 3, Changed: 2, Refused: 1}
	for dry, ids := range map[string]any{"true": nil, "false": []any{id}} {
		bulk := do("POST", tasksPath+":run", `{"ids":["`+id+`"],"dry_run":`+dry+`}`, "application/json")
		require.Equal(t, ids, bulk["task_ids"], "a dry run changes none")
		require.Equal(t, dry, fmt.Sprint(bulk["dry_run"]))
		require.Equal(t, []any{int64(3), int64(2), int64(1)}, []any{bulk["matched"], bulk["changed"], bulk["refused"]})
	}
	for _, replayed := range []any{nil, true} {
		lines.TakeAll()
		w.Do("POST", tasksPath+":run", `{"filter":{},"all":true}`, append(ring.Bearer("admin"), "Idempotency-Key", "k")...)
		require.Equal(t, replayed, lines.All()[0].ContextMap()["replayed"])
	}

	logs := do("POST", logsPath, "canary\n", "text/plain")
	require.Equal(t, []any{apitest.AnalysisTask.String()}, logs["task_ids"])
	require.Equal(t, zapcore.DebugLevel, lines.All()[0].Level, "shippers send all the time")
	w.Do("POST", logsPath, "canary\n", ring.Bearer("read")...)
	require.Equal(t, zapcore.InfoLevel, lines.All()[1].Level, "refused, they are told of")
}

func TestTheAuditLogHoldsNothingThatWasSent(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	ring := apitest.NewKeyring()
	w := apitest.New(httpapi.Config{}, func(deps *httpapi.Deps) {
		deps.Keys = func() apikey.Keys { return ring.Keys }
		deps.Audit = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&out), zapcore.DebugLevel))
	})
	session := apitest.SignIn(t, w, ring.Text["admin"])
	for _, route := range w.API.Routes() {
		for _, who := range [][]string{ring.Bearer("admin"), ring.Bearer("forged"), {"Cookie", session}} {
			w.Do(route.Method, sample(route)+"?canary=canary", `{"type":"canary","key":"canary","message":"canary"}`, append(who, "Content-Type", "application/json", "User-Agent", "canary", "Idempotency-Key", "canary")...)
		}
	}
	require.NotEmpty(t, out.String())
	for _, secret := range []string{"canary", strings.Split(ring.Text["admin"], "_")[2], strings.Split(ring.Text["forged"], "_")[2], session} {
		require.NotContains(t, out.String(), secret)
	}
	for line := range strings.Lines(out.String()) {
		require.True(t, json.Valid([]byte(line)))
	}
}

func TestRequestsThatAreRefusedAtTheDoorLeaveALine(t *testing.T) {
	t.Parallel()
	w, ring, lines, _ := audited()
	id := uuid.NewString()
	res := w.Do("DELETE", tasksPath+"/"+id, "", append(ring.Bearer("admin"), "Sec-Fetch-Site", "cross-site")...)
	apitest.Problem(t, res, http.StatusForbidden, "cross-origin")
	all := lines.TakeAll()
	require.Len(t, all, 1)
	require.Equal(t, "task.delete", all[0].Message)
	require.Equal(t, []any{id}, all[0].ContextMap()["task_ids"])
	require.Equal(t, "192.0.2.1", all[0].ContextMap()["remote"])
	w.Do("POST", "/nowhere", "")
	w.Do("PUT", tasksPath, "")
	require.Zero(t, lines.Len(), "what is no route changes nothing")
}

func TestRefusalsAreCountedByAddressAndMinute(t *testing.T) {
	t.Parallel()
	w, ring, lines, at := audited()
	send := func(remote, method, path string, who ...string) {
		r := httptest.NewRequest(method, path, nil)
		r.RemoteAddr = remote
		for i := 0; i < len(who); i += 2 {
			r.Header.Set(who[i], who[i+1])
		}
		w.API.Handler().ServeHTTP(httptest.NewRecorder(), r)
	}
	taken := func() (out []string) {
		for _, line := range lines.TakeAll() {
			f := line.ContextMap()
			out = append(out, fmt.Sprint(line.Message, " ", f["remote"], " ", f["key_name"], " ", f["status"], " ", f["refused"]))
		}
		return out
	}
	for range 1000 {
		send("192.0.2.1:1", "POST", logsPath)
		send("192.0.2.1:2", "DELETE", sessionPath) // a sign-out of nobody
		send("192.0.2.1:3", "POST", sessionPath)   // a broken sign-in
		send("192.0.2.1:4", "POST", tasksPath, append(ring.Bearer("forged"), "Sec-Fetch-Site", "cross-site")...)
		send("192.0.2.1:1", "POST", logsPath, ring.Bearer("read")...)
		send("[2001:db8::1]:1", "POST", logsPath)
		send("[2001:db8::2]:1", "POST", logsPath)
	}
	require.Equal(t, []string{
		"logs.create 192.0.2.1  401 <nil>", "logs.create 192.0.2.1 read 403 <nil>", "logs.create 2001:db8::1  401 <nil>",
	}, taken(), "the first of each")
	*at = at.Add(time.Minute)
	send("192.0.2.9:1", "GET", "/healthz")
	require.ElementsMatch(t, []string{
		"requests.refused 192.0.2.1  <nil> 3999", "requests.refused 192.0.2.1 read <nil> 999", "requests.refused 2001:db8::/64  <nil> 1999",
	}, taken(), "then how many followed")
	send("192.0.2.1:1", "POST", logsPath)
	require.Equal(t, []string{"logs.create 192.0.2.1  401 <nil>"}, taken(), "the next minute begins anew")

	// What a key may do, and what fails for it otherwise, is told each time.
	for range 3 {
		send("192.0.2.1:1", "DELETE", tasksPath+"/"+uuid.NewString(), ring.Bearer("admin")...)
	}
	require.Len(t, taken(), 3)

	// Many addresses are counted as one beyond a bound, and told at the end.
	for i := range 3000 {
		send(fmt.Sprintf("10.0.%d.%d:1", i/250, i%250), "POST", logsPath)
	}
	require.Len(t, taken(), 1024)
	w.API.Close()
	require.Equal(t, []string{"requests.refused others  <nil> 1976"}, taken())
	w.API.Close()
	require.Empty(t, taken())
}
