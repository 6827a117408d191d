package sqlitestore_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"logsift/adapters/sqlitestore"
	"logsift/domain"
)

// crashChildEnv names the store file to the process that is going to be killed.
const crashChildEnv = "SQLITESTORE_CRASH_CHILD"

// runCrashChild enqueues without end and writes the id of each task to standard
// output once the enqueue is acknowledged.
func runCrashChild(path string) int {
	ctx := context.Background() //nolint:forbidigo // This is the main function of another process.
	db, err := sqlitestore.Open(ctx, path, sqlitestore.Config{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	queue := db.TaskQueue
	// One writer at a time: a line is shorter than what a pipe takes at once.
	var out sync.Mutex
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				id := uuid.Must(uuid.NewV7())
				if _, err := queue.Enqueue(ctx, domain.NewTask(id, "crash", []byte(`{"n":1}`))); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				out.Lock()
				_, err := fmt.Println(id)
				out.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	group.Wait()
	return 1
}

func TestAcknowledgedTasksSurviveKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	executable, err := os.Executable()
	require.NoError(t, err)
	var acknowledged []domain.TaskID
	// Each round kills a process that has opened what the one before left.
	for round := range 3 {
		child := exec.CommandContext(t.Context(), executable)
		child.Env = append(os.Environ(), crashChildEnv+"="+path)
		child.Stderr = t.Output()
		pipe, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		lines := bufio.NewScanner(pipe)
		for range 50 + 37*round {
			require.True(t, lines.Scan(), "the child ended before it was killed")
			acknowledged = append(acknowledged, uuid.MustParse(lines.Text()))
		}
		require.NoError(t, child.Process.Kill())
		// What was acknowledged up to the kill is in the pipe.
		for lines.Scan() {
			acknowledged = append(acknowledged, uuid.MustParse(lines.Text()))
		}
		require.NoError(t, lines.Err())
		require.Error(t, child.Wait())
	}
	db := open(t, path, sqlitestore.Config{})
	queue := db.TaskQueue
	for _, id := range acknowledged {
		task, err := queue.GetTask(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, domain.TaskStatusPending, task.Status)
	}
	stats, err := queue.GetQueueStats(t.Context())
	require.NoError(t, err)
	require.Equal(t, countTasks(t, path), stats.Pending, "the counts add up after the kill")
	require.GreaterOrEqual(t, stats.Pending, int64(len(acknowledged)))
}
