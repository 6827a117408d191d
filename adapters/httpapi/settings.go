package httpapi

import (
	"net/http"

	"logsift/adapters/httpapi/wire"
)

func (a *API) getSettings(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, wire.Settings{Version: a.settings.Version, Settings: listOf(a.settings.Settings)})
}
