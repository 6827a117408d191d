// Package wire holds the JSON of the HTTP API, version 1: what a client sends
// and what it gets. A field is never renamed or removed within a version, and
// its type never changes; new fields may be added.
//
// Times are RFC 3339 in UTC, and null where they have not come. Durations are
// seconds. Lists are never null.
package wire
