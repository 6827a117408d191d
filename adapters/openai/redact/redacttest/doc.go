// Package redacttest is a corpus of planted secrets for tests of redaction: for
// each class secrets of the form that their vendors document, in log lines of many
// formats, and lines that only look as if they held one. Everything is drawn from a
// seed; no secret stands in the source, and none is anybody's.
package redacttest
