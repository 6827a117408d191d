package mining

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGroups checks that lines as many systems write them come together as their
// statements do. The lines of testdata/groups.txt are made up; # begins a group.
func TestGroups(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/groups.txt")
	require.NoError(t, err)
	m := New(Config{})
	type line struct {
		text, group string
		template    *Template
	}
	var lines []line
	group := ""
	for text := range strings.Lines(string(data)) {
		text = strings.TrimSuffix(text, "\n")
		if name, ok := strings.CutPrefix(text, "# "); ok {
			group = name
		} else if text != "" {
			lines = append(lines, line{text, group, m.Learn(text)})
		}
	}
	templateOf, groupOf := map[string]*Template{}, map[*Template]string{}
	for _, l := range lines {
		root := l.template.Root()
		if known, ok := templateOf[l.group]; ok && known != root {
			t.Errorf("%s: %q is not of %q but of %q", l.group, l.text, known, root)
		}
		if known, ok := groupOf[root]; ok && known != l.group {
			t.Errorf("%s: %q has the template %q of %s", l.group, l.text, root, known)
		}
		templateOf[l.group], groupOf[root] = root, l.group
	}
}
