package fault_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"logsift/bootstrap"
)

// ai is an AI service whose answers wait until release is closed.
type ai struct {
	url     string
	asked   chan struct{} // has an item for each question
	release chan struct{}
	// answer is what it says then.
	answer http.HandlerFunc
}

func newAI(t *testing.T) *ai {
	t.Helper()
	a := &ai{asked: make(chan struct{}, 1000), release: make(chan struct{}), answer: noAnomalies}
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The end of a request is seen only once its body was read.
		_, _ = io.Copy(io.Discard, r.Body)
		a.asked <- struct{}{}
		select {
		case <-a.release:
			a.answer(w, r)
		case <-ended:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(ended) })
	a.url = server.URL
	return a
}

// configure has a product ask this service.
func (a *ai) configure(c *bootstrap.Config) {
	c.Analyzer, c.AIBaseURL, c.AIModel = bootstrap.AnalyzerOpenAI, a.url+"/v1", "model"
}

// noAnomalies is the answer of an AI that finds nothing.
func noAnomalies(w http.ResponseWriter, _ *http.Request) { say(w, `{\"anomalies\":[]}`) }

// say answers with the content, which is the inside of a JSON string.
func say(w io.Writer, content string) {
	if header, ok := w.(http.ResponseWriter); ok {
		header.Header().Set("Content-Type", "application/json")
	}
	_, _ = io.WriteString(w, `{"id":"1","object":"chat.completion","model":"model","choices":[{"index":0,"finish_reason":"stop",`+
		`"message":{"role":"assistant","content":"`+content+`"}}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
}
