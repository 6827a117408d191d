package mining

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// everything writes all that a miner would restore.
func everything(m *Miner) string { return string(m.Snapshot(1 << 30)) }

func TestSnapshotRestores(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	learn(m, each("lost contact with %s again", strings.Fields("alpha beta gamma delta")...)...)
	learn(m, "took 12 ms", "订单12345已创建", "", "\xff")
	restored := New(Config{})
	require.NoError(t, restored.Merge(m.Snapshot(1<<20)))
	before, after := m.Templates(), restored.Templates()
	require.Len(t, after, len(before))
	for i, want := range before {
		require.Equal(t, want.ID(), after[i].ID())
		require.Equal(t, want.Tokens(), after[i].Tokens())
		require.Zero(t, after[i].Count(), "nothing was learned since")
	}
	require.Equal(t, before[0].ID(), restored.Learn("lost contact with epsilon again").ID(), "what varied varies")
	require.Equal(t, before[1].ID(), restored.Learn("took 7 ms").ID())
	require.Len(t, restored.Templates(), len(before))
}

// TestSnapshotFormat fails when the encoding changes: that needs a new version,
// since stores keep snapshots.
func TestSnapshotFormat(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	learn(m, "took 12 ms.")
	const golden = "6c736d01" + "00" + "01" + "162dfe0b2efaa9ea" + "000000" + "05" + "00" + "04746f6f6b" + "0120" + "0101" + "012e"
	require.Equal(t, golden, hex.EncodeToString(m.Snapshot(1<<20)))
}

func TestSnapshotDropsWhatWasNotSeen(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	lines := strings.Fields("one() two() three() four() five() six()")
	learn(m, lines...)
	next := New(Config{})
	require.NoError(t, next.Merge(m.Snapshot(1<<20)))
	learn(next, "five()", "seven()", "two()")
	whole := len(next.Snapshot(1 << 20))
	for limit := whole; limit > 40; limit-- {
		small := next.Snapshot(limit)
		require.LessOrEqual(t, len(small), limit)
		left := New(Config{})
		require.NoError(t, left.Merge(small))
		n := len(left.Templates())
		for i, name := range strings.Fields("two() five() seven()") {
			learn(left, name)
			if n >= 3 {
				require.Len(t, left.Templates(), n, "%s was seen last and is kept", name)
			} else if i < n {
				require.LessOrEqual(t, len(left.Templates()), 3)
			}
		}
	}

	few := New(Config{MaxTemplates: 4})
	require.NoError(t, few.Merge(next.Snapshot(1<<20)))
	require.Len(t, few.Templates(), 3, "there is room for what is new")
}

func TestMergeUnitesWhatTwoLearned(t *testing.T) {
	t.Parallel()
	base := New(Config{})
	learn(base, "lost contact with alpha again", "took 12 ms")
	a, b := New(Config{}), New(Config{})
	require.NoError(t, a.Merge(base.Snapshot(1<<20)))
	require.NoError(t, b.Merge(base.Snapshot(1<<20)))
	held := a.Learn("lost contact with beta again")
	learn(a, "lost contact with gamma again", "only a knows")
	learn(b, "lost contact with delta again", "only b knows")
	fromA, fromB := a.Snapshot(1<<20), b.Snapshot(1<<20)
	require.NoError(t, a.Merge(fromB))
	require.NoError(t, b.Merge(fromA))
	require.Equal(t, everything(a), everything(b))
	var got []string
	for _, template := range a.Templates() {
		got = append(got, template.String())
	}
	require.ElementsMatch(t, []string{"lost contact with <*> again", "took <*>", "only a knows", "only b knows"}, got,
		"together they saw enough to tell what varies")
	require.Equal(t, "lost contact with <*> again", held.Root().String(), "templates that were given out follow")
	require.Equal(t, 2, held.Root().Count())
	require.NoError(t, a.Merge(fromB))
	require.Equal(t, len(got), len(a.Templates()), "once more changes nothing")
}

func TestMergeRefusesWhatIsNoSnapshot(t *testing.T) {
	t.Parallel()
	m := New(Config{})
	learn(m, "took 12 ms", "lost contact with alpha again")
	good := m.Snapshot(1 << 20)
	bad := map[string][]byte{
		"empty": {}, "other": []byte("{}"), "version": append([]byte("lsm\x02"), good[4:]...),
		"longer": append(append([]byte{}, good...), 0), "huge count": []byte("lsm\x01\x00\xff\xff\xff\xff\x0f"),
		"twice":         append(append([]byte("lsm\x01\x00\x02"), good[6:34]...), good[6:34]...),
		"even":          []byte("lsm\x01\x00\x01abcdefgh\x00\x00\x00\x02\x00\x01a"),
		"control":       []byte("lsm\x01\x00\x01abcdefgh\x00\x00\x00\x03\x00\x01\x03\x00"),
		"mark between":  []byte("lsm\x01\x00\x01abcdefgh\x00\x00\x00\x03\x01\x01\x01a\x00"),
		"empty word":    []byte("lsm\x01\x00\x01abcdefgh\x00\x00\x00\x03\x00\x00\x00"),
		"born too late": []byte("lsm\x01\x00\x01abcdefgh\x01\x00\x00\x03\x00\x01a\x00"),
	}
	for n := range good {
		bad[fmt.Sprintf("cut at %d", n)] = good[:n]
	}
	want := everything(m)
	for name, data := range bad {
		require.ErrorIs(t, m.Merge(data), ErrSnapshot, name)
		require.Equal(t, want, everything(m), name)
	}
	require.NoError(t, m.Merge([]byte("lsm\x01\x00\x01abcdefgh\x00\x00\x00\x03\x00\x01a\x00")))
}
