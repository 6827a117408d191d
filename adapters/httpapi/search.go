package httpapi

import (
	"net/http"

	"logsift/adapters/httpapi/request"
)

// maxSearches is how many searches are under way at once, half of them of one caller.
const maxSearches = 4

// search runs a read that may look at much of the store, if it selects by a text, or by
// what is no order of the store. Others wait for their turn, so that reads and writes
// of others do not wait for many searches.
func (a *API) search(r *http.Request, selects bool, read func() error) error {
	if !selects {
		return read()
	}
	caller := request.Caller(r)
	if err := a.searches.Await(r.Context(), caller, 1, false); err != nil {
		return err
	}
	defer a.searches.Give(caller, 1)
	return read()
}
