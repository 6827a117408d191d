package httpapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/mux"
	"github.com/stretchr/testify/require"

	"logsift/ports"
)

// document is as much of the contract as names its operations.
type document struct {
	Paths map[string]map[string]json.RawMessage
}

// operations returns the operations of the document as "GET /path", those of a prefix
// as "GET /prefix…". HEAD is a part of GET.
func (d document) operations(t *testing.T) []string {
	t.Helper()
	var out []string
	for path, item := range d.Paths {
		if raw, ok := item["x-path-prefix"]; ok {
			require.NoError(t, json.Unmarshal(raw, &path))
			path += "…"
		}
		for method := range item {
			if method = strings.ToUpper(method); slices.Contains([]string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"}, method) {
				out = append(out, method+" "+path)
			}
		}
	}
	slices.Sort(out)
	return out
}

// walk returns the operations of a router in the same form.
func walk(t *testing.T, router *mux.Router) []string {
	t.Helper()
	found := map[string]bool{}
	rule := regexp.MustCompile(`:[^{}]+\}`)
	require.NoError(t, router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		require.NoError(t, err)
		path = rule.ReplaceAllString(path, "}")
		pattern, err := route.GetPathRegexp()
		require.NoError(t, err)
		if !strings.HasSuffix(pattern, "$") {
			path += "…"
		}
		methods, err := route.GetMethods()
		require.NoError(t, err, "%s takes any method: name those that it has", path)
		for _, method := range methods {
			found[method+" "+path] = true
		}
		return nil
	}))
	var out []string
	for operation := range found {
		if path, head := strings.CutPrefix(operation, "HEAD "); head {
			require.True(t, found["GET "+path], "%s has HEAD without GET", path)
			continue
		}
		if path, get := strings.CutPrefix(operation, "GET "); get && !found["HEAD "+path] {
			require.Contains(t, withoutHead, operation, "it has GET without HEAD")
		}
		out = append(out, operation)
	}
	slices.Sort(out)
	return out
}

// withoutHead are the operations whose GET has no HEAD.
var withoutHead = []string{"GET /_refresh", "GET /{index}/_refresh"}

func TestTheContractHasExactlyTheRoutesOfTheRouter(t *testing.T) {
	t.Parallel()
	var doc document
	require.NoError(t, json.Unmarshal(OpenAPI(), &doc))
	everything := Deps{
		Queue: struct{ QueueService }{}, Events: struct{ ports.TaskEventReader }{}, Dashboard: http.NotFoundHandler(), Metrics: http.NotFoundHandler(),
	}
	require.Equal(t, doc.operations(t), walk(t, New(everything, Config{}).router))

	delete(doc.Paths, "/healthz")
	require.NotContains(t, doc.operations(t), "GET /healthz", "the test sees what is missing")
	router := mux.NewRouter()
	router.Handle("/a/{id:[^/:]+}:run", http.NotFoundHandler()).Methods(http.MethodPost)
	router.PathPrefix("/b").Handler(http.NotFoundHandler()).Methods(http.MethodGet, http.MethodHead)
	require.Equal(t, []string{"GET /b…", "POST /a/{id}:run"}, walk(t, router))
}

func TestTheContractHasEveryProblem(t *testing.T) {
	t.Parallel()
	var doc struct {
		Components struct {
			Schemas struct {
				Problem struct {
					Properties struct{ Type struct{ Enum []string } }
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal(OpenAPI(), &doc))
	kinds := map[string]bool{problemTypes + unexpected.name: true}
	for _, k := range problemKinds {
		kinds[problemTypes+k.name] = k.status != statusClientClosed
	}
	maps.DeleteFunc(kinds, func(_ string, told bool) bool { return !told })
	require.ElementsMatch(t, slices.Collect(maps.Keys(kinds)), doc.Components.Schemas.Problem.Properties.Type.Enum)
}
