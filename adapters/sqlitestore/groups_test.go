package sqlitestore_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/sqlitestore"
	"logsift/domain"
	"logsift/ports"
)

func TestTasksOfOtherGroupsThanTheirOwnAreFoundAndMended(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]string{
		"left out":  `UPDATE task SET grp = NULL WHERE seq = (SELECT max(seq) FROM task)`,
		"left over": `UPDATE task SET grp = (SELECT max(grp) FROM task)`,
		"another":   `UPDATE task SET grp = x'00' WHERE grp IS NOT NULL`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "store.db")
			db := open(t, path, sqlitestore.Config{})
			tasks := make([]*domain.Task, 4)
			for i := range tasks {
				if tasks[i] = newTask(); i > 0 {
					tasks[i].Group, tasks[i].GroupSize = "a\x00\"ä", 3
				}
			}
			_, err := db.Enqueue(t.Context(), tasks...)
			require.NoError(t, err)
			verify := func(repair bool) (found []domain.Finding) {
				_, err := db.Verify(t.Context(), ports.VerifyRequest{Repair: repair, Report: func(f domain.Finding) { found = append(found, f) }})
				require.NoError(t, err)
				return found
			}
			require.Empty(t, verify(false))
			_, err = raw(t, path).ExecContext(t.Context(), harm)
			require.NoError(t, err)
			require.NotEmpty(t, verify(false))
			for _, f := range verify(true) {
				require.Equal(t, sqlitestore.KindGroupWrong, f.Kind)
				require.True(t, f.Repaired())
			}
			require.Empty(t, verify(false))
			first, err := db.Dequeue(t.Context(), claim(1, 0))
			require.NoError(t, err)
			require.Len(t, first, 1, "a task without a group runs alone")
			run, err := db.Dequeue(t.Context(), claim(1, 0))
			require.NoError(t, err)
			require.Len(t, run, 3)
		})
	}
}
