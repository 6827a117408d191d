package oteltrace_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang/mock/gomock"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"logsift/adapters/memstore"
	"logsift/adapters/oteltrace"
	"logsift/application/observe"
	"logsift/domain"
	"logsift/mocks"
	"logsift/ports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	parentTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentHeader = "00-" + parentTrace + "-00f067aa0ba902b7-01"
)

// kept is an exporter that keeps the spans after its end too.
type kept struct{ *tracetest.InMemoryExporter }

func (kept) Shutdown(context.Context) error { return nil }

// record returns a tracing, and what ends it and returns its spans by name.
func record(t *testing.T, ratio float64) (*oteltrace.Tracing, func() map[string]tracetest.SpanStub) {
	t.Helper()
	memory := tracetest.NewInMemoryExporter()
	tracing, err := oteltrace.New(t.Context(), oteltrace.Config{Ratio: ratio, Exporter: kept{memory}})
	require.NoError(t, err)
	closing := context.WithoutCancel(t.Context())
	t.Cleanup(func() { _ = tracing.Close(closing) })
	return tracing, func() map[string]tracetest.SpanStub {
		require.NoError(t, tracing.Close(t.Context()))
		out := map[string]tracetest.SpanStub{}
		for _, s := range memory.GetSpans() {
			require.NotContains(t, out, s.Name, "spans of a test have names of their own")
			out[s.Name] = s
		}
		return out
	}
}

// attributes are those of a span, as text.
func attributes(s tracetest.SpanStub) map[string]string {
	out := map[string]string{}
	for _, a := range s.Attributes {
		out[string(a.Key)] = a.Value.String()
	}
	return out
}

// request begins a request in a trace.
func request(t *testing.T, tracing *oteltrace.Tracing) (context.Context, func(string, int)) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/x?secret=1", nil).WithContext(t.Context())
	r.Header.Set("traceparent", parentHeader)
	return tracing.BeginRequest(r)
}

// traced returns a queue in memory whose calls are traced.
func traced(tracing *oteltrace.Tracing) ports.TaskQueue {
	return observe.Queue(memstore.NewTaskQueue(memstore.Config{}), tracing.TraceParent, tracing)
}

func TestOneTraceGoesFromTheRequestToTheAICall(t *testing.T) {
	t.Parallel()
	tracing, spans := record(t, 1)
	queue := traced(tracing)
	logs := observe.Logs(memstore.NewLogRepository(memstore.Config{}), tracing)
	ctx, done := request(t, tracing)
	task := domain.NewTask(uuid.New(), "work", []byte(`{"secret":1}`))
	_, err := queue.Enqueue(ctx, task)
	require.NoError(t, err)
	require.Empty(t, task.TraceParent, "the caller's task stays as it is")
	done("/x", 201)

	claimed, err := queue.Dequeue(t.Context(), ports.ClaimRequest{ID: uuid.New(), Max: 1, Lease: time.Minute})
	require.NoError(t, err)
	require.Equal(t, parentTrace, claimed[0].TraceID())
	inner := mocks.NewMockTaskProcessor(gomock.NewController(t))
	inner.EXPECT().Process(gomock.Any(), claimed[0]).DoAndReturn(func(ctx context.Context, _ *domain.Task) ([]byte, error) {
		require.Equal(t, parentTrace, oteltrace.TraceID(ctx))
		_, err := logs.GetAnalysis(ctx, claimed[0].ID)
		require.ErrorIs(t, err, domain.ErrAnalysisNotFound)
		_, err = logs.SaveLogs(ctx, uuid.New())
		require.NoError(t, err)
		chat := ports.Call{Op: ports.OpChat, Name: "model", Usage: domain.Usage{PromptTokens: 7, CompletionTokens: 5}}
		tracing.End(tracing.Begin(ctx, chat), chat)
		return nil, errors.New("the secret line")
	})
	_, err = observe.Processor(inner, tracing).Process(t.Context(), claimed[0])
	require.EqualError(t, err, "the secret line")

	got := spans()
	parents := map[string]string{"enqueue default": "POST /x", "process work": "enqueue default", "GetAnalysis": "process work", "SaveLogs": "process work", "chat model": "process work"}
	require.Len(t, got, len(parents)+1)
	for name, s := range got {
		require.Equal(t, parentTrace, s.SpanContext.TraceID().String(), name)
		if parent, ok := parents[name]; ok {
			require.Equal(t, got[parent].SpanContext.SpanID(), s.Parent.SpanID(), name)
		}
		for key, value := range attributes(s) {
			require.NotContains(t, value, "secret", "%s of %s", key, name)
		}
	}
	require.Equal(t, "00f067aa0ba902b7", got["POST /x"].Parent.SpanID().String(), "the caller's span")
	require.Equal(t, map[string]string{
		"http.request.method": "POST", "http.response.status_code": "201", "http.route": "/x", "url.scheme": "http",
	}, attributes(got["POST /x"]))
	process := attributes(got["process work"])
	require.Equal(t, "logsift", process["messaging.system"])
	require.Equal(t, "process", process["messaging.operation.type"])
	require.Equal(t, task.ID.String(), process["messaging.message.id"])
	require.Equal(t, "_OTHER", process["error.type"])
	require.Equal(t, codes.Error, got["process work"].Status.Code)
	require.NotContains(t, got["process work"].Status.Description, "secret")
	require.Equal(t, "send", attributes(got["enqueue default"])["messaging.operation.type"])
	require.Equal(t, codes.Unset, got["GetAnalysis"].Status.Code, "nothing is wrong with that")
	require.Equal(t, "7", attributes(got["chat model"])["gen_ai.usage.input_tokens"])
}

func TestWhatIsOutsideOfATraceBeginsNone(t *testing.T) {
	t.Parallel()
	tracing, spans := record(t, 1)
	queue := traced(tracing)
	stored, err := queue.Enqueue(t.Context(), domain.NewTask(uuid.New(), "work", nil))
	require.NoError(t, err)
	require.Empty(t, stored[0].TraceParent)
	_, err = queue.GetQueueStats(t.Context())
	require.NoError(t, err)
	_, err = observe.Logs(memstore.NewLogRepository(memstore.Config{}), tracing).GetLogs(t.Context())
	require.NoError(t, err)
	_, done := tracing.BeginRequest(httptest.NewRequest(http.MethodGet, "/healthz", nil))
	done("/healthz", 200)
	require.Empty(t, spans())
}

func TestTheBeginningOfATraceDecidesWhetherItIsRecorded(t *testing.T) {
	t.Parallel()
	tracing, spans := record(t, 0)
	queue := traced(tracing)
	ctx, done := tracing.BeginRequest(httptest.NewRequest(http.MethodGet, "/here", nil))
	stored, err := queue.Enqueue(ctx, domain.NewTask(uuid.New(), "work", nil))
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(stored[0].TraceParent, "-00"), "others learn that it is not")
	require.Empty(t, stored[0].TraceID())
	done("/here", 200)
	_, done = request(t, tracing)
	done("/there", 503)
	got := spans()
	require.Len(t, got, 1)
	require.Equal(t, codes.Error, got["POST /there"].Status.Code)
}

func TestAPanicEndsTheSpanOfItsRun(t *testing.T) {
	t.Parallel()
	tracing, spans := record(t, 1)
	inner := mocks.NewMockTaskProcessor(gomock.NewController(t))
	inner.EXPECT().Process(gomock.Any(), gomock.Any()).Do(func(context.Context, *domain.Task) { panic("the secret line") })
	require.PanicsWithValue(t, "the secret line", func() {
		_, _ = observe.Processor(inner, tracing).Process(t.Context(), domain.NewTask(uuid.New(), "work", nil))
	})
	require.Equal(t, "panic", attributes(spans()["process work"])["error.type"])
}

func TestACollectorThatIsAwayHoldsNothingUp(t *testing.T) {
	t.Parallel()
	var failures atomic.Int64
	tracing, err := oteltrace.New(t.Context(), oteltrace.Config{Endpoint: "http://127.0.0.1:1", Ratio: 1, Failed: func(error) { failures.Add(1) }})
	require.NoError(t, err)
	begun := time.Now()
	for range 5000 {
		_, done := request(t, tracing)
		done("/x", 200)
	}
	require.Less(t, time.Since(begun), 20*time.Second)
	begun = time.Now()
	_ = tracing.Close(t.Context())
	require.Less(t, time.Since(begun), 9*time.Second, "the end is bounded")
	require.Positive(t, failures.Load(), "and somebody is told")
	require.NoError(t, tracing.Close(t.Context()))
}

func TestTheAddressOfACollectorIsChecked(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"http://127.0.0.1:4318", "https://otel.example.com/base"} {
		require.NoError(t, oteltrace.ValidateEndpoint("otlp-endpoint", good))
	}
	for _, bad := range []string{"", "127.0.0.1:4318", "grpc://x", "http://", "http://user:secret@x", "http://x?y", "http://x#y", "http://%"} {
		err := oteltrace.ValidateEndpoint("otlp-endpoint", bad)
		require.ErrorContains(t, err, "otlp-endpoint")
		require.NotContains(t, err.Error(), "secret")
	}
}
