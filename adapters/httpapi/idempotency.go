package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"logsift/adapters/httpapi/request"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// IdempotentCalls carries out requests that have an Idempotency-Key once.
type IdempotentCalls interface {
	// Do runs the call, or returns the stored answer of the first call with the key
	// in the scope. The answer of run is kept for 24 hours if run says so. Errors are
	// those of run, domain.ErrKeyReused if the first request was another one, and
	// domain.ErrKeyInUse if it has no answer yet.
	Do(ctx context.Context, scope, key string, request []byte, run func(context.Context) (answer []byte, keep bool, err error)) (answer []byte, replayed bool, err error)
}

// reply is an answer that can be kept and given again.
type reply struct {
	Status      int    `json:"status"`
	Location    string `json:"location,omitempty"`
	ETag        string `json:"etag,omitempty"`
	ContentType string `json:"content_type"`
	body        []byte
	// final is whether something was done, all that may be done: else the answer is not
	// kept, and a repeat is carried out.
	final bool
}

// newReply returns an answer of JSON.
func newReply(status int, v any) (reply, error) {
	body, err := wire.Encode(v)
	if err != nil {
		return reply{}, fmt.Errorf("encode the answer: %w", err)
	}
	return reply{Status: status, ContentType: wire.MediaJSON, body: body, final: true}, nil
}

// newTaskReply returns an answer that shows a task, with the tag that a GET of the task
// has for it.
func (a *API) newTaskReply(status int, task *domain.Task) (reply, error) {
	out, err := newReply(status, a.singleTaskView(task))
	out.ETag = request.ETagOf(out.body)
	return out, err
}

// passing reports whether a part of an answer failed for a reason that passes.
func passing(status int) bool {
	return status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
}

func (p *reply) send(w http.ResponseWriter) {
	if p.Location != "" {
		w.Header().Set("Location", p.Location)
	}
	if p.ETag != "" {
		w.Header().Set("ETag", p.ETag)
	}
	wire.Send(w, p.Status, p.ContentType, p.body)
}

// keep returns the answer as bytes: a line of JSON, and the body as it is.
func (p *reply) keep() ([]byte, error) {
	head, err := json.Marshal(p)
	return slices.Concat(head, []byte("\n"), p.body), err
}

// keptReply reads what keep returned.
func keptReply(kept []byte) (reply, error) {
	var p reply
	head, body, _ := bytes.Cut(kept, []byte("\n"))
	if err := json.Unmarshal(head, &p); err != nil {
		return p, fmt.Errorf("read a kept answer: %w", err)
	}
	p.body = body
	return p, nil
}

// once answers a request that changes something. One that has an Idempotency-Key is
// carried out once: a repeat, by the same caller for the same method and path, gets
// the first answer again. The body tells whether it is the same request.
func (a *API) once(w http.ResponseWriter, r *http.Request, body []byte, f func(context.Context) (reply, error)) error {
	key, err := request.IdempotencyKey(r)
	if err != nil {
		return err
	}
	if key == "" || a.idempotent == nil {
		answer, err := f(r.Context())
		if err == nil {
			answer.send(w)
		}
		return err
	}
	scope := strings.Join([]string{request.CallerID(r.Context()), r.Method, r.URL.Path}, "\x00")
	kept, replayed, err := a.idempotent.Do(r.Context(), scope, key, sameBody(body), func(ctx context.Context) ([]byte, bool, error) {
		answer, err := f(ctx)
		if err != nil {
			return nil, false, err
		}
		kept, err := answer.keep()
		return kept, answer.final, err
	})
	if err != nil {
		return err
	}
	answer, err := keptReply(kept)
	if err != nil {
		return err
	}
	if replayed {
		w.Header().Set(request.ReplayedHeader, "true")
	}
	answer.send(w)
	return nil
}

// sameBody returns what equals that of another body which asks for the same: white
// space of JSON makes no difference.
func sameBody(body []byte) []byte {
	value := jsontext.Value(body).Clone()
	if err := value.Compact(jsontext.AllowDuplicateNames(true)); err != nil {
		return body // several values, which are compared as they are
	}
	return value
}
