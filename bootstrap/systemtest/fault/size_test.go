package fault_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/application"
	"logsift/domain"
)

func TestSizes(t *testing.T) {
	t.Parallel()
	t.Run("a body of 256 MiB is refused before it is read", hugeBody)
	t.Run("an answer of 50 MiB from the AI is not read, reaches no store, and costs no analysis", hugeAnswer)
	t.Run("a result of 50 MiB fails the task and reaches no store", hugeResult)
}

// memory is what Redis uses, in bytes.
func (w *world) memory(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(w.info(t, "memory")["used_memory_peak"])
	require.NoError(t, err)
	return n
}

// spare is what Redis may use more without having taken what is too large: some
// buffers of connections.
const spare = 4 << 20

func hugeBody(t *testing.T) {
	t.Parallel()
	const size = 256 << 20
	w := newWorld(t)
	_, a := app(t, w.apiOnly())
	a.posted(t)
	before := w.memory(t)
	for name, length := range map[string]string{
		"that tells its length": fmt.Sprintf("Content-Length: %d", size),
		"that does not":         "Transfer-Encoding: chunked",
	} {
		for path, media := range map[string]string{tasksPath: "application/json", tasksPath + ":batch": "application/x-ndjson", "/api/v1/logs": "text/plain"} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(a.base, "http://"))
			require.NoError(t, err)
			require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
			_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\n%s\r\n\r\n", path, media, length)
			require.NoError(t, err)
			sent := make(chan int, 1)
			go func() {
				chunk := bytes.Repeat([]byte("a line of text.\n"), 64<<10/16)
				if strings.HasPrefix(length, "Transfer") {
					chunk = append(append([]byte("10000\r\n"), chunk...), "\r\n"...)
				}
				n := 0
				for n < size {
					m, err := conn.Write(chunk)
					n += m
					if err != nil {
						break
					}
				}
				sent <- n
			}()
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err, "%s %s", path, name)
			require.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode, "%s %s", path, name)
			require.NoError(t, res.Body.Close())
			require.NoError(t, conn.Close())
			// Beyond what may be read, the buffers of the system take some.
			require.Less(t, receive(t, sent), 32<<20+32<<20, "%s %s", path, name)
		}
	}
	require.Less(t, w.memory(t)-before, spare)
	require.EqualValues(t, 1, w.audit(t).Total())
}

func hugeAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ai := newAI(t)
	ai.answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, err := io.WriteString(w, `{"choices":[{"message":{"role":"assistant","content":"`)
		chunk := strings.Repeat("x", 1<<20)
		for sent := 0; err == nil && sent < 50; sent++ {
			_, err = io.WriteString(w, chunk)
		}
	}
	close(ai.release)
	c := w.config()
	ai.configure(&c)
	_, a := app(t, c)
	before := w.memory(t)
	task := a.awaitTask(t, a.sendLogs(t), domain.TaskStatusCompleted)
	require.Less(t, len(task.Result), 1<<20)
	var result domain.AnalysisResult
	require.NoError(t, json.Unmarshal(task.Result, &result))
	require.Contains(t, result.DegradedReason, "the answer is larger than")
	require.Less(t, w.memory(t)-before, spare)
	w.audit(t)
}

func hugeResult(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scheduler(t, application.SchedulerConfig{Workers: 1}, func(context.Context, *domain.Task) ([]byte, error) {
		return make([]byte, 50<<20), nil
	})
	before := w.memory(t)
	task := newTask(doNothing, 0)
	w.add(t, task)
	got := w.awaitStatus(t, domain.TaskStatusFailed, task)
	require.Equal(t, domain.ReasonPermanent, got.Errors[0].Reason)
	require.Contains(t, got.LastError(), "too large")
	require.Nil(t, got.Result)
	require.Less(t, w.memory(t)-before, spare)
	w.audit(t)
}
