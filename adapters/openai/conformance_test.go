package openai_test

import (
	"net/http"
	"testing"

	"logsift/ports"
	"logsift/ports/portstest"
)

// plausible answers as a good model would: each anomaly is explained.
func plausible(w http.ResponseWriter, _ *http.Request, q question) {
	anomalies, err := q.anomalies()
	if err != nil {
		reply(w, http.StatusBadRequest, err.Error())
		return
	}
	var findings []string
	for _, a := range anomalies {
		// The least severe first: to put them in order is not the model's part.
		findings = append([]string{finding(a.Severity, a.Anomaly)}, findings...)
	}
	reply(w, http.StatusOK, says(found(findings...)))
}

func TestLogAnalyzerKeepsTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestLogAnalyzer(t, func(t *testing.T) ports.LogAnalyzer {
		t.Helper()
		return analyzer(t, serve(t, plausible))
	})
}

func TestLogAnalyzerKeepsTheContractWithoutAService(t *testing.T) {
	t.Parallel()
	portstest.TestLogAnalyzer(t, func(t *testing.T) ports.LogAnalyzer {
		t.Helper()
		// A wrong key degrades every result.
		return analyzer(t, replies(t, http.StatusUnauthorized, `{}`))
	})
}
