package openai_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/google/uuid"

	"logsift/adapters/openai"
	"logsift/domain"
)

// Any server with OpenAI's chat completions will do; this one answers always the
// same. The detector knows the lines, and the model explains them.
func ExampleAnalyzer() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, says(`{"summary":"Payments fail.","findings":[{
			"anomalies":[1],"cause":"The bank is away","explanation":"The bank does not answer.","suggested_action":"Look at the connection to the bank.",
			"category":"dependency","severity":"high","relevance":0.9}]}`))
	}))
	defer service.Close()

	analyzer, err := openai.New(detector{}, newStates(time.Now), openai.Config{BaseURL: service.URL + "/v1", Model: "llama3.2", Timeout: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	var logs []domain.LogEntry
	for i := range 3 {
		logs = append(logs, domain.LogEntry{ID: uuid.New(), Level: domain.LogLevelError, Message: fmt.Sprintf("payment %d: no answer", i)})
	}
	result, err := analyzer.Analyze(context.Background(), domain.AnalysisRequest{Logs: logs})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Summary)
	for _, a := range result.Anomalies {
		fmt.Printf("%s: %s (%d lines like %q)\n", a.Severity, a.Explanation, a.Count, a.Template)
	}
	// Output:
	// 1 anomalies in 3 lines. Payments fail.
	// high: The bank does not answer. (3 lines like "payment <*>: no answer")
}
