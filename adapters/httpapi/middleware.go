package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"go.uber.org/zap"

	"logsift/adapters/httpapi/auth"
	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/request"
)

const requestIDHeader = "X-Request-Id"

// observe gives each request an id, the client's own if it has a usable one, and
// logs the request when it is done. Neither query nor body are logged: they hold
// the users' data.
func (a *API) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := a.now()
		id := r.Header.Get(requestIDHeader)
		if !usableRequestID(id) {
			id = uuid.Must(uuid.NewV7()).String()
		}
		w.Header().Set(requestIDHeader, id)
		rec := &recorder{ResponseWriter: w}
		r, done := a.beginRequest(r.WithContext(problem.WithRequestID(r.Context(), id)))
		defer func() { done(rec.status) }()
		next.ServeHTTP(rec, r)
		a.logger.Debug("request", append(a.problems.LogFields(r),
			zap.Int("status", rec.status), zap.Int64("bytes", rec.bytes),
			zap.Duration("duration", a.now().Sub(start)), zap.String("remote", r.RemoteAddr))...)
	})
}

// routeKey is the key of the *string that noteRoute sets.
type routeKey struct{}

// beginRequest tells the observers, if there are any, of a request. It returns the
// request to go on with, and what to call with the status of its answer, 0 if
// there was none but an empty one.
func (a *API) beginRequest(r *http.Request) (*http.Request, func(status int)) {
	if len(a.observers) == 0 {
		return r, func(int) {}
	}
	var route string
	ended := make([]func(string, int), len(a.observers))
	r = r.WithContext(context.WithValue(r.Context(), routeKey{}, &route))
	for i, o := range a.observers {
		var ctx context.Context
		ctx, ended[i] = o.BeginRequest(r)
		r = r.WithContext(ctx) //nolint:contextcheck // an observer makes it of the request's
	}
	return r, func(status int) {
		status = cmp.Or(status, http.StatusOK)
		for _, end := range slices.Backward(ended) {
			end(route, status)
		}
	}
}

// noteRoute notes the path of the route for those who observe.
func (a *API) noteRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		row := a.rowOf(r)
		if route, ok := r.Context().Value(routeKey{}).(*string); ok && row != nil {
			*route = row.name
		}
		next.ServeHTTP(w, r)
	})
}

func usableRequestID(id string) bool {
	for i := range len(id) {
		c := id[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && strings.IndexByte("._-", c) < 0 {
			return false
		}
	}
	return id != "" && len(id) <= 128
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter

	status int // 0 until the head is written
	bytes  int64
}

// WriteHeader remembers the first final status.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes of the body.
func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Status returns the status that was answered, 0 for none.
func (r *recorder) Status() int { return r.status }

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// recoverPanics answers a panic with 500, or cuts the connection if the answer
// has begun.
func (a *API) recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares the panic value itself
				panic(v)
			}
			a.logger.Error("request panicked", append(a.problems.LogFields(r),
				zap.String("panic", fmt.Sprint(v)), zap.ByteString("stack", debug.Stack()))...)
			if rec, ok := w.(*recorder); ok && rec.status != 0 {
				panic(http.ErrAbortHandler)
			}
			problem.Write(w, r, problem.Of(fmt.Errorf("panic: %v", v)))
		}()
		next.ServeHTTP(w, r)
	})
}

// defaultHeaders are those of every answer; a handler of pages sets its own policy
// over that of the API, whose answers are no pages. There is no header of CORS: no
// other site may read answers.
var defaultHeaders = map[string]string{
	"Cache-Control":                "no-store",
	"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
}

// hsts has browsers use TLS only, for a year (RFC 6797).
const hsts = "max-age=31536000"

// guard refuses hosts that are not allowed and what browsers send for other
// sites, and sets the headers of every answer.
func (a *API) guard(allowedHosts []string, next http.Handler) http.Handler {
	hosts := make(map[string]bool, len(allowedHosts))
	for _, host := range allowedHosts {
		hosts[hostName(host)] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range defaultHeaders {
			w.Header().Set(name, value)
		}
		if a.auth.Secure(r) {
			w.Header().Set("Strict-Transport-Security", hsts)
		}
		if limit := a.cfg.MaxHeadBytes; headSize(r) > limit {
			a.problems.Fail(w, r, problem.Beyond(problem.ErrHeadTooLarge, "head_bytes", int64(limit), "the request's line and headers must be at most %d bytes", limit))
			return
		}
		if len(hosts) > 0 && !hosts[hostName(r.Host)] && !auth.IsInProcess(r) {
			a.problems.Fail(w, r, problem.ErrHost)
			return
		}
		if a.origins.Check(r) != nil {
			a.problems.Fail(w, r, problem.ErrCrossOrigin)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// headSize is the size of a request's line and headers as HTTP/1.1 spells them.
func headSize(r *http.Request) int {
	size := len(r.Method) + len(r.RequestURI) + len(r.Proto) + len("  \r\nHost: \r\n") + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
	}
	return size
}

// hostName returns the name of a Host header as it is compared: without port,
// brackets and final dot, in lower case.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// authorize lets a request to its route if the caller has the role for it.
func (a *API) authorize(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		row := a.rowOf(r)
		if row == nil || row.role == 0 && !row.public {
			a.logger.Error("the table of routes does not say who may use this one, so that it is refused", a.problems.LogFields(r)...)
			a.problems.Fail(w, r, problem.ErrForbidden)
			return
		}
		auth.RecordOf(r.Context()).Route(row.name, row.action, mux.Vars(r))
		if row.public {
			next.ServeHTTP(w, r)
			return
		}
		holder, err := a.auth.Authorize(w, r, row.role)
		if err != nil {
			a.problems.FailIn(row.protocol.fail, w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(request.WithHolder(r.Context(), holder)))
	})
}

// routeRecord tells the audit log of a request where it would have gone.
func (a *API) routeRecord(rec *auth.Record, r *http.Request) {
	var match mux.RouteMatch
	if a.router.Match(r, &match) && a.rows[match.Route] != nil {
		row := a.rows[match.Route]
		rec.Route(row.name, row.action, match.Vars)
	}
}

// limitRate refuses requests of a caller that sends too many. A caller is an API key,
// or where none is asked for, an address. Routes that are open to everybody, such as
// those of health, and callers within the process are not limited.
func (a *API) limitRate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		row := a.rowOf(r)
		if a.limiter == nil || row.public || auth.IsInProcess(r) {
			next.ServeHTTP(w, r)
			return
		}
		if err := a.limiter.Check(w.Header(), request.Caller(r), a.now()); err != nil {
			a.problems.FailIn(row.protocol.fail, w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}
