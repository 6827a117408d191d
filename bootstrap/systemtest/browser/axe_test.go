//go:build browser

package browser_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"
)

// axeJS is the source of axe-core.
var axeJS = sync.OnceValues(func() (string, error) {
	raw, err := os.ReadFile(toolPath("npm/node_modules/axe-core/axe.min.js"))
	if err != nil {
		return "", fmt.Errorf("%w: install what the tests need with sh .ci/tools", err)
	}
	return string(raw), nil
})

// axeFinding is what axe-core has against a page.
type axeFinding struct {
	ID     string
	Impact string // minor, moderate, serious or critical
	Help   string
	Nodes  []struct {
		HTML           string
		FailureSummary string
	}
}

func (f axeFinding) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s (%s): %s", f.ID, f.Impact, f.Help)
	for _, n := range f.Nodes[:min(len(f.Nodes), 5)] {
		fmt.Fprintf(&out, "\n    %.300s\n      %s", n.HTML, strings.ReplaceAll(n.FailureSummary, "\n", "\n      "))
	}
	return out.String()
}

// accessible requires that axe-core finds nothing serious or critical against the
// page, by WCAG 2.2 AA and its own best practices.
func (tb *tab) accessible() {
	tb.t.Helper()
	for _, f := range tb.axe() {
		if f.Impact == "serious" || f.Impact == "critical" {
			tb.picture("axe")
			require.Fail(tb.t, "axe-core has a finding", "at %s\n%s", eval[string](tb, "location.pathname"), f)
		}
		tb.t.Log(f)
	}
}

func (tb *tab) axe() []axeFinding {
	tb.t.Helper()
	source, err := axeJS()
	require.NoError(tb.t, err)
	// It is run by the debugger, which no policy of the page binds.
	eval[bool](tb, "(globalThis.axe || function(){"+source+"}(), true)")
	raw := eval[string](tb, `axe.run(document, {resultTypes: ['violations'], elementRef: false}).then(r => JSON.stringify(r.violations))`)
	var findings []axeFinding
	require.NoError(tb.t, json.Unmarshal([]byte(raw), &findings))
	return findings
}
