// Package wire holds the JSON of the HTTP API, version 1: what a client sends and what
// it gets. Within a version fields may be added; no field is renamed or removed, and
// none changes its type.
//
// Times are RFC 3339 in UTC, and null where they have not come yet. Durations are
// seconds. Lists are never null.
package wire
