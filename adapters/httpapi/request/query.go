package request

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// CheckQuery refuses a query with other parameters than these, or with one given
// twice.
func CheckQuery(r *http.Request, params []string) error {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &domain.ValidationError{Field: "query", Rule: "must be a well-formed query string"}
	}
	var errs problem.FieldErrors
	for name, given := range values {
		switch {
		case !slices.Contains(params, name):
			errs = append(errs, wire.FieldError{Field: CutText(name, 64), Detail: unknownParameter(params)})
		case len(given) > 1:
			errs = append(errs, wire.FieldError{Field: name, Detail: "must be given once"})
		}
	}
	if len(errs) == 0 {
		return nil
	}
	slices.SortFunc(errs, func(x, y wire.FieldError) int { return strings.Compare(x.Field, y.Field) })
	return errs
}

func unknownParameter(params []string) string {
	if len(params) == 0 {
		return "is unknown; there are no query parameters here"
	}
	return "is unknown; the parameters are " + strings.Join(params, ", ")
}

// Query reads parameters and gathers what is wrong with them.
type Query struct {
	values url.Values
	errs   problem.FieldErrors
}

// NewQuery returns the query of a request.
func NewQuery(r *http.Request) *Query { return &Query{values: r.URL.Query()} }

// Err returns what is wrong with the parameters that were read.
func (q *Query) Err() error {
	if len(q.errs) == 0 {
		return nil
	}
	return q.errs
}

func (q *Query) reject(name, detail string) {
	q.errs = append(q.errs, wire.FieldError{Field: name, Detail: detail})
}

// Text returns a parameter, "" if it is absent. One that is given must have a
// value, so that a client's forgotten value does not select everything.
func (q *Query) Text(name string) string {
	value := q.values.Get(name)
	switch {
	case value == "" && q.values.Has(name):
		q.reject(name, "must not be empty")
	case !utf8.ValidString(value):
		q.reject(name, "must be UTF-8")
		return ""
	}
	return value
}

func (q *Query) Time(name string) time.Time {
	value := q.Text(name)
	if value == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		q.reject(name, "must be an RFC 3339 time such as 2006-01-02T15:04:05Z")
		return time.Time{}
	}
	return t.UTC()
}

func (q *Query) Limit() int { return q.Number("limit", domain.MaxPageSize) }

// Number reads a parameter from 1 to most, 0 if it is absent.
func (q *Query) Number(name string, most int) int {
	value := q.Text(name)
	if value == "" {
		return 0
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		q.reject(name, "must be between 1 and "+strconv.Itoa(most))
		return 0
	}
	return n
}

// Cursor may be empty: it then begins the list.
func (q *Query) Cursor() string { return q.values.Get("cursor") }

// Named reads a parameter by the parser of its names.
func Named[T any](q *Query, name string, parse func(string) (T, error)) T {
	var zero T
	value := q.Text(name)
	if value == "" {
		return zero
	}
	v, err := parse(value)
	if err != nil {
		q.reject(name, strings.TrimPrefix(err.Error(), name+" "))
		return zero
	}
	return v
}
