package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/domain"
)

const limitsPath = "/api/v1/queue/limits"

func TestLimitsAreSetAndShown(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	put := func(name, body string) (int, string) {
		res := w.Do("PUT", limitsPath+"/"+name, body, "Content-Type", "application/json")
		return res.Code, res.Body.String()
	}
	require.JSONEq(t, `{"limits":[]}`, w.Do("GET", limitsPath, "").Body.String())
	code, text := put("mail", `{"scope":"queue","queue":"mail","concurrency":5}`)
	require.Equal(t, http.StatusCreated, code)
	require.JSONEq(t, `{"name":"mail","scope":"queue","queue":"mail","concurrency":5,"running":0}`, text)
	code, text = put("mail", `{"scope":"key","queue":"mail","concurrency":1,"rate":{"count":10,"per_seconds":60}}`)
	require.Equal(t, http.StatusOK, code, "it was there")
	require.JSONEq(t, `{"name":"mail","scope":"key","queue":"mail","concurrency":1,"retries":"block",
		"rate":{"count":10,"per_seconds":60,"burst":10},"running":0,"waiting":0}`, text)
	code, _ = put("ai", `{"scope":"type","type":"echo","rate":{"count":1,"per_seconds":1.5,"burst":3}}`)
	require.Equal(t, http.StatusCreated, code)
	require.Equal(t, domain.Rate{Count: 1, Per: 1.5e9, Burst: 3}, w.Limits.Limits["ai"].Rate)

	w.Limits.Limits["mail"] = domain.LimitUse{Limit: w.Limits.Limits["mail"].Limit, Running: 2, Waiting: 7}
	require.JSONEq(t, `{"name":"mail","scope":"key","queue":"mail","concurrency":1,"retries":"block",
		"rate":{"count":10,"per_seconds":60,"burst":10},"running":2,"waiting":7}`, w.Do("GET", limitsPath+"/mail", "").Body.String())
	require.Contains(t, w.Do("GET", limitsPath, "").Body.String(), `{"limits":[{"name":"ai",`)

	require.Equal(t, http.StatusNoContent, w.Do("DELETE", limitsPath+"/mail", "").Code)
	for _, method := range []string{"GET", "DELETE"} {
		apitest.Problem(t, w.Do(method, limitsPath+"/mail", ""), http.StatusNotFound, "limit-not-found")
	}
	w.Limits.Err = fmt.Errorf("%w: ai", domain.ErrLimitExists)
	apitest.Problem(t, w.Do("PUT", limitsPath+"/other", `{"scope":"type","type":"echo","concurrency":1}`, "Content-Type", "application/json"), http.StatusConflict, "limit-exists")
}

func TestLimitsThatCannotBeSet(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	for body, field := range map[string]string{
		`[]`:                                "body",
		`{"scope":"all","concurrency":1}`:   "scope",
		`{"scope":"queue","concurrency":1}`: "queue",
		`{"scope":"type","concurrency":1}`:  "type",
		`{"scope":"queue","queue":"q","key":"k","concurrency":1}`:                                          "key",
		`{"scope":"queue","queue":"q"}`:                                                                    "concurrency",
		`{"scope":"queue","queue":"q","concurrency":0}`:                                                    "concurrency",
		`{"scope":"queue","queue":"q","concurrency":-1}`:                                                   "concurrency",
		`{"scope":"queue","queue":"q","rate":{"count":0,"per_seconds":1}}`:                                 "rate.count",
		`{"scope":"queue","queue":"q","rate":{"count":1,"per_seconds":0}}`:                                 "rate.per_seconds",
		`{"scope":"queue","queue":"q","rate":{"count":1,"per_seconds":1e9}}`:                               "rate.per_seconds",
		`{"scope":"queue","queue":"q","rate":{"count":1,"per_seconds":1,"burst":0}}`:                       "rate.burst",
		`{"scope":"key","queue":"q","concurrency":2,"retries":"block"}`:                                    "retries",
		`{"scope":"key","queue":"q","concurrency":1,"retries":"never"}`:                                    "retries",
		`{"scope":"queue","queue":"q","concurrency":1,"unknown":1}`:                                        "unknown",
		`{"scope":"key","queue":"q","concurrency":1,"key":"` + strings.Repeat("k", domain.MaxKey+1) + `"}`: "key",
	} {
		apitest.FieldProblem(t, w.Do("PUT", limitsPath+"/l", body, "Content-Type", "application/json"), field)
	}
	apitest.FieldProblem(t, w.Do("PUT", limitsPath+"/a%20b", `{"scope":"queue","queue":"q","concurrency":1}`, "Content-Type", "application/json"), "name")
	apitest.FieldProblem(t, w.Do("DELETE", limitsPath+"/a%20b", ""), "name")
	require.Empty(t, w.Limits.Limits)
}
