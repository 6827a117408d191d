package ingest

import (
	"context"
	"net/http"
	"time"

	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/request"
	"logsift/domain"
)

// Service stores logs.
type Service interface {
	// CreateLogs stores the entries and has them analysed. Entries have an id and
	// are valid.
	CreateLogs(ctx context.Context, entries ...domain.LogEntry) (domain.LogReceipt, error)
}

// Observer is told of log entries, by many goroutines at once.
type Observer interface {
	// ObserveIngest is told how many entries of a request were stored, and how many
	// broke a rule. The protocol is http, otlp, loki or elasticsearch.
	ObserveIngest(protocol string, accepted, rejected int)
}

// Endpoints take in logs, one method for each protocol. All fields but Observer and
// Zone are required.
type Endpoints struct {
	Logs     Service
	Observer Observer
	Bodies   *request.Bodies
	// MaxBodyBytes bounds a body, as sent and decompressed.
	MaxBodyBytes int64
	Problems     *problem.Writer
	// Zone is that of times that name none, in requests that name none either; nil is UTC.
	Zone *time.Location
	// Now is the clock for log lines whose time lacks a year or a date.
	Now func() time.Time
}

// Content types of logs.
const (
	mediaPlain    = "text/plain"
	mediaProtobuf = "application/x-protobuf"
)

// store stores the entries of a receiver, if it has any, and tells how many came by
// the protocol. If it stored some only, the receipt has them, and the error is a
// *problem.PartlyStoredError.
func (e *Endpoints) store(ctx context.Context, protocol string, in *receiver) (receipt domain.LogReceipt, err error) {
	in.Settle()
	if len(in.entries) > 0 {
		receipt, err = e.Logs.CreateLogs(ctx, in.entries...)
		if err != nil && len(receipt.LogIDs) > 0 {
			err = &problem.PartlyStoredError{Cause: err, Stored: len(receipt.LogIDs), Total: len(in.entries)}
		}
	}
	if e.Observer != nil {
		e.Observer.ObserveIngest(protocol, len(receipt.LogIDs), in.rejectedCount)
	}
	return receipt, err
}

// retryable returns the status for shippers. They keep what they sent only if the
// status is one of a few, so that a full store and a line that was too slow are told by
// 503: OTLP's and Loki's drop what got 408.
func retryable(status int) int {
	switch status {
	case http.StatusInsufficientStorage, http.StatusRequestTimeout:
		return http.StatusServiceUnavailable
	default:
		return status
	}
}
