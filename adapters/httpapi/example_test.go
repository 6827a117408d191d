package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
	"logsift/adapters/httpapi/openapitest"
)

func ExampleNew() {
	api := httpapi.New(httpapi.Deps{
		Queue: &apitest.QueueStub{}, Logs: &apitest.LogsStub{}, Readiness: apitest.ProbeFunc(nil),
	}, httpapi.Config{AllowedHosts: []string{"localhost"}})

	r := httptest.NewRequest(http.MethodPost, "http://localhost:8080/api/v1/queue/tasks", strings.NewReader(`{"type":"echo","prio":9}`))
	r.Header.Set("X-Request-Id", "example")
	w := openapitest.API().Serve(api.Handler(), r)
	fmt.Print(w.Code, " ", w.Body)
	// Output:
	// 400 {"type":"urn:logsift:problem:invalid-request","title":"Invalid request","status":400,"detail":"prio is unknown","request_id":"example","errors":[{"field":"prio","detail":"is unknown"}]}
}
