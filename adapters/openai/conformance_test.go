package openai_test

import (
	"net/http"
	"testing"

	"logsift/adapters/openai"
	"logsift/ports"
	"logsift/ports/portstest"
)

// plausible answers as a good model would: the groups of errors are anomalies.
func plausible(w http.ResponseWriter, _ *http.Request, q question) {
	groups, err := q.groups()
	if err != nil {
		reply(w, http.StatusBadRequest, err.Error())
		return
	}
	var findings []string
	for _, g := range groups {
		switch g.Level {
		case "fatal":
			findings = append(findings, finding("critical", g.Group))
		case "error":
			// The least severe first: to put them in order is not the model's part.
			findings = append([]string{finding("high", g.Group)}, findings...)
		}
	}
	reply(w, http.StatusOK, says(found(findings...)))
}

func TestLogAnalyzerKeepsTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestLogAnalyzer(t, func(t *testing.T) ports.LogAnalyzer {
		t.Helper()
		// With this much room more groups fit than a result holds anomalies.
		return analyzer(t, serve(t, plausible), func(c *openai.Config) { c.MaxPromptBytes = 4 << 20 })
	})
}
