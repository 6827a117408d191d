// Package request reads what clients send: bodies, queries, headers and addresses. It
// refuses what it does not understand, and bounds what a request may cost.
//
// A body is bounded as it was sent, as it was decompressed, and in what is built of it.
// All bodies share pools of memory, of which no caller gets more than a share; searches
// and streams of events are shared out in the same way.
//
// Requests may name the version that they are for (entity tags) and an Idempotency-Key.
package request
