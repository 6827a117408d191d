package httpapi

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// unmapped are errors of the domain that no request should meet; one that does
// is a fault of the server.
var unmapped = map[string]string{
	"ErrLeaseLost":     "only workers hold leases",
	"ErrCorruptRecord": "the store holds what cannot be read",
	"ErrStateConflict": "only analysers save states, and they try again",
}

func TestEveryErrorOfTheDomainIsInTheTable(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../../domain/errors.go", nil, 0)
	require.NoError(t, err)
	texts := map[string]bool{}
	for _, k := range problemKinds {
		texts[k.err.Error()] = true
	}
	seen := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Err") {
			return true
		}
		seen++
		name := spec.Names[0].Name
		text := strings.Trim(spec.Values[0].(*ast.CallExpr).Args[0].(*ast.BasicLit).Value, `"`)
		require.Equal(t, unmapped[name] == "", texts[text], "%s needs a row in problemKinds, or a reason in unmapped", name)
		return true
	})
	require.Greater(t, seen, 10, "the test finds the errors")
}

func TestTheTableIsConsistent(t *testing.T) {
	t.Parallel()
	for _, k := range problemKinds {
		require.NotEmpty(t, k.name, k.err)
		require.NotEmpty(t, k.title, k.err)
		require.GreaterOrEqual(t, k.status, 400, k.name)
		require.Equal(t, k.name, kindOf(fmt.Errorf("wrapped: %w", k.err)).name, "no earlier row hides it")
		busy := k.status == http.StatusServiceUnavailable || k.status == http.StatusTooManyRequests
		busy = busy || errors.Is(k.err, domain.ErrKeyInUse)
		require.Equal(t, busy, k.retryAfter > 0, "%s: 429, 503 and a key in use, and only those, say when to come back", k.name)
	}
	require.Equal(t, unexpected, kindOf(errors.New("any")))
	require.Equal(t, "invalid-request", kindOf(&domain.ValidationError{Field: "x"}).name)
}

func TestEveryProblemIsExplained(t *testing.T) {
	t.Parallel()
	statuses := map[string]int{unexpected.name: unexpected.status}
	for _, k := range problemKinds {
		help := problemHelp[k.name]
		for _, text := range []string{help.meaning, help.action} {
			require.NotEmpty(t, text, "problemHelp needs a row for %s", k.name)
			require.True(t, strings.HasSuffix(text, "."), text)
		}
		if status, seen := statuses[k.name]; seen {
			require.Equal(t, status, k.status, "%s has one status", k.name)
		}
		statuses[k.name] = k.status
	}
	require.NotEmpty(t, problemHelp[unexpected.name])
	require.Len(t, problemHelp, len(statuses), "and no row is left over")
}
