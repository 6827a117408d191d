package httpapi

import (
	"context"
	"errors"
	"net/http"

	"go.uber.org/zap"

	"logsift/adapters/httpapi/wire"
)

// healthz answers 200 for as long as the process serves. It asks nothing else: a
// process is not to be restarted because its store is away.
func (a *API) healthz(w http.ResponseWriter, r *http.Request) {
	if err := writeJSON(w, http.StatusOK, wire.Health{Status: "ok"}); err != nil {
		a.fail(w, r, err)
	}
}

// DegradedError is the error of a component that does its work, but less well than
// it was set up to.
type DegradedError struct {
	// Reason is a sentence for a person. It is shown as it is.
	Reason string
}

// Error gives the reason.
func (e *DegradedError) Error() string { return e.Reason }

// readyz answers 200 if every component is ready, degraded ones included, else 503
// with the reasons.
func (a *API) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.ReadyTimeout)
	defer cancel()
	out := wire.Readiness{Status: "ready", Components: map[string]wire.Component{}}
	status := http.StatusOK
	for name, err := range a.readiness.Ready(ctx) {
		if err == nil {
			out.Components[name] = wire.Component{Ready: true}
			continue
		}
		var degraded *DegradedError
		if errors.As(err, &degraded) {
			out.Components[name] = wire.Component{Ready: true, Degraded: true, Reason: degraded.Reason}
			continue
		}
		a.logger.Debug("component not ready", zap.String("component", name), zap.Error(err))
		out.Components[name] = wire.Component{Reason: reasonOf(err)}
		out.Status, status = "not ready", http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	}
	if err := writeJSON(w, status, out); err != nil {
		a.fail(w, r, err)
	}
}

// reasonOf returns what may be told of an error: those of the domain may wrap
// addresses, and are shown by their kind.
func reasonOf(err error) string {
	if k := kindOf(err); k.err != nil {
		return k.err.Error()
	}
	return err.Error()
}
