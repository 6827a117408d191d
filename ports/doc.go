// Package ports holds the interfaces between the application and what it
// drives: the task queue, the log repository and the analyser; and the
// scheduler and processor that others plug into.
//
// The comment of an interface is its contract. The package portstest checks it:
// an adapter is finished when it passes the suite there.
package ports
