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

	"logsift/domain"
)

// KeyedCalls carries out requests that have an Idempotency-Key once.
type KeyedCalls interface {
	// Do runs the call, or returns the stored answer of the first call with the key
	// in the scope. The answer of run is kept for 24 hours if run says so. Errors are
	// those of run, domain.ErrKeyReused if the first request was another one, and
	// domain.ErrKeyInUse if it has no answer yet.
	Do(ctx context.Context, scope, key string, request []byte, run func(context.Context) (answer []byte, keep bool, err error)) (answer []byte, replayed bool, err error)
}

const (
	idempotencyHeader = "Idempotency-Key"
	replayedHeader    = "Idempotency-Replayed"
	maxIdempotencyKey = 255
)

// idempotencyKey returns the key of the request, "" if it has none. The draft
// (draft-ietf-httpapi-idempotency-key-header-07) spells it as a string of structured
// fields, in quotes; most clients send it bare. Both spell the same key.
func idempotencyKey(r *http.Request) (string, error) {
	keys := r.Header.Values(idempotencyHeader)
	if len(keys) == 0 {
		return "", nil
	}
	key, ok := unquoteKey(keys[0])
	ok = ok && len(keys) == 1 && key != "" && len(key) <= maxIdempotencyKey
	for i := 0; ok && i < len(key); i++ {
		ok = key[i] >= ' ' && key[i] <= '~'
	}
	if !ok {
		return "", &domain.ValidationError{
			Field: idempotencyHeader, Rule: fmt.Sprintf("must be given once, as 1 to %d printable ASCII characters", maxIdempotencyKey),
		}
	}
	return key, nil
}

// unquoteKey takes the quotes of RFC 9651, section 3.3.3, off a key that has them.
func unquoteKey(text string) (key string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		return text, true
	}
	var out strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			return out.String(), i == len(text)-1
		case '\\':
			if i++; i == len(text) || text[i] != '"' && text[i] != '\\' {
				return "", false
			}
			out.WriteByte(text[i])
		default:
			out.WriteByte(c)
		}
	}
	return "", false // the closing quote is missing
}

// callersKey keeps the keys of callers apart. It must never change: ids of tasks and
// log entries are made of it.
func callersKey(r *http.Request, key string) string {
	if id := callerID(r.Context()); id != "" {
		return id + "\x00" + key // no key has a NUL
	}
	return key
}

// reply is an answer that can be kept and given again.
type reply struct {
	Status      int    `json:"status"`
	Location    string `json:"location,omitempty"`
	Link        string `json:"link,omitempty"`
	ETag        string `json:"etag,omitempty"`
	ContentType string `json:"content_type"`
	body        []byte
	// final is whether the same request would be answered so again: what failed for
	// a passing reason is not kept.
	final bool
}

// newReply returns an answer of JSON.
func newReply(status int, v any) (reply, error) {
	body, err := encodeJSON(v)
	if err != nil {
		return reply{}, fmt.Errorf("encode the answer: %w", err)
	}
	return reply{Status: status, ContentType: mediaJSON, body: body, final: finalStatus(status)}, nil
}

// newTaskReply returns an answer that shows a task, with the tag that a GET of the task
// has for it.
func newTaskReply(status int, task *domain.Task) (reply, error) {
	out, err := newReply(status, singleTaskView(task))
	out.ETag = etagOf(out.body)
	return out, err
}

// finalStatus reports whether a repeat of the request is to be told the same: it was
// done, or the tasks' own state forbids it. Refusals before anything was done, which
// a client can mend, and what passes by itself are not final.
func finalStatus(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity:
		return true
	default:
		return status < http.StatusBadRequest
	}
}

// passing reports whether a part of an answer failed for a reason that passes.
func passing(status int) bool {
	return status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
}

func (p *reply) send(w http.ResponseWriter) {
	if p.Location != "" {
		w.Header().Set("Location", p.Location)
	}
	if p.Link != "" {
		w.Header().Set("Link", p.Link)
	}
	if p.ETag != "" {
		w.Header().Set("ETag", p.ETag)
	}
	send(w, p.Status, p.ContentType, p.body)
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
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	if key == "" || a.keyed == nil {
		answer, err := f(r.Context())
		if err == nil {
			answer.send(w)
		}
		return err
	}
	scope := strings.Join([]string{callerID(r.Context()), r.Method, r.URL.Path}, "\x00")
	kept, replayed, err := a.keyed.Do(r.Context(), scope, key, sameBody(body), func(ctx context.Context) ([]byte, bool, error) {
		answer, err := f(ctx)
		if err != nil {
			if answer, err = a.refusal(r, err); err != nil {
				return nil, false, err
			}
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
		auditOf(r.Context()).replay()
		w.Header().Set(replayedHeader, "true")
	}
	answer.send(w)
	return nil
}

// refusal makes a kept answer of an error that is final; others are returned.
func (a *API) refusal(r *http.Request, err error) (reply, error) {
	p := a.problem(err)
	if !finalStatus(p.Status) {
		return reply{}, err
	}
	p.RequestID = requestID(r.Context())
	answer, err := newReply(p.Status, p)
	answer.ContentType, answer.Link = mediaProblem, helpLink(p)
	return answer, err
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
