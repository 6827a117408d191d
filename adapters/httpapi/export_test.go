package httpapi

import (
	"slices"

	"github.com/gorilla/mux"

	"logsift/adapters/httpapi/apikey"
)

// Route is a route of the API by one method.
type Route struct {
	Method, Path string
	// Role is the least one, 0 for everybody; Action is that of the audit log.
	Role   apikey.Role
	Action string
}

// Routes returns all routes of the router.
func (a *API) Routes() []Route {
	var out []Route
	err := a.router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		row := a.rows[route]
		for _, method := range row.methods {
			if r := (Route{Method: method, Path: row.name, Role: row.role, Action: row.action}); !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
		return nil
	})
	if err != nil {
		panic(err)
	}
	return out
}

// Router lets a test add a route that the table does not have.
func (a *API) Router() *mux.Router { return a.router }

// ForgetRole takes the role from a route.
func (a *API) ForgetRole(path string) {
	for _, row := range a.rows {
		if row.name == path {
			row.role = 0
		}
	}
}
