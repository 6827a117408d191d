package httpapi_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

const schedulesPath = "/api/v1/queue/schedules"

func putSchedule(w *apitest.World, name, body string) (int, string) {
	res := w.Do("PUT", schedulesPath+"/"+name, body, "Content-Type", "application/json")
	return res.Code, res.Body.String()
}

func TestSchedulesAreSetAndShown(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	require.JSONEq(t, `{"schedules":[],"next_cursor":null}`, w.Do("GET", schedulesPath, "").Body.String())
	body := `{"cron":"0 7 * * 1-5","timezone":"Europe/Berlin","overlap":"skip","missed":"all","jitter_seconds":1.5,
		"start":"2026-11-23T12:00:00Z","end":"2027-11-23T12:00:00Z","task":{"type":"echo","payload":{"n": 1},"queue":"mail","delay_seconds":2,"key":"k","tags":["a"]}}`
	code, _ := putSchedule(w, "nightly", body)
	require.Equal(t, http.StatusCreated, code)
	code, text := putSchedule(w, "nightly", body)
	record := w.Schedules.Records["nightly"]
	require.Equal(t, http.StatusOK, code)
	require.JSONEq(t, `{"name":"nightly","cron":"0 7 * * 1-5","timezone":"Europe/Berlin","overlap":"skip","missed":"all","max_missed":100,"jitter_seconds":1.5,
		"start":"2026-11-23T12:00:00Z","end":"2027-11-23T12:00:00Z","task":{"type":"echo","payload":{"n":1},"queue":"mail","delay_seconds":2,"key":"k","tags":["a"]},
		"paused":false,"paused_at":null,"created_at":"2026-11-23T12:00:00Z","updated_at":"2026-11-23T12:00:00Z","last_firing":null,
		"next_firing_at":"`+record.DueAt().Format(time.RFC3339Nano)+`",
		"next_firings":["2026-11-24T06:00:00Z","2026-11-24T06:00:00Z","2026-11-24T06:00:00Z","2026-11-24T06:00:00Z","2026-11-24T06:00:00Z"]}`, text)
	stored := w.Schedules.Records["nightly"].Schedule.Task
	require.Equal(t, uuid.Nil, stored.ID)
	require.Equal(t, 2*time.Second, stored.Delay, "the task has whatever a task can have")
	require.Equal(t, "k", stored.Key)

	paused := apitest.Answer[wire.Schedule](t, w.Do("POST", schedulesPath+"/nightly:pause", ""), http.StatusOK)
	require.True(t, paused.Paused)
	require.Nil(t, paused.NextFiringAt)
	require.False(t, apitest.Answer[wire.Schedule](t, w.Do("POST", schedulesPath+"/nightly:resume", ""), http.StatusOK).Paused)
	require.Equal(t, "nightly", apitest.Answer[wire.Schedule](t, w.Do("GET", schedulesPath+"/nightly", ""), http.StatusOK).Name)
	ran := apitest.Answer[wire.Schedule](t, w.Do("POST", schedulesPath+"/nightly:run", ""), http.StatusOK)
	require.Len(t, ran.Firings, 1)
	require.True(t, ran.Firings[0].Manual)
	require.Equal(t, "fired", ran.LastFiring.Outcome)
	for _, key := range []string{"a", "a", "b"} { // The answers of the first are lost, and not kept.
		ran = apitest.Answer[wire.Schedule](t, w.Do("POST", schedulesPath+"/nightly:run", "", "Idempotency-Key", key), http.StatusOK)
		w.Idempotent.Calls = map[string]*apitest.IdempotentStubCall{}
	}
	require.Len(t, ran.Firings, 3)

	code, _ = putSchedule(w, "made", `{"every_seconds":60,"task":{"type":"echo"}}`)
	require.Equal(t, http.StatusCreated, code)
	made := w.Schedules.Records["made"]
	made.Schedule.Source = nil
	made.Schedule.Task.Tags, made.Schedule.Task.Delay = []string{"red"}, time.Second
	w.Schedules.Records["made"] = made
	first := apitest.Answer[wire.ScheduleList](t, w.Do("GET", schedulesPath+"?limit=1", ""), http.StatusOK)
	require.Len(t, first.Schedules, 1)
	require.JSONEq(t, `{"type":"echo","payload":{},"priority":5,"queue":"default","max_retries":3,"timeout_seconds":600,"delay_seconds":1,"tags":["red"]}`, string(first.Schedules[0].Task), "made in Go")
	second := apitest.Answer[wire.ScheduleList](t, w.Do("GET", schedulesPath+"?cursor="+*first.NextCursor, ""), http.StatusOK)
	require.Equal(t, "nightly", second.Schedules[0].Name)
	require.Nil(t, second.NextCursor)
	require.Empty(t, second.Schedules[0].Firings, "lists have no history")

	require.Equal(t, http.StatusNoContent, w.Do("DELETE", schedulesPath+"/nightly", "").Code)
	for _, call := range [][2]string{{"GET", ""}, {"DELETE", ""}, {"POST", ":pause"}, {"POST", ":resume"}, {"POST", ":run"}} {
		apitest.Problem(t, w.Do(call[0], schedulesPath+"/nightly"+call[1], ""), http.StatusNotFound, "schedule-not-found")
	}
	w.Schedules.Err = fmt.Errorf("%w: s", domain.ErrScheduleConflict)
	apitest.Problem(t, w.Do("POST", schedulesPath+"/made:run", ""), http.StatusConflict, "schedule-conflict")
}

func TestSchedulesThatCannotBeSet(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	for field, body := range map[string]string{
		"body":                `[]`,
		"cron":                `{"cron":"0 0 30 2 *","task":{"type":"echo"}}`,
		"every_seconds":       `{"every_seconds":0,"task":{"type":"echo"}}`,
		"timezone":            `{"cron":"@daily","timezone":"Mars","task":{"type":"echo"}}`,
		"jitter_seconds":      `{"every_seconds":60,"jitter_seconds":90,"task":{"type":"echo"}}`,
		"overlap":             `{"every_seconds":60,"overlap":"x","task":{"type":"echo"}}`,
		"missed":              `{"every_seconds":60,"missed":"x","task":{"type":"echo"}}`,
		"max_missed":          `{"every_seconds":60,"missed":"all","max_missed":0,"task":{"type":"echo"}}`,
		"end":                 `{"every_seconds":60,"end":"2026-01-01T00:00:00Z","task":{"type":"echo"}}`,
		"task":                `{"every_seconds":60}`,
		"task.type":           `{"every_seconds":60,"task":{}}`,
		"task.priority":       `{"every_seconds":60,"task":{"type":"echo","priority":11}}`,
		"task.scheduled_at":   `{"every_seconds":60,"task":{"type":"echo","scheduled_at":"2030-01-01T00:00:00Z"}}`,
		"task.expires_at":     `{"every_seconds":60,"task":{"type":"echo","expires_at":"2030-01-01T00:00:00Z"}}`,
		"unknown":             `{"every_seconds":60,"unknown":1,"task":{"type":"echo"}}`,
		"task.delay_seconds ": `{"every_seconds":60,"task":{"type":"echo","delay_seconds":-1}}`,
	} {
		t.Run(field, func(t *testing.T) {
			if field == "task.delay_seconds " {
				field = "task.delay_seconds"
			}
			apitest.FieldProblem(t, w.Do("PUT", schedulesPath+"/s", body, "Content-Type", "application/json"), field)
		})
	}
	apitest.FieldProblem(t, w.Do("PUT", schedulesPath+"/a%20b", `{"every_seconds":60,"task":{"type":"echo"}}`, "Content-Type", "application/json"), "name")
	apitest.Problem(t, w.Do("GET", schedulesPath+"?cursor=!", ""), http.StatusBadRequest, "invalid-cursor")
	apitest.FieldProblem(t, w.Do("GET", schedulesPath+"?limit=201", ""), "limit")
	require.Empty(t, w.Schedules.Records)
}
