package problem

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"logsift/adapters/httpapi/wire"
)

// Format answers a request that failed, in the error format of a protocol. [Write] is the
// format of the API.
type Format func(w http.ResponseWriter, r *http.Request, p wire.Problem)

// Media is the content type of problems.
const Media = "application/problem+json"

// Write answers with the problem as a document.
func Write(w http.ResponseWriter, r *http.Request, p wire.Problem) {
	p.RequestID = RequestID(r.Context())
	w.Header().Set("Link", helpLink(p))
	body, err := wire.Encode(p)
	if err != nil {
		// A struct of strings always marshals.
		panic(fmt.Sprintf("marshal problem: %v", err))
	}
	wire.Send(w, p.Status, Media, body)
}

// helpLink is the link to the page that explains the problem (RFC 8288).
func helpLink(p wire.Problem) string {
	return "<" + Path + "/" + strings.TrimPrefix(p.Type, typePrefix) + `>; rel="help"`
}

// Writer answers requests that failed.
type Writer struct {
	// Logger gets what is not the client's fault.
	Logger *zap.Logger
	// TraceID returns the trace that a request belongs to, "" for none. Nil if there are
	// no traces.
	TraceID func(ctx context.Context) string
}

// Fail answers a request that failed with a problem.
func (o *Writer) Fail(w http.ResponseWriter, r *http.Request, err error) {
	o.FailIn(nil, w, r, err)
}

// FailIn answers a request that failed in an error format, nil for a problem, and logs what
// is not the client's fault.
func (o *Writer) FailIn(format Format, w http.ResponseWriter, r *http.Request, err error) {
	if format == nil {
		format = Write
	}
	k := kindOf(err)
	switch {
	case k.err == nil:
		o.Logger.Error("request failed", append(o.LogFields(r), zap.Error(err))...)
	case k.Status >= http.StatusInternalServerError:
		o.Logger.Warn("request not served", append(o.LogFields(r), zap.Error(err))...)
	}
	if after := retryAfter(k, err); after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(after))
	}
	format(w, r, Of(err))
}

// retryAfter is after how many seconds the request may succeed, 0 if it will not.
func retryAfter(k Kind, err error) int {
	var refused *Error
	if errors.As(err, &refused) && refused.RetryAfter > 0 {
		return refused.RetryAfter
	}
	return k.RetryAfter
}

// LogFields name a request in the log.
func (o *Writer) LogFields(r *http.Request) []zap.Field {
	fields := []zap.Field{
		zap.String("request_id", RequestID(r.Context())), zap.String("method", r.Method), zap.String("path", r.URL.Path),
	}
	if o.TraceID != nil {
		if id := o.TraceID(r.Context()); id != "" {
			fields = append(fields, zap.String("trace_id", id))
		}
	}
	return fields
}

type requestIDKey struct{}

// WithRequestID returns the context of the request with this id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the id of the request, "" if it has none.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
