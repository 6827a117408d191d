package problem

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// Error is an error with a detail for the client.
type Error struct {
	Kind   error
	Detail string
	// Field is the one part of the request that is refused, "" for all of it.
	Field string
	// Limit is the one that the request was beyond, nil for none.
	Limit *wire.Limit
	// RetryAfter replaces the seconds of the kind, unless it is 0.
	RetryAfter int
}

func (e *Error) Error() string { return e.Detail }
func (e *Error) Unwrap() error { return e.Kind }

// Refuse returns an error of the kind, with a detail for the client.
func Refuse(kind error, format string, args ...any) error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// Beyond returns an error of the kind for a request that is beyond a limit.
func Beyond(kind error, name string, value int64, format string, args ...any) error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...), Limit: &wire.Limit{Name: name, Value: value}}
}

// FieldErrors are several faults of a request. They are a domain.ErrInvalid.
type FieldErrors []wire.FieldError

func (e FieldErrors) Error() string {
	if len(e) == 1 {
		return e[0].Field + ": " + e[0].Detail
	}
	return fmt.Sprintf("%s: %s (and %d more)", e[0].Field, e[0].Detail, len(e)-1)
}

func (e FieldErrors) Unwrap() error { return domain.ErrInvalid }

// PartlyStoredError is the error of a store that took the first Stored of the Total log entries
// of a request.
type PartlyStoredError struct {
	Cause         error
	Stored, Total int
}

func (e *PartlyStoredError) Error() string { return e.detail() + ": " + e.Cause.Error() }
func (e *PartlyStoredError) Unwrap() error { return e.Cause }

// detail is for the client. What is not among the first may be stored all the same
// where the store did not answer.
func (e *PartlyStoredError) detail() string {
	rest := "the others were not"
	if !errors.Is(e.Cause, domain.ErrStoreFull) && !errors.Is(e.Cause, domain.ErrStoreReadOnly) {
		rest = "the others may or may not have been"
	}
	return fmt.Sprintf("the first %d of %d log entries were stored, %s", e.Stored, e.Total, rest)
}

// Of returns what the client may know of an error: its kind, and details of the errors
// that are the client's own.
func Of(err error) wire.Problem {
	k := kindOf(err)
	p := k.Problem()
	var refused *Error
	if errors.As(err, &refused) {
		p.Limit = refused.Limit
	}
	var partly *PartlyStoredError
	if errors.As(err, &partly) {
		p.Detail, p.Accepted = partly.detail(), partly.Stored
	}
	if k.err == nil || k.Status >= http.StatusInternalServerError {
		return p
	}
	var (
		invalid    *domain.ValidationError
		transition *domain.TransitionError
		duplicate  *domain.DuplicateError
		unknown    *domain.UnknownTypeError
		fields     FieldErrors
	)
	switch {
	case errors.Is(k.err, domain.ErrInvalidCursor):
		p.Errors = []wire.FieldError{{Field: "cursor", Detail: p.Detail}}
	case errors.As(err, &transition):
		p.Detail = fmt.Sprintf("task %s is %s", transition.TaskID, transition.From)
		if transition.Node {
			p.Detail = transition.Error()
		}
		p.TaskID, p.TaskStatus = transition.TaskID.String(), transition.From.String()
	case errors.As(err, &unknown):
		p.Detail = unknown.Error()
		p.Errors = []wire.FieldError{{Field: cmp.Or(unknown.Field, "type"), Detail: p.Detail}}
	case errors.As(err, &duplicate):
		p.Detail, p.Holder = duplicate.Error(), duplicate.Holder.String()
	case errors.As(err, &invalid):
		p.Detail = invalid.Error()
		p.Errors = []wire.FieldError{{Field: invalid.Field, Detail: strings.TrimPrefix(p.Detail, invalid.Field+" ")}}
	case errors.As(err, &fields):
		p.Detail, p.Errors = fields.Error(), fields
	case refused != nil:
		p.Detail = refused.Detail
		if refused.Field != "" {
			p.Errors = []wire.FieldError{{Field: refused.Field, Detail: refused.Detail}}
		}
	}
	return p
}
