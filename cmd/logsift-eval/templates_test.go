package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGroupsAreRightOnlyAsAWhole(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		got     []int
		want    []string
		ga, fga float64
	}{
		"all right":          {[]int{1, 1, 2}, []string{"a", "a", "b"}, 1, 1},
		"nothing":            {nil, nil, 0, 0},
		"one group is split": {[]int{1, 2, 3, 3}, []string{"a", "a", "b", "b"}, 0.5, 2.0 / 5},
		"two are joined":     {[]int{1, 1, 1, 2}, []string{"a", "a", "b", "c"}, 0.25, 2.0 / 5},
		"one line strays":    {[]int{1, 1, 2, 2}, []string{"a", "a", "a", "b"}, 0, 0},
	} {
		got := compareGroups(c.got, c.want)
		require.InDelta(t, c.ga, got.ga, 1e-9, name)
		require.InDelta(t, c.fga, got.fga, 1e-9, name)
	}
}

func TestEachSystemOfTheFolderIsScored(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	for name, csv := range map[string]string{
		"One/One_2k.log_structured.csv":           "LineId,Content,EventId\n1,took 12 ms,E1\n2,took 7 ms,E1\n3,\"done, well\",E2\n",
		"One/One_2k.log_structured_corrected.csv": "LineId,Content,EventId\n1,took 12 ms,E1\n2,took 7 ms,E2\n3,\"done, well\",E3\n",
		"Two/Two_2k.log_structured.csv":           "EventId,Content\nE1,up\nE2,down\n",
		"Two/notes.txt":                           "",
		"LICENSE":                                 "",
	} {
		file := filepath.Join(data, "loghub_2k", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
		require.NoError(t, os.WriteFile(file, []byte(csv), 0o600))
	}
	w := &report{}
	require.NoError(t, evalTemplates(t.Context(), w, data))
	require.Equal(t, []row{
		{section: "templates, original truth", name: "One", figure: "GA 1.000 FGA 1.000, 2 templates of 2"},
		{section: "templates, original truth", name: "Two", figure: "GA 1.000 FGA 1.000, 2 templates of 2"},
		{section: "templates, original truth", name: "mean of 2 systems", figure: "GA 1.000 FGA 1.000", goal: "GA ≥ 0.82", met: true},
		{section: "templates, corrected truth", name: "One", figure: "GA 0.333 FGA 0.400, 2 templates of 3"},
		{section: "templates, corrected truth", name: "mean of 1 systems", figure: "GA 0.333 FGA 0.400", goal: "GA ≥ 0.82"},
	}, w.rows)

	bad := filepath.Join(data, "loghub_2k", "Bad", "Bad_2k.log_structured.csv")
	require.NoError(t, os.MkdirAll(filepath.Dir(bad), 0o750))
	require.NoError(t, os.WriteFile(bad, []byte("LineId,Text\n1,a\n"), 0o600))
	require.ErrorContains(t, evalTemplates(t.Context(), w, data), "no columns Content and EventId")
	require.NoError(t, evalTemplates(t.Context(), w, t.TempDir()), "a folder without Loghub has no such figures")
}

func TestEachSystemIsLeftOutInTurn(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, name := range []string{"One", "Two", "Three"} {
		lines := "Content,EventId\nlost the alpha again,E1\nlost the beta again,E1\nlost the gamma again,E1\nlost the delta again,E1\n"
		if name == "Three" {
			lines = "Content,EventId\nall fine,E1\n"
		}
		require.NoError(t, os.MkdirAll(filepath.Join(root, name), 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(root, name, name+"_2k.log_structured.csv"), []byte(lines), 0o600))
	}
	w := &report{}
	require.NoError(t, leaveOneOut(t.Context(), w, root))
	require.Len(t, w.rows, 5)
	require.Equal(t, "One", w.rows[0].name)
	require.Contains(t, w.rows[0].figure, "GA 1.000 FGA 1.000 by plain 4, first 10", "the others tell that four words are enough")
	require.Contains(t, w.rows[3].figure, "GA 1.000")
	require.Contains(t, w.rows[4].figure, "GA 0.333 by plain 6", "the product asks for six")
	require.False(t, w.rows[4].met)
	require.ErrorContains(t, leaveOneOut(t.Context(), w, t.TempDir()), "three systems")
}
