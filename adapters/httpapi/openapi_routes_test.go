package httpapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheContractHasExactlyTheRoutesOfTheTable(t *testing.T) {
	t.Parallel()
	type parameter struct {
		Name, In string
		Ref      string `json:"$ref"`
	}
	var doc struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct{ Parameters map[string]parameter }
	}
	require.NoError(t, json.Unmarshal(OpenAPI(), &doc))
	queries := map[string][]string{} // of the operations
	for path, item := range doc.Paths {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
			raw, ok := item[strings.ToLower(method)]
			if !ok {
				continue
			}
			var op struct{ Parameters []parameter }
			require.NoError(t, json.Unmarshal(raw, &op))
			query := []string{}
			for _, p := range op.Parameters {
				if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
					p = doc.Components.Parameters[name]
				}
				if p.In == "query" {
					query = append(query, p.Name)
				}
			}
			slices.Sort(query)
			queries[method+" "+path] = query
		}
	}
	seen := map[string]bool{}
	for _, row := range (&API{}).table() {
		path, query := row.name, slices.Sorted(slices.Values(row.query))
		if row.prefix {
			path = strings.TrimSuffix(path, "/") + "/{path}"
		}
		if row.anyQuery {
			query = []string{"query"} // stands for all
		}
		for _, method := range row.methods {
			if method == http.MethodHead {
				require.Contains(t, row.methods, http.MethodGet, "%s has HEAD without GET", path)
				continue
			}
			require.Contains(t, queries, method+" "+path, "openapi.yaml lacks a route")
			require.ElementsMatch(t, query, queries[method+" "+path], "the query parameters of %s %s", method, path)
			seen[method+" "+path] = true
		}
	}
	for operation := range queries {
		require.Contains(t, seen, operation, "openapi.yaml has what is no route")
	}
}
