package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// Errors of requests that the domain knows nothing of.
var (
	errNoRoute          = errors.New("no such path")
	errMethod           = errors.New("method not allowed")
	errHost             = errors.New("host not allowed")
	errCrossOrigin      = errors.New("cross-origin request")
	errTooLarge         = errors.New("body too large")
	errBodyTimeout      = errors.New("body too slow")
	errHeadTooLarge     = errors.New("head too large")
	errRateLimited      = errors.New("too many requests")
	errOverloaded       = errors.New("too many bodies at once")
	errUnsupportedMedia = errors.New("unsupported media type")
	errTooManyStreams   = errors.New("too many streams")
	errPrecondition     = errors.New("precondition failed")
)

// problemKind is one row of the table from errors to problems.
type problemKind struct {
	err    error
	status int
	// name is the last part of the problem's type, title what it says to people.
	name, title string
	// detail is shown where the error has none that may be shown.
	detail string
	// retryAfter is after how many seconds the same request may succeed, 0 if it
	// will not.
	retryAfter int
}

// problemTypes is the namespace of the types of problems.
const problemTypes = "urn:logsift:problem:"

// unexpected is the kind of every error that is not in the table.
var unexpected = problemKind{status: http.StatusInternalServerError, name: "internal", title: "Internal error", detail: "the server's log has the reason under the request id"}

// statusClientClosed is for the log: the client does not see it.
const statusClientClosed = 499

// problemKinds is the table; the first row that an error matches counts.
var problemKinds = []problemKind{
	{err: domain.ErrTaskNotFound, status: http.StatusNotFound, name: "task-not-found", title: "Task not found", detail: "no task has this id; finished tasks are removed after their retention"},
	{err: domain.ErrLogNotFound, status: http.StatusNotFound, name: "log-not-found", title: "Log entry not found", detail: "no log entry has this id; entries are removed with the task that analysed them"},
	{err: domain.ErrAnalysisNotFound, status: http.StatusNotFound, name: "analysis-not-found", title: "Analysis not found", detail: "no analysis is stored for this task"},
	{err: domain.ErrAnomalyNotFound, status: http.StatusNotFound, name: "anomaly-not-found", title: "Anomaly not found", detail: "no stored analysis found an anomaly with this id; analyses are removed with their task"},
	{err: domain.ErrUnknownTaskType, status: http.StatusBadRequest, name: "unknown-task-type", title: "Unknown task type"},
	{err: domain.ErrInvalidCursor, status: http.StatusBadRequest, name: "invalid-cursor", title: "Invalid cursor", detail: "cursor was not issued by this list"},
	{err: domain.ErrTaskExists, status: http.StatusUnprocessableEntity, name: "idempotency-key-reused", title: "Idempotency key reused", detail: "the Idempotency-Key was used for a task with other contents"},
	{err: domain.ErrKeyReused, status: http.StatusUnprocessableEntity, name: "idempotency-key-reused", title: "Idempotency key reused", detail: "the Idempotency-Key was used for another request; a new request needs a new key"},
	{err: domain.ErrKeyInUse, status: http.StatusConflict, name: "idempotency-key-in-use", title: "Idempotency key in use", detail: "the first request with this Idempotency-Key has no answer yet", retryAfter: 1},
	{err: domain.ErrDuplicateTask, status: http.StatusConflict, name: "duplicate-task", title: "Duplicate task", detail: "an unfinished task holds the unique key"},
	{err: domain.ErrInvalidTransition, status: http.StatusConflict, name: "invalid-transition", title: "The state of the task forbids this"},
	{err: domain.ErrQueueFull, status: http.StatusTooManyRequests, name: "queue-full", title: "Queue full", detail: "too many tasks wait already; nothing was stored", retryAfter: 5},
	{err: domain.ErrStoreFull, status: http.StatusInsufficientStorage, name: "store-full", title: "Store full", detail: "the store takes no more; nothing was changed"},
	{err: domain.ErrStoreReadOnly, status: http.StatusServiceUnavailable, name: "store-read-only", title: "Store is read-only", detail: "the store refuses writes; nothing was changed", retryAfter: 1},
	{err: domain.ErrStoreUnavailable, status: http.StatusServiceUnavailable, name: "store-unavailable", title: "Store unavailable", detail: "the store did not answer; a write may or may not have happened", retryAfter: 1},
	{err: domain.ErrBatchClosed, status: http.StatusServiceUnavailable, name: "overloaded", title: "Overloaded", detail: "the log batch closed too often meanwhile", retryAfter: 1},
	{err: domain.ErrClosed, status: http.StatusServiceUnavailable, name: "stopping", title: "Server is stopping", detail: "the server is stopping", retryAfter: 1},
	{err: domain.ErrInvalid, status: http.StatusBadRequest, name: "invalid-request", title: "Invalid request", detail: "the request breaks a rule"},
	{err: errTooLarge, status: http.StatusRequestEntityTooLarge, name: "too-large", title: "Body too large"},
	{err: errHeadTooLarge, status: http.StatusRequestHeaderFieldsTooLarge, name: "head-too-large", title: "Request head too large"},
	{err: errRateLimited, status: http.StatusTooManyRequests, name: "rate-limited", title: "Too many requests", retryAfter: 1},
	{err: errBodyTimeout, status: http.StatusRequestTimeout, name: "body-timeout", title: "Body too slow", detail: "the body did not arrive in time"},
	{err: errOverloaded, status: http.StatusServiceUnavailable, name: "overloaded", title: "Overloaded", detail: "the server is busy with other large bodies", retryAfter: 1},
	{err: errTooManyStreams, status: http.StatusServiceUnavailable, name: "too-many-streams", title: "Too many streams", detail: "as many streams of events are open as may be; close one, or come back later", retryAfter: 5},
	{err: errUnsupportedMedia, status: http.StatusUnsupportedMediaType, name: "unsupported-media-type", title: "Unsupported media type"},
	{err: errPrecondition, status: http.StatusPreconditionFailed, name: "precondition-failed", title: "Precondition failed"},
	{err: errNoRoute, status: http.StatusNotFound, name: "no-such-path", title: "No such path", detail: "the API has no such path"},
	{err: errMethod, status: http.StatusMethodNotAllowed, name: "method-not-allowed", title: "Method not allowed", detail: "the header Allow names the methods of this path"},
	{err: errUnauthorized, status: http.StatusUnauthorized, name: "unauthorized", title: "API key needed", detail: "send a valid API key, as Authorization: Bearer KEY"},
	{err: errForbidden, status: http.StatusForbidden, name: "forbidden", title: "Not permitted", detail: "the caller may not do this"},
	{err: errTooManyTries, status: http.StatusTooManyRequests, name: "too-many-sign-ins", title: "Too many failed sign-ins", detail: "too many sign-ins from this address have failed; try again in a minute", retryAfter: int(triesWindow / time.Second)},
	{err: errHost, status: http.StatusMisdirectedRequest, name: "host-not-allowed", title: "Host not allowed", detail: "the server does not answer to the name in the Host header"},
	{err: errCrossOrigin, status: http.StatusForbidden, name: "cross-origin", title: "Cross-origin request", detail: "a browser may not send this request for another site"},
	{err: context.Canceled, status: statusClientClosed, name: "client-closed", title: "Client closed the request"},
	{err: context.DeadlineExceeded, status: http.StatusServiceUnavailable, name: "timeout", title: "Timed out", detail: "the request took too long; a write may or may not have happened", retryAfter: 1},
}

// kindOf returns the row of an error.
func kindOf(err error) problemKind {
	for _, k := range problemKinds {
		if errors.Is(err, k.err) {
			return k
		}
	}
	return unexpected
}

// refusal is an error with a detail for the client.
type refusal struct {
	kind   error
	detail string
	// limit is the one that the request was beyond, nil for none.
	limit *wire.Limit
	// retryAfter stands for that of the kind, unless it is 0.
	retryAfter int
}

func (e *refusal) Error() string { return e.detail }
func (e *refusal) Unwrap() error { return e.kind }

// refuse returns an error of the kind, with a detail for the client.
func refuse(kind error, format string, args ...any) error {
	return &refusal{kind: kind, detail: fmt.Sprintf(format, args...)}
}

// beyond returns an error of the kind for a request that is beyond a limit.
func beyond(kind error, name string, value int64, format string, args ...any) error {
	return &refusal{kind: kind, detail: fmt.Sprintf(format, args...), limit: &wire.Limit{Name: name, Value: value}}
}

// fieldErrors are several faults of a request. They are a domain.ErrInvalid.
type fieldErrors []wire.FieldError

func (e fieldErrors) Error() string {
	if len(e) == 1 {
		return e[0].Field + ": " + e[0].Detail
	}
	return fmt.Sprintf("%s: %s (and %d more)", e[0].Field, e[0].Detail, len(e)-1)
}

func (e fieldErrors) Unwrap() error { return domain.ErrInvalid }

func problemOf(k problemKind) wire.Problem {
	return wire.Problem{Type: problemTypes + k.name, Title: k.title, Status: k.status, Detail: k.detail}
}

// problem returns what the client may know of an error: its kind, and details of
// the errors that are the client's own.
func (a *API) problem(err error) wire.Problem {
	k := kindOf(err)
	p := problemOf(k)
	var refused *refusal
	if errors.As(err, &refused) {
		p.Limit = refused.limit
	}
	if k.err == nil || k.status >= http.StatusInternalServerError {
		return p
	}
	var (
		invalid    *domain.ValidationError
		transition *domain.TransitionError
		duplicate  *domain.DuplicateError
		fields     fieldErrors
	)
	switch {
	case errors.Is(k.err, domain.ErrUnknownTaskType):
		p.Detail = "type has no processor; the known types are " + knownTypes(a.queue.GetSchedulerStats().TaskTypes)
		p.Errors = []wire.FieldError{{Field: "type", Detail: p.Detail}}
	case errors.Is(k.err, domain.ErrInvalidCursor):
		p.Errors = []wire.FieldError{{Field: "cursor", Detail: p.Detail}}
	case errors.As(err, &transition):
		p.Detail = fmt.Sprintf("task %s is %s", transition.TaskID, transition.From)
		p.TaskID, p.TaskStatus = transition.TaskID.String(), transition.From.String()
	case errors.As(err, &duplicate):
		p.Detail, p.Holder = duplicate.Error(), duplicate.Holder.String()
	case errors.As(err, &invalid):
		p.Detail = invalid.Error()
		p.Errors = []wire.FieldError{{Field: invalid.Field, Detail: strings.TrimPrefix(p.Detail, invalid.Field+" ")}}
	case errors.As(err, &fields):
		p.Detail, p.Errors = fields.Error(), fields
	case refused != nil:
		p.Detail = refused.detail
	}
	return p
}

func knownTypes(types []domain.TaskType) string {
	if len(types) == 0 {
		return "none"
	}
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = strconv.Quote(string(t))
	}
	return strings.Join(names, ", ")
}

// dialect answers a request that failed in the way that the clients of a protocol
// expect.
type dialect func(w http.ResponseWriter, r *http.Request, p wire.Problem)

// fail answers a request that failed with a problem.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	a.failIn(writeProblem, w, r, err)
}

// failIn answers a request that failed, and logs what is not the client's fault.
func (a *API) failIn(answer dialect, w http.ResponseWriter, r *http.Request, err error) {
	k := kindOf(err)
	switch {
	case k.err == nil:
		a.logger.Error("request failed", append(a.requestFields(r), zap.Error(err))...)
	case k.status >= http.StatusInternalServerError:
		a.logger.Warn("request not served", append(a.requestFields(r), zap.Error(err))...)
	}
	if after := retryAfter(k, err); after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(after))
	}
	answer(w, r, a.problem(err))
}

// retryAfter is after how many seconds the request may succeed, 0 if it will not.
func retryAfter(k problemKind, err error) int {
	var refused *refusal
	if errors.As(err, &refused) && refused.retryAfter > 0 {
		return refused.retryAfter
	}
	return k.retryAfter
}

// retryable returns the status for shippers. They keep what they sent only if the
// status is one of a few, so that a full store is told by 503.
func retryable(status int) int {
	if status == http.StatusInsufficientStorage {
		return http.StatusServiceUnavailable
	}
	return status
}

func writeProblem(w http.ResponseWriter, r *http.Request, p wire.Problem) {
	p.RequestID = requestID(r.Context())
	w.Header().Set("Link", helpLink(p))
	body, err := encodeJSON(p)
	if err != nil {
		// A struct of strings always marshals.
		panic(fmt.Sprintf("marshal problem: %v", err))
	}
	send(w, p.Status, mediaProblem, body)
}

// helpLink is the link to where the problem is explained (RFC 8288).
func helpLink(p wire.Problem) string {
	return "<" + problemsPath + "/" + strings.TrimPrefix(p.Type, problemTypes) + `>; rel="help"`
}

// writeJSON answers with v. An error means that nothing was written.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := encodeJSON(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	send(w, status, mediaJSON, body)
	return nil
}

// encodeJSON returns v as JSON that ends with a newline, without HTML escapes.
func encodeJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return buf.Bytes(), err
}

func send(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = bytes.NewReader(body).WriteTo(w) // if the client is gone, there is nobody to tell
}
