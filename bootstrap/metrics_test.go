package bootstrap_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"logsift/bootstrap"
)

// fetch asks for a URL and returns the status and the body. Headers are pairs.
func fetch(t *testing.T, url string, headers ...string) (int, string) {
	t.Helper()
	status, _, body := roundTrip(t, nil, http.MethodGet, url, "", headers...)
	return status, body
}

// scrape returns the metrics of a system.
func scrape(t *testing.T, url string) string {
	t.Helper()
	status, body := fetch(t, url+"/metrics")
	require.Equal(t, http.StatusOK, status, body)
	return body
}

// worked is a system with an AI service that has analysed logs, those of a task of
// its own queue among them.
func worked(t *testing.T) *bootstrap.App {
	t.Helper()
	url, release := aiService(t, noAnomalies)
	close(release)
	c := withAI(config("memory:"), url)
	c.AIDailyBudget, c.AIPrices.Input = 1_000_000, 1_000_000
	a := start(t, c)
	awaitStatus(t, a, sendLogs(t, a, someLines+strings.Repeat("panic: out of memory\n", 20)), "COMPLETED")
	require.Equal(t, http.StatusBadRequest, call(t, a, http.MethodPost, "/api/v1/logs", "application/x-ndjson", "{\n", nil))
	var task struct{ ID string }
	require.Equal(t, http.StatusCreated, call(t, a, http.MethodPost, "/api/v1/queue/tasks", "application/json",
		`{"type":"log_analysis","queue":"own","payload":{"log_ids":["0190f000-0000-7000-8000-000000000001"]}}`, &task))
	awaitStatus(t, a, task.ID, "COMPLETED")
	return a
}

func TestTheMetricsTellWhatWasDone(t *testing.T) {
	t.Parallel()
	a := worked(t)
	text := scrape(t, a.URL())
	for _, want := range []string{
		`logsift_build_info{`, `logsift_store_up 1`, `logsift_tasks{state="completed"} 2`, `logsift_tasks{state="failed"} 0`,
		`logsift_task_runs_total{outcome="completed",reason="none",type="log_analysis"} 2`,
		`logsift_task_queue_wait_seconds_count{queue="default"} 1`, `logsift_task_queue_wait_seconds_count{queue="own"} 1`,
		`logsift_tasks_enqueued_total{queue="default",type="log_analysis"} 1`, `logsift_log_batches_opened_total 1`,
		`logsift_log_entries_accepted_total{protocol="http"} 22`, `logsift_log_entries_rejected_total{protocol="http"} 1`,
		`logsift_http_requests_total{code="202",method="POST",route="/api/v1/logs"} 1`,
		`logsift_analyses_total{analyzer="openai",outcome="completed"} 2`, `logsift_analysis_log_entries_total{analyzer="openai"} 22`,
		`logsift_ai_requests_total{outcome="ok"} 1`, `logsift_ai_prompt_tokens_total 1`, `logsift_ai_cost_total{currency="USD"} 1e-06`,
		`logsift_ai_daily_budget{currency="USD"} 1`, `logsift_ai_breaker_open 0`,
		`logsift_scheduler_workers 10`, `logsift_scheduler_running 1`, `go_goroutines`, `process_cpu_seconds_total`,
	} {
		require.Contains(t, text, "\n"+want)
	}
	require.Regexp(t, `\nlogsift_http_requests_total\{code="200",method="GET",route="/api/v1/queue/tasks/\{id\}"\} \d`, text)
	require.Regexp(t, `\nlogsift_anomalies_total\{.*\} \d`, text)
	require.NotContains(t, text, "out of memory", "no label holds what was logged")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)

	_, open := fetch(t, a.URL()+"/metrics", "Accept", "application/openmetrics-text;version=1.0.0")
	require.True(t, strings.HasSuffix(open, "# EOF\n"))
}

func TestAWorkerServesItsMetricsByThemselves(t *testing.T) {
	t.Parallel()
	c := config("sqlite:" + filepath.Join(t.TempDir(), "x.db"))
	c.Addr, c.MetricsAddr = "", "127.0.0.1:0"
	a := start(t, c)
	require.Empty(t, a.Addr())
	url := "http://" + a.MetricsAddr()
	require.Contains(t, scrape(t, url), "\nlogsift_scheduler_workers 10\n")
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/": 404, "/api/v1/queue/stats": 404} {
		got, body := fetch(t, url+path)
		require.Equal(t, want, got, "%s: %s", path, body)
	}
	require.NoError(t, a.Stop(t.Context()))
}

func TestMetricsThatOthersReachNeedAKey(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", ":0", "10.0.0.1:9464", "example.com:1"} {
		c := config("memory:")
		c.Addr, c.MetricsAddr = "", addr
		_, err := bootstrap.New(t.Context(), c)
		require.ErrorContains(t, err, "metrics-addr "+addr+" is reachable from other machines")
	}
	c := config("memory:")
	c.Addr, c.MetricsAddr, c.InsecureNoAuth = "", "0.0.0.0:0", true
	scrape(t, "http://"+start(t, c).MetricsAddr())

	keys := filepath.Join(t.TempDir(), "keys.yaml")
	_, key, err := bootstrap.CreateAPIKey(keys, "prometheus", "read", 0)
	require.NoError(t, err)
	c.InsecureNoAuth, c.Keys = false, keys
	url := "http://" + start(t, c).MetricsAddr()
	status, _ := fetch(t, url+"/metrics")
	require.Equal(t, http.StatusUnauthorized, status)
	status, _ = fetch(t, url+"/healthz")
	require.Equal(t, http.StatusOK, status)
	status, _ = fetch(t, url+"/metrics", "Authorization", "Bearer "+key)
	require.Equal(t, http.StatusOK, status)
}

// scrapeWithKeys returns the metrics of a system that asks for keys.
func scrapeWithKeys(t *testing.T) string {
	t.Helper()
	c := config("memory:")
	c.Keys = filepath.Join(t.TempDir(), "keys.yaml")
	_, _, err := bootstrap.CreateAPIKey(c.Keys, "prometheus", "read", 0)
	require.NoError(t, err)
	res, err := start(t, c).Client().Get("http://localhost/metrics")
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(body)
}

// expressions returns the queries that are in the deployment files, by where they
// are.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	raw, err := os.ReadFile("../deploy/grafana/logsift.json")
	require.NoError(t, err)
	var dashboard any
	require.NoError(t, json.Unmarshal(raw, &dashboard))
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				if s, ok := e.(string); ok && slices.Contains([]string{"expr", "query", "definition"}, k) {
					out[at+"."+k] = s
				}
				walk(at+"."+k, e)
			}
		case []any:
			for i, e := range v {
				walk(fmt.Sprintf("%s[%d]", at, i), e)
			}
		}
	}
	walk("logsift.json", dashboard)
	for _, r := range alertRules(t) {
		out["alerts.yml "+r.Alert] = r.Expr
	}
	return out
}

// alertRule is a rule of alerts.yml.
type alertRule struct {
	Alert, Expr         string
	For                 string
	Labels, Annotations map[string]string
}

func alertRules(t *testing.T) []alertRule {
	t.Helper()
	raw, err := os.ReadFile("../deploy/prometheus/alerts.yml")
	require.NoError(t, err)
	var file struct {
		Groups []struct{ Rules []alertRule }
	}
	require.NoError(t, yaml.Unmarshal(raw, &file))
	require.Len(t, file.Groups, 1)
	require.NotEmpty(t, file.Groups[0].Rules)
	return file.Groups[0].Rules
}

var (
	sampleLine = regexp.MustCompile(`(?m)^([a-z_]+)(?:\{(.*)\})? `)
	metricUse  = regexp.MustCompile(`\b((?:logsift|process|go)_[a-z_]+)(?:\{([^}]*)\})?`)
	labelName  = regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"`)
)

// TestTheDashboardAndTheAlertsAskForWhatIsThere finds a metric, or a label of one,
// that was renamed in the code and not in the files.
func TestTheDashboardAndTheAlertsAskForWhatIsThere(t *testing.T) {
	t.Parallel()
	labels := map[string][]string{}
	for _, m := range sampleLine.FindAllStringSubmatch(scrape(t, worked(t).URL())+scrapeWithKeys(t), -1) {
		labels[m[1]] = []string{"job", "instance"} // Prometheus adds these.
		for _, l := range labelName.FindAllStringSubmatch(m[2], -1) {
			labels[m[1]] = append(labels[m[1]], l[1])
		}
	}
	used := map[string]bool{}
	for at, expr := range expressions(t) {
		for _, m := range metricUse.FindAllStringSubmatch(expr, -1) {
			used[m[1]] = true
			require.Contains(t, labels, m[1], "%s asks for a metric that is not there: %s", at, expr)
			for _, l := range labelName.FindAllStringSubmatch(m[2], -1) {
				require.Contains(t, labels[m[1]], l[1], "%s asks for a label that %s has not: %s", at, m[1], expr)
			}
		}
	}
	require.Greater(t, len(used), 40, "the files were read: %v", slices.Sorted(maps.Keys(used)))
}

func TestEveryAlertSaysWhatToDoAndIsTested(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../deploy/prometheus/alerts_test.yml")
	require.NoError(t, err)
	var tests struct {
		Tests []struct {
			Rules []struct {
				Name string           `yaml:"alertname"`
				Want []map[string]any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	require.NoError(t, yaml.Unmarshal(raw, &tests))
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range tests.Tests {
		for _, r := range test.Rules {
			fires[r.Name] = fires[r.Name] || len(r.Want) > 0
			silent[r.Name] = silent[r.Name] || len(r.Want) == 0
		}
	}
	for _, r := range alertRules(t) {
		require.Contains(t, []string{"warning", "critical"}, r.Labels["severity"], r.Alert)
		require.NotEmpty(t, r.Annotations["summary"], r.Alert)
		require.Greater(t, len(r.Annotations["runbook"]), 60, "%s: the runbook says what to do", r.Alert)
		require.True(t, fires[r.Alert], "no test has %s fire", r.Alert)
		require.True(t, silent[r.Alert], "no test has %s be silent", r.Alert)
		if r.For != "" {
			_, err := time.ParseDuration(r.For)
			require.NoError(t, err, r.Alert)
		}
	}
}
