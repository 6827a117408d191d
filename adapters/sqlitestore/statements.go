package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"logsift/domain"
)

// preparer is what statements are prepared on: a connection or a transaction.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// statements runs SQL and keeps each statement prepared. It is used by one
// goroutine at a time.
type statements struct {
	ctx  context.Context //nolint:containedctx // A transaction has one, and database/sql asks for it with each call.
	on   preparer
	kept map[string]*sql.Stmt
	// runs counts what was run.
	runs int
}

func newStatements(ctx context.Context, on preparer) *statements {
	return &statements{ctx: ctx, on: on, kept: make(map[string]*sql.Stmt)}
}

func (s *statements) prepare(query string) (*sql.Stmt, error) {
	s.runs++
	if stmt, ok := s.kept[query]; ok {
		return stmt, nil
	}
	stmt, err := s.on.PrepareContext(s.ctx, query)
	if err != nil {
		return nil, err
	}
	s.kept[query] = stmt
	return stmt, nil
}

// exec runs a statement and returns how many rows it changed.
func (s *statements) exec(query string, args ...any) (int64, error) {
	stmt, err := s.prepare(query) //nolint:sqlclosecheck // It is kept; close closes it.
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(s.ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// insertRows is how many rows one statement of insert takes.
const insertRows = 32

// insert runs head, an INSERT up to its VALUES, with as many rows as args fill,
// some in each statement, and returns how many were inserted.
func (s *statements) insert(head string, width int, args []any, tail string) (inserted int64, err error) {
	one := "(?" + strings.Repeat(", ?", width-1) + ")"
	for len(args) > 0 {
		query, n := head+one+tail, width
		if many := width * insertRows; len(args) >= many {
			query, n = head+strings.Repeat(one+", ", insertRows-1)+one+tail, many
		}
		done, err := s.exec(query, args[:n]...)
		if err != nil {
			return inserted, err
		}
		inserted, args = inserted+done, args[n:]
	}
	return inserted, nil
}

// each calls fn for each row of a query. fn may not use s.
func (s *statements) each(fn func(r *row) error, query string, args ...any) (err error) {
	stmt, err := s.prepare(query) //nolint:sqlclosecheck // It is kept; close closes it.
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(s.ctx, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	r := newRow(len(names))
	for rows.Next() {
		if err := rows.Scan(r.into...); err != nil {
			return err
		}
		r.err = nil
		if err := fn(r); err != nil {
			return err
		}
	}
	return rows.Err()
}

// number returns the first column of the first row, and whether there is one
// that is not NULL.
func (s *statements) number(query string, args ...any) (n int64, ok bool, err error) {
	err = s.each(func(r *row) error {
		if r.values[0] != nil {
			n, ok = r.int(0), true
		}
		return r.err
	}, query, args...)
	return n, ok, err
}

// numbers returns the first column of all rows.
func (s *statements) numbers(query string, args ...any) ([]int64, error) {
	var out []int64
	err := s.each(func(r *row) error {
		out = append(out, r.int(0))
		return r.err
	}, query, args...)
	return out, err
}

func (s *statements) close() error {
	var errs []error
	for _, stmt := range s.kept {
		errs = append(errs, stmt.Close())
	}
	s.kept = nil
	return errors.Join(errs...)
}

// row is one row of a query. Its accessors remember in err the first column
// that holds something else than expected; database/sql's own conversions
// would be slower and would read a number from a text.
type row struct {
	values []any
	into   []any
	err    error
}

func newRow(width int) *row {
	r := &row{values: make([]any, width), into: make([]any, width)}
	for i := range r.values {
		r.into[i] = &r.values[i]
	}
	return r
}

func (r *row) fail(i int, want string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: column %d holds %T, not %s", domain.ErrCorruptRecord, i, r.values[i], want)
	}
}

func (r *row) int(i int) int64 {
	v, ok := r.values[i].(int64)
	if !ok {
		r.fail(i, "a number")
	}
	return v
}

func (r *row) text(i int) string {
	v, ok := r.values[i].(string)
	if !ok {
		r.fail(i, "a text")
	}
	return v
}

// blob returns bytes that the caller may keep; nil for NULL.
func (r *row) blob(i int) []byte {
	v, ok := r.values[i].([]byte)
	if !ok && r.values[i] != nil {
		r.fail(i, "bytes")
	}
	return v
}

// uuid returns an id; the nil id for NULL.
func (r *row) uuid(i int) (id domain.TaskID) {
	v := r.blob(i)
	if v == nil {
		return id
	}
	if len(v) != len(id) {
		r.fail(i, "16 bytes")
		return id
	}
	copy(id[:], v)
	return id
}
