// Package problem turns errors into the answers of requests that failed: RFC 9457
// problems with a stable type, or the error format of another protocol.
//
// One table has the kinds of errors, those of the domain and those of requests. An error
// that is not in it is a 500 without detail, which the log has under the request's id.
// [Explain] shows what each kind means, and what a client can do.
package problem
