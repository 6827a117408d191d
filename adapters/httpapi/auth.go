package httpapi

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"github.com/gorilla/mux"
	"go.uber.org/zap"

	"logsift/adapters/httpapi/apikey"
)

// Errors of requests that the caller may not make.
var (
	errUnauthorized = errors.New("not authenticated")
	errForbidden    = errors.New("not permitted")
	errTooManyTries = errors.New("too many failed sign-ins")
)

// inProcess is who calls the API within the process: the commands that open the
// store by themselves, and could as well change it.
var inProcess = apikey.Holder{Name: "in-process", Role: apikey.Admin}

// everybody is who calls an API that asks for no keys.
var everybody = apikey.Holder{Role: apikey.Admin}

type holderKey struct{}

type callerKey struct{}

// callerID returns the id of the API key that a request came with, "" where none is
// asked for.
func callerID(ctx context.Context) string {
	id, _ := ctx.Value(callerKey{}).(string)
	return id
}

// InProcessHandler returns the handler of all routes for callers within the process.
// It asks for no key and allows every host.
func (a *API) InProcessHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), holderKey{}, inProcess)))
	})
}

// isInProcess reports whether the request came from within the process.
func isInProcess(r *http.Request) bool {
	holder, ok := r.Context().Value(holderKey{}).(apikey.Holder)
	return ok && holder == inProcess
}

// authorize lets a request to its route if the caller has the role for it.
func (a *API) authorize(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, need, ok := a.accessOf(mux.CurrentRoute(r), r.Method)
		if !ok {
			a.logger.Error("route has no access rule, so that it is refused", append(a.requestFields(r), zap.String("route", path))...)
			a.fail(w, r, errForbidden)
			return
		}
		rec := auditOf(r.Context())
		rec.route(path, need, r)
		if need.role == 0 {
			next.ServeHTTP(w, r)
			return
		}
		answer := need.refusal
		if answer == nil {
			answer = writeProblem
		}
		holder, err := a.caller(r)
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer realm="logsift"`)
			a.failIn(answer, w, r, err)
			return
		}
		rec.by(holder)
		if !holder.Role.Includes(need.role) {
			a.failIn(answer, w, r, refuse(errForbidden, "the key has the role %s, this needs the role %s", holder.Role, need.role))
			return
		}
		if holder.ID != "" {
			r = r.WithContext(context.WithValue(r.Context(), callerKey{}, holder.ID))
		}
		next.ServeHTTP(w, r)
	})
}

// permits reports whether the caller may still have what the request asks for, which
// it was let in for: meanwhile the key may have expired or been revoked.
func (a *API) permits(r *http.Request) bool {
	_, need, _ := a.accessOf(mux.CurrentRoute(r), r.Method)
	holder, err := a.caller(r)
	return err == nil && holder.Role.Includes(need.role)
}

// caller returns who sent the request. The error is an errUnauthorized.
func (a *API) caller(r *http.Request) (apikey.Holder, error) {
	if isInProcess(r) {
		return inProcess, nil
	}
	if a.keys == nil {
		return everybody, nil
	}
	var holder apikey.Holder
	var err error
	if header := r.Header.Get("Authorization"); header != "" {
		holder, err = a.keys().Authenticate(credential(header), a.now())
	} else if cookie, none := r.Cookie(sessionCookie); none == nil {
		holder, err = a.keys().Session(cookie.Value, a.now())
	} else {
		err = apikey.ErrUnknown
	}
	return holder, unauthorized(err)
}

// unauthorized turns an error of keys into one for the client. What a key was, only
// those learn who have it.
func unauthorized(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, apikey.ErrExpired):
		return refuse(errUnauthorized, "the API key or session has expired")
	case errors.Is(err, apikey.ErrRevoked):
		return refuse(errUnauthorized, "the API key was revoked")
	default:
		return errUnauthorized
	}
}

// credential returns the key in an Authorization header: of the scheme Bearer; of
// Basic, as the password, since the clients of Loki and Elasticsearch send that; or
// of ApiKey, plain or as Elasticsearch's clients encode ID:KEY. It is "" if there is
// none.
func credential(header string) string {
	scheme, value, _ := strings.Cut(header, " ")
	value = strings.TrimSpace(value)
	switch strings.ToLower(scheme) {
	case "bearer":
		return value
	case "basic":
		return afterColon(value)
	case "apikey":
		if key := afterColon(value); key != "" {
			return key
		}
		return value
	default:
		return ""
	}
}

// afterColon returns what stands behind the first colon of a text in base64.
func afterColon(encoded string) string {
	plain, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return ""
	}
	_, after, _ := strings.Cut(string(plain), ":")
	return after
}
