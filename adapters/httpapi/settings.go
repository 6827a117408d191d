package httpapi

import (
	"net/http"

	"logsift/adapters/httpapi/wire"
)

func (a *API) getSettings(w http.ResponseWriter, _ *http.Request) error {
	return wire.Write(w, http.StatusOK, wire.Settings{Version: a.settings.Version, Settings: wire.List(a.settings.Settings)})
}
