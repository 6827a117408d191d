package observe_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang/mock/gomock"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"logsift/adapters/memstore"
	"logsift/application/observe"
	"logsift/domain"
	"logsift/mocks"
	"logsift/ports"
	"logsift/ports/portstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// nobody is an observer that does nothing.
type nobody struct{}

func (nobody) Begin(ctx context.Context, _ ports.Call) context.Context { return ctx }
func (nobody) End(context.Context, ports.Call)                         {}

func TestWhatIsObservedKeepsTheContract(t *testing.T) {
	t.Parallel()
	portstest.TestStore(t, func(*testing.T) portstest.Store {
		c := &clock{}
		cfg := memstore.Config{Now: c.now}
		return portstest.Store{
			Queue: observe.Queue(memstore.NewTaskQueue(cfg), nil, nobody{}), Logs: observe.Logs(memstore.NewLogRepository(cfg), nobody{}), Advance: c.advance,
		}
	})
}

func TestWithoutObserversNothingIsWrapped(t *testing.T) {
	t.Parallel()
	queue, logs := memstore.NewTaskQueue(memstore.Config{}), memstore.NewLogRepository(memstore.Config{})
	require.Equal(t, queue, observe.Queue(queue, nil))
	require.Equal(t, logs, observe.Logs(logs))
	control := gomock.NewController(t)
	analyzer, processor := mocks.NewMockLogAnalyzer(control), mocks.NewMockTaskProcessor(control)
	require.Equal(t, analyzer, observe.Analyzer("builtin", analyzer))
	require.Equal(t, processor, observe.Processor(processor))
}

// notes writes down what it is told of, under its name.
type notes struct {
	name  string
	lines *[]string
	ended *ports.Call
}

type key struct{}

func (n notes) Begin(ctx context.Context, _ ports.Call) context.Context {
	*n.lines = append(*n.lines, n.name+" begins")
	return context.WithValue(ctx, key{}, n.name)
}

func (n notes) End(ctx context.Context, call ports.Call) {
	*n.lines = append(*n.lines, n.name+" ends in the context of "+ctx.Value(key{}).(string))
	*n.ended = call
}

func TestTheFirstObserverIsOutermost(t *testing.T) {
	t.Parallel()
	var lines []string
	var call ports.Call
	queue := observe.Queue(memstore.NewTaskQueue(memstore.Config{}),
		func(ctx context.Context) string { return "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" },
		notes{"a", &lines, &call}, notes{"b", &lines, &call})
	task := domain.NewTask(uuid.New(), "work", nil)
	stored, err := queue.Enqueue(t.Context(), task)
	require.NoError(t, err)
	require.Equal(t, []string{"a begins", "b begins", "b ends in the context of b", "a ends in the context of b"}, lines)
	require.Equal(t, stored, call.Tasks)
	require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", stored[0].TraceID())
	require.Empty(t, task.TraceParent, "the caller's task stays as it is")
	require.NoError(t, call.Err)
	require.Positive(t, call.Took)

	_, err = queue.GetTask(t.Context(), uuid.New())
	require.Equal(t, err, call.Err)
	require.Equal(t, ports.OpGetTask, call.Op)
}

func TestAPanicEndsTheCall(t *testing.T) {
	t.Parallel()
	var lines []string
	var call ports.Call
	inner := mocks.NewMockTaskProcessor(gomock.NewController(t))
	inner.EXPECT().Process(gomock.Any(), gomock.Any()).Do(func(context.Context, *domain.Task) { panic("why") })
	require.PanicsWithValue(t, "why", func() {
		_, _ = observe.Processor(inner, notes{"a", &lines, &call}).Process(t.Context(), domain.NewTask(uuid.New(), "work", nil))
	})
	require.Equal(t, ports.ErrPanicked, call.Err)
}

// pair answers for two tasks of a group, or panics.
type pair struct {
	ports.TaskProcessor

	panics bool
}

func (p pair) ProcessGroup(context.Context, []*domain.Task) []ports.TaskResult {
	if p.panics {
		panic("why")
	}
	return []ports.TaskResult{{}, {Err: domain.ErrLeaseLost}}
}

func TestEachTaskOfAGroupIsObserved(t *testing.T) {
	t.Parallel()
	var lines []string
	var last ports.Call
	tasks := []*domain.Task{domain.NewTask(uuid.New(), "work", nil), domain.NewTask(uuid.New(), "work", nil)}
	observed := func(p pair) ports.GroupProcessor {
		return observe.Processor(p, notes{"a", &lines, &last}).(ports.GroupProcessor)
	}
	require.Len(t, observed(pair{}).ProcessGroup(t.Context(), tasks), 2)
	require.Equal(t, []string{"a begins", "a begins", "a ends in the context of a", "a ends in the context of a"}, lines)
	require.Equal(t, tasks[1], last.Task)
	require.Equal(t, domain.ErrLeaseLost, last.Err)
	require.PanicsWithValue(t, "why", func() { observed(pair{panics: true}).ProcessGroup(t.Context(), tasks) })
	require.Equal(t, ports.ErrPanicked, last.Err)
}
