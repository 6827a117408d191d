package httpapi

import (
	"net/http"

	"logsift/adapters/httpapi/openapi"
)

// OpenAPI returns the contract of the API, an OpenAPI 3.1 document, as JSON.
func OpenAPI() []byte {
	var routes []openapi.Route
	for _, row := range (&API{}).table() { // with the routes that an API may do without
		routes = append(routes, openapi.Route{
			Methods: row.methods, Path: row.name, Prefix: row.prefix, Public: row.public, Changes: row.action != "",
			AnyQuery: row.anyQuery, Protocol: row.protocol.answers,
		})
	}
	return openapi.Document(routes)
}

func (a *API) getOpenAPI(w http.ResponseWriter, r *http.Request) error {
	a.contract().serve(w, r)
	return nil
}
