package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// checkQuery refuses a query with other parameters than these, or with one given
// twice.
func checkQuery(r *http.Request, params []string) error {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &domain.ValidationError{Field: "query", Rule: "must be a well-formed query string"}
	}
	var errs fieldErrors
	for name, given := range values {
		switch {
		case !slices.Contains(params, name):
			errs = append(errs, wire.FieldError{Field: cutText(name, 64), Detail: unknownParameter(params)})
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

// query reads parameters and gathers what is wrong with them.
type query struct {
	values url.Values
	errs   fieldErrors
}

func newQuery(r *http.Request) *query { return &query{values: r.URL.Query()} }

// err returns what is wrong with the parameters that were read.
func (q *query) err() error {
	if len(q.errs) == 0 {
		return nil
	}
	return q.errs
}

func (q *query) reject(name, detail string) {
	q.errs = append(q.errs, wire.FieldError{Field: name, Detail: detail})
}

// text returns a parameter, "" if it is absent. One that is given must have a
// value, so that a client's forgotten value does not select everything.
func (q *query) text(name string) string {
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

func (q *query) time(name string) time.Time {
	value := q.text(name)
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

func (q *query) limit() int { return q.number("limit", domain.MaxPageSize) }

// number reads a parameter from 1 to most, 0 if it is absent.
func (q *query) number(name string, most int) int {
	value := q.text(name)
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

// cursor may be empty: it then begins the list.
func (q *query) cursor() string { return q.values.Get("cursor") }

// named reads a parameter by the parser of its names.
func named[T any](q *query, name string, parse func(string) (T, error)) T {
	var zero T
	value := q.text(name)
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
