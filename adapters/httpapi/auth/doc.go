// Package auth finds out who sends a request and what that caller may do. Callers show an
// API key (see package apikey) in a header; a browser shows the cookie of the session that
// it began with a key. Without keys, everybody may do everything.
//
// It also keeps the audit log: who changed what, or tried to. The context of each request
// that is to change something has a [Record].
package auth
