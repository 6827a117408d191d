package httpapi

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"go.uber.org/zap"

	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/wire"
)

// healthz answers 200 for as long as the process serves. It asks nothing else: a
// process is not to be restarted because its store is away.
func (a *API) healthz(w http.ResponseWriter, _ *http.Request) error {
	return wire.Write(w, http.StatusOK, wire.Health{Status: "ok"})
}

// ComponentError is the error of a component that is not ready, or does its work less
// well than it was set up to.
type ComponentError struct {
	// Degraded is whether it does its work all the same.
	Degraded bool
	// Reason is a sentence that everybody may read: it holds no address and no name of
	// a file.
	Reason string
	// Detail is what those read in its place who may read everything. "" is the reason.
	Detail string
}

// Error gives the detail.
func (e *ComponentError) Error() string { return cmp.Or(e.Detail, e.Reason) }

// readyz answers 200 if every component is ready, degraded ones included, else 503
// with the reasons. It is open to everybody, so that the reasons name addresses only to
// those who may read everything.
func (a *API) readyz(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.ReadyTimeout)
	defer cancel()
	holder, unknown := a.auth.Caller(r)
	inFull := unknown == nil && holder.Role.Includes(apikey.Read)
	out := wire.Readiness{Status: "ready", Components: map[string]wire.Component{}}
	status := http.StatusOK
	for name, err := range a.readiness.Ready(ctx) {
		if err == nil {
			out.Components[name] = wire.Component{Ready: true}
			continue
		}
		component := wire.Component{Reason: publicReason(err)}
		if inFull {
			component.Reason = err.Error()
		}
		var state *ComponentError
		if errors.As(err, &state) && state.Degraded {
			component.Ready, component.Degraded = true, true
		} else {
			a.logger.Debug("component not ready", zap.String("component", name), zap.Error(err))
			out.Status, status = "not ready", http.StatusServiceUnavailable
			w.Header().Set("Retry-After", "1")
		}
		out.Components[name] = component
	}
	return wire.Write(w, status, out)
}

// publicReason returns what everybody may be told of an error: the reason of a
// component, and of the errors of the domain, which may wrap addresses, their kind.
func publicReason(err error) string {
	var state *ComponentError
	if errors.As(err, &state) {
		return state.Reason
	}
	if kind := problem.KindOf(err); kind != nil {
		return kind.Error()
	}
	return "not ready; the reason is shown to callers with a key"
}
