package httpapi

import (
	"slices"

	"github.com/gorilla/mux"

	"logsift/adapters/httpapi/apikey"
)

// Route is a route of the API by one method.
type Route struct {
	Method, Path string
	// Role is that of the access table, 0 for everybody; Listed is whether it is there.
	Role   apikey.Role
	Listed bool
	// Action is that of the audit log.
	Action string
}

// Routes returns all routes of the router.
func (a *API) Routes() []Route {
	var out []Route
	err := a.router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		methods, err := route.GetMethods()
		for _, method := range methods {
			path, need, listed := a.accessOf(route, method)
			r := Route{Method: method, Path: path, Role: need.role, Listed: listed, Action: need.action}
			if !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
		return err
	})
	if err != nil {
		panic(err)
	}
	return out
}

// Router lets a test add a route that the access table does not know.
func (a *API) Router() *mux.Router { return a.router }
