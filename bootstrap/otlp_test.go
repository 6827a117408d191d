package bootstrap_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"

	"logsift/adapters/httpapi/wire"
	"logsift/bootstrap"
)

// exportLogs sends records with OpenTelemetry's own SDK, as programs do.
func exportLogs(t *testing.T, endpoint string, options ...otlploghttp.Option) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	exporter, err := otlploghttp.New(t.Context(), append(options, otlploghttp.WithEndpointURL(endpoint+"/v1/logs"), otlploghttp.WithHTTPClient(&http.Client{Transport: transport}))...)
	require.NoError(t, err)
	provider := sdklog.NewLoggerProvider(
		sdklog.WithResource(resource.NewSchemaless(semconv.ServiceName("checkout"), semconv.HostName("h1"))),
		sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter)),
	)
	logger := provider.Logger("shop/cart")
	for i, severity := range []log.Severity{log.SeverityInfo, log.SeverityWarn, log.SeverityError} {
		var r log.Record
		r.SetTimestamp(time.Date(2026, 11, 23, 10, 20, 30+i, 123456789, time.UTC))
		r.SetSeverity(severity)
		r.SetBody(attribute.StringValue("payment " + severity.String()))
		r.AddAttributes(attribute.Int("order", i), attribute.Map("http", attribute.String("method", "POST")))
		logger.Emit(t.Context(), r)
	}
	require.NoError(t, provider.Shutdown(context.WithoutCancel(t.Context())), "the SDK takes the answers for successes")
}

// exported returns the messages of what was exported, newest first, and requires
// that each has all that the SDK said of it.
func exported(t *testing.T, a *bootstrap.App) []string {
	t.Helper()
	var list wire.LogList
	require.Equal(t, http.StatusOK, call(t, a, http.MethodGet, "/api/v1/logs?source=checkout", "", "", &list))
	levels := map[string]string{"payment INFO": "info", "payment WARN": "warn", "payment ERROR": "error"}
	out := make([]string, len(list.Logs))
	for i, e := range list.Logs {
		out[i] = e.Message
		require.Equal(t, levels[e.Message], e.Level)
		require.Equal(t, 123456000, e.Timestamp.Nanosecond())
		require.Equal(t, "POST", e.Attributes["http.method"])
		require.Equal(t, "shop/cart", e.Attributes["scope.name"])
		require.Equal(t, "h1", e.Attributes["host.name"])
	}
	return out
}

func TestTheOpenTelemetrySDKExportsItsLogs(t *testing.T) {
	t.Parallel()
	all := []string{"payment ERROR", "payment WARN", "payment INFO"}
	for name, options := range map[string][]otlploghttp.Option{
		"plain": nil,
		"gzip":  {otlploghttp.WithCompression(otlploghttp.GzipCompression)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t, config("memory:"))
			exportLogs(t, a.URL(), options...)
			require.Equal(t, all, exported(t, a))
			var tasks wire.TaskList
			require.Equal(t, http.StatusOK, call(t, a, http.MethodGet, "/api/v1/queue/tasks", "", "", &tasks))
			require.Len(t, tasks.Tasks, 1, "they are analysed by themselves")
			awaitStatus(t, a, tasks.Tasks[0].ID.String(), "COMPLETED")
		})
	}

	// The first answer is lost on its way, so that the SDK sends again what was
	// stored.
	t.Run("a repeat stores nothing twice", func(t *testing.T) {
		t.Parallel()
		a := start(t, config("memory:"))
		target, err := url.Parse(a.URL())
		require.NoError(t, err)
		proxy := httputil.NewSingleHostReverseProxy(target)
		transport := &http.Transport{DisableKeepAlives: true}
		defer transport.CloseIdleConnections()
		proxy.Transport = transport
		var calls atomic.Int32
		proxy.ModifyResponse = func(res *http.Response) error {
			if calls.Add(1) == 1 {
				require.Equal(t, http.StatusOK, res.StatusCode)
				res.StatusCode = http.StatusBadGateway
			}
			return nil
		}
		server := httptest.NewServer(proxy)
		defer server.Close()
		exportLogs(t, server.URL, otlploghttp.WithRetry(otlploghttp.RetryConfig{Enabled: true, InitialInterval: time.Millisecond, MaxInterval: time.Millisecond, MaxElapsedTime: patience}))
		require.EqualValues(t, 2, calls.Load())
		require.Equal(t, all, exported(t, a))
	})
}
