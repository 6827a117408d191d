// Package worker runs the workers of docs/examples, by the interpreters of their languages,
// against a real logsift serve: it kills them and the server, and asks whether each task was
// finished once.
//
// The test needs the build tag tools, and python3 and node.
package worker
