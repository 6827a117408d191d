package problem

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// unmapped are errors of the domain that no request should meet; one that does
// is a fault of the server.
var unmapped = map[string]string{
	"ErrCorruptRecord":    "the store holds what cannot be read",
	"ErrDocumentConflict": "only analysers save documents, and they try again",
}

func TestEveryErrorOfTheDomainIsInTheTable(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../../../domain/errors.go", nil, 0)
	require.NoError(t, err)
	texts := map[string]bool{}
	for _, k := range kinds {
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
		require.Equal(t, unmapped[name] == "", texts[text], "%s needs a row in kinds, or a reason in unmapped", name)
		return true
	})
	require.Greater(t, seen, 10, "the test finds the errors")
}

func TestTheTableIsConsistent(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		require.NotEmpty(t, k.Name, k.err)
		require.NotEmpty(t, k.Title, k.err)
		require.GreaterOrEqual(t, k.Status, 400, k.Name)
		require.Equal(t, k.Name, kindOf(fmt.Errorf("wrapped: %w", k.err)).Name, "no earlier row hides it")
		busy := k.Status == http.StatusServiceUnavailable || k.Status == http.StatusTooManyRequests
		busy = busy || errors.Is(k.err, domain.ErrKeyInUse)
		require.Equal(t, busy, k.RetryAfter > 0, "%s: 429, 503 and a key in use, and only those, say when to come back", k.Name)
	}
	require.Equal(t, unexpected, kindOf(errors.New("any")))
	require.Equal(t, "invalid-request", kindOf(&domain.ValidationError{Field: "x"}).Name)
}

func TestEveryProblemIsExplained(t *testing.T) {
	t.Parallel()
	for _, k := range append(slices.Clone(kinds), unexpected) {
		for _, text := range []string{k.Meaning, k.Action} {
			require.True(t, strings.HasSuffix(text, "."), "%s: %q", k.Name, text)
		}
		i := slices.IndexFunc(Kinds(), func(other Kind) bool { return other.Name == k.Name })
		require.Equal(t, Kinds()[i].Status, k.Status, "%s has one status", k.Name)
	}
}
