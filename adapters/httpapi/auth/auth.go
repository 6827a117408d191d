package auth

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/request"
)

// inProcess is who calls the API within the process: the commands that open the
// store by themselves, and could as well change it.
var inProcess = apikey.Holder{Name: "in-process", Role: apikey.Admin}

// everybody is who calls an API that asks for no keys.
var everybody = apikey.Holder{Role: apikey.Admin}

// InProcess returns a request as one from within the process.
func InProcess(r *http.Request) *http.Request {
	return r.WithContext(request.WithHolder(r.Context(), inProcess))
}

// IsInProcess reports whether the request came from within the process.
func IsInProcess(r *http.Request) bool { return request.HolderOf(r.Context()) == inProcess }

// Authenticator knows who sends requests.
type Authenticator struct {
	// Keys returns the API keys as they are now. Nil asks nobody for a key, and lets
	// everybody do everything.
	Keys func() apikey.Keys
	// SignedOut knows which sessions were ended.
	SignedOut *apikey.SignedOut
	// BehindTLS is whether clients speak TLS to a proxy before the server.
	BehindTLS bool
	Bodies    *request.Bodies
	Now       func() time.Time

	tries tries
}

// Authorize returns the caller of a request that needs a role. The error is a
// problem.ErrUnauthorized or a problem.ErrForbidden.
func (a *Authenticator) Authorize(w http.ResponseWriter, r *http.Request, role apikey.Role) (apikey.Holder, error) {
	holder, err := a.Caller(r)
	if err != nil {
		challenge(w)
		return holder, err
	}
	RecordOf(r.Context()).By(holder)
	if !holder.Role.Includes(role) {
		return holder, problem.Refuse(problem.ErrForbidden, "the key has the role %s, this needs the role %s", holder.Role, role)
	}
	return holder, nil
}

// challenge tells a client how to authenticate (RFC 9110, section 11.6.1).
func challenge(w http.ResponseWriter) { w.Header().Set("WWW-Authenticate", `Bearer realm="logsift"`) }

// Caller returns who sent the request. The error is a problem.ErrUnauthorized.
func (a *Authenticator) Caller(r *http.Request) (apikey.Holder, error) {
	if IsInProcess(r) {
		return inProcess, nil
	}
	if a.Keys == nil {
		return everybody, nil
	}
	var holder apikey.Holder
	var err error
	if header := r.Header.Get("Authorization"); header != "" {
		holder, err = a.Keys().Authenticate(credential(header), a.Now())
	} else if cookie, none := r.Cookie(a.cookieName(r)); none == nil {
		if holder, err = a.Keys().Session(cookie.Value, a.Now()); err == nil && a.SignedOut.Has(r.Context(), holder, cookie.Value) {
			holder, err = apikey.Holder{}, apikey.ErrUnknown
		}
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
		return problem.Refuse(problem.ErrUnauthorized, "the API key or session has expired")
	case errors.Is(err, apikey.ErrRevoked):
		return problem.Refuse(problem.ErrUnauthorized, "the API key was revoked")
	default:
		return problem.ErrUnauthorized
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
