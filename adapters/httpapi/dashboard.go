package httpapi

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"
)

// Paths of the dashboard.
const (
	dashboardPath  = "/ui"
	dashboardBelow = dashboardPath + "/"
)

// dashboardRoutes adds the pages for people. They share the root path with what
// Elasticsearch's clients ask for, told apart by what is accepted.
func (a *API) dashboardRoutes(r *mux.Router) {
	if a.dashboard == nil {
		return
	}
	reads := []string{http.MethodGet, http.MethodHead}
	r.Handle("/", a.dashboard).Methods(reads...).MatcherFunc(browser)
	r.Handle(dashboardPath, a.dashboard).Methods(reads...)
	r.PathPrefix(dashboardBelow).Handler(a.dashboard).Methods(reads...)
}

// browser tells people, whose browsers ask for HTML, from clients.
func browser(r *http.Request, _ *mux.RouteMatch) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}
