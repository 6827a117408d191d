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
// same. The model names the group, and the analyser knows its lines.
func ExampleAnalyzer() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, says(`{"summary":"Payments fail.","anomalies":[{
			"groups":[1],"explanation":"The bank does not answer.","suggested_action":"Look at the connection to the bank.",
			"kind":"error_burst","category":"dependency","severity":"high","score":0.9,"confidence":0.8}]}`))
	}))
	defer service.Close()

	analyzer, err := openai.New(openai.Config{BaseURL: service.URL + "/v1", Model: "llama3.2", Timeout: time.Minute})
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
	// Payments fail.
	// high: The bank does not answer. (3 lines like "payment <*>: no answer")
}
