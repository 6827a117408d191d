package problem

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// Kinds of errors that the domain does not have. Return one as it is, or with a detail by
// [Refuse] or [Beyond].
var (
	ErrNoRoute          = errors.New("no such path")
	ErrMethod           = errors.New("method not allowed")
	ErrHost             = errors.New("host not allowed")
	ErrCrossOrigin      = errors.New("cross-origin request")
	ErrTooLarge         = errors.New("body too large")
	ErrBodyTimeout      = errors.New("body too slow")
	ErrHeadTooLarge     = errors.New("head too large")
	ErrRateLimited      = errors.New("too many requests")
	ErrOverloaded       = errors.New("too many bodies at once")
	ErrUnsupportedMedia = errors.New("unsupported media type")
	ErrTooManyStreams   = errors.New("too many streams")
	ErrPrecondition     = errors.New("precondition failed")
	ErrUnauthorized     = errors.New("not authenticated")
	ErrForbidden        = errors.New("not permitted")
	ErrTooManyTries     = errors.New("too many failed sign-ins")
)

// Kind is a kind of problem, a row of the one table from errors to what clients are told.
type Kind struct {
	// Name is the last part of the problem's type, Title what it says to people.
	Name, Title string
	Status      int
	// RetryAfter is after how many seconds the same request may succeed, 0 if it will not.
	RetryAfter int
	// Detail is shown where the error has none that may be shown.
	Detail string
	// Meaning says what happened, and Action what the client can do.
	Meaning, Action string

	err error
}

// typePrefix is the namespace of the types of problems.
const typePrefix = "urn:logsift:problem:"

// Type returns the type of the problem.
func (k Kind) Type() string { return typePrefix + k.Name }

// Problem returns the problem without more details than those of its kind.
func (k Kind) Problem() wire.Problem {
	return wire.Problem{Type: k.Type(), Title: k.Title, Status: k.Status, Detail: k.Detail}
}

// of returns the same kind for another error.
func (k Kind) of(err error, detail string) Kind {
	k.err, k.Detail = err, detail
	return k
}

// StatusClientClosed is for the log: the client does not see it.
const StatusClientClosed = 499

// unexpected is the kind of every error that is not in the table.
var unexpected = Kind{
	Name: "internal", Title: "Internal error", Status: http.StatusInternalServerError,
	Detail:  "the server's log has the reason under the request id",
	Meaning: "The server failed in a way that it did not expect.",
	Action:  "Look for the request_id in the server's log, and report what it says.",
}

// Kinds that two errors have, each with a detail of its own.
var (
	keyReused = Kind{
		Name: "idempotency-key-reused", Title: "Idempotency key reused", Status: http.StatusUnprocessableEntity,
		Meaning: "The Idempotency-Key belongs to an earlier request with other contents. Nothing was done.",
		Action:  "Use a new key for a new request. Repeat a request with its key and its body unchanged.",
	}
	overloaded = Kind{
		Name: "overloaded", Title: "Overloaded", Status: http.StatusServiceUnavailable, RetryAfter: 1,
		Meaning: "The server is busy with as many large bodies as it can hold.",
		Action:  "Send the same request again after the seconds of Retry-After, or send smaller bodies.",
	}
)

// kinds is the table; the first row that an error matches counts.
var kinds = []Kind{
	{
		err: domain.ErrTaskNotFound, Name: "task-not-found", Title: "Task not found", Status: http.StatusNotFound, Detail: "no task has this id; finished tasks are removed after their retention",
		Meaning: "No task has this id.", Action: "Look the id up in the list of tasks. Finished tasks are removed after their retention.",
	}, {
		err: domain.ErrLogNotFound, Name: "log-not-found", Title: "Log entry not found", Status: http.StatusNotFound, Detail: "no log entry has this id; entries are removed with the task that analysed them",
		Meaning: "No log entry has this id.", Action: "Search the log entries. They are removed with the task that analysed them, and after their retention at the latest.",
	}, {
		err: domain.ErrAnalysisNotFound, Name: "analysis-not-found", Title: "Analysis not found", Status: http.StatusNotFound, Detail: "no analysis is stored for this task",
		Meaning: "No analysis is stored for this task.", Action: "Wait for the task to complete, or look at its errors.",
	}, {
		err: domain.ErrAnomalyNotFound, Name: "anomaly-not-found", Title: "Anomaly not found", Status: http.StatusNotFound, Detail: "no stored analysis found an anomaly with this id; analyses are removed with their task",
		Meaning: "No stored analysis found an anomaly with this id.", Action: "Look the id up in the list of anomalies. Analyses are removed with their task.",
	}, {
		err: domain.ErrScheduleNotFound, Name: "schedule-not-found", Title: "Schedule not found", Status: http.StatusNotFound, Detail: "no schedule has this name",
		Meaning: "No schedule has this name.", Action: "Look the name up in the list of schedules.",
	}, {
		err: domain.ErrScheduleConflict, Name: "schedule-conflict", Title: "Schedule changed meanwhile", Status: http.StatusConflict, Detail: "others changed the schedule meanwhile, again and again",
		Meaning: "Others changed the schedule so often meanwhile that the change found no gap.", Action: "Send the same request again.",
	}, {
		err: domain.ErrWorkflowNotFound, Name: "workflow-not-found", Title: "Workflow not found", Status: http.StatusNotFound, Detail: "no workflow has this id",
		Meaning: "No workflow has this id.", Action: "Look the id up in the list of workflows. They are removed some time after they have finished.",
	}, {
		err: domain.ErrWorkflowExists, Name: "workflow-exists", Title: "Workflow exists", Status: http.StatusConflict, Detail: "another workflow has this id",
		Meaning: "A workflow with this id, but other contents, exists.", Action: "Leave the id out, or look at the workflow that has it.",
	}, {
		err: domain.ErrLimitNotFound, Name: "limit-not-found", Title: "Limit not found", Status: http.StatusNotFound, Detail: "no limit has this name",
		Meaning: "No limit has this name.", Action: "Look the name up in the list of limits.",
	}, {
		err: domain.ErrLimitExists, Name: "limit-exists", Title: "Limit exists", Status: http.StatusConflict, Detail: "a limit of another name is of the same tasks",
		Meaning: "A limit of another name is of the same tasks.", Action: "Change that limit, or delete it first.",
	}, {
		err: domain.ErrUnknownTaskType, Name: "unknown-task-type", Title: "Unknown task type", Status: http.StatusBadRequest,
		Meaning: "Nobody is known to work on this type of task, so that it might never run: no process has a processor for it, no worker has claimed it within a day, and no schedule names it.", Action: "Use one of the types that the problem names, start a worker of the type, or name it in the server's setting task-types.",
	}, {
		err: domain.ErrInvalidCursor, Name: "invalid-cursor", Title: "Invalid cursor", Status: http.StatusBadRequest, Detail: "cursor was not issued by this list",
		Meaning: "The cursor does not come from this list with these filters.", Action: "Begin the list anew without a cursor, and pass each next_cursor on as it is, with the same filters.",
	},
	keyReused.of(domain.ErrTaskExists, "the Idempotency-Key was used for a task with other contents"),
	keyReused.of(domain.ErrKeyReused, "the Idempotency-Key was used for another request; a new request needs a new key"),
	{
		err: domain.ErrKeyInUse, Name: "idempotency-key-in-use", Title: "Idempotency key in use", Status: http.StatusConflict, RetryAfter: 1, Detail: "the first request with this Idempotency-Key has no answer yet",
		Meaning: "The first request with this Idempotency-Key has no answer yet.", Action: "Send the same request again after the seconds of Retry-After. If the server died over it, the key is free after 15 seconds.",
	}, {
		err: domain.ErrDuplicateTask, Name: "duplicate-task", Title: "Duplicate task", Status: http.StatusConflict, Detail: "another task holds the unique key",
		Meaning: "Another task holds the unique key. The member holder is its id.", Action: "Wait until that task has finished, or until it holds the key no more; cancel it; use another unique key; or say in on_conflict what else to do.",
	}, {
		err: domain.ErrInvalidTransition, Name: "invalid-transition", Title: "The state of the task forbids this", Status: http.StatusConflict,
		Meaning: "The task is in a state that forbids this. The member task_status is that state.", Action: "Read the task, and choose what its state allows: failed and cancelled tasks can be retried, unfinished ones cancelled.",
	}, {
		err: domain.ErrLeaseLost, Name: "lease-lost", Title: "Lease lost", Status: http.StatusConflict, Detail: "the lease is no longer held; nothing was changed",
		Meaning: "The lease is no longer held: it ended and others have the task, or the task was reported otherwise, cancelled or deleted. Nothing was changed.", Action: "Stop the work on the task and forget the lease.",
	}, {
		err: domain.ErrQueueFull, Name: "queue-full", Title: "Queue full", Status: http.StatusTooManyRequests, RetryAfter: 5, Detail: "too many tasks wait already; nothing was stored",
		Meaning: "The limit of waiting tasks is reached. Nothing was stored.", Action: "Send the same request again after the seconds of Retry-After. Add workers, or raise the limit (max-pending).",
	}, {
		err: domain.ErrStoreFull, Name: "store-full", Title: "Store full", Status: http.StatusInsufficientStorage, Detail: "the store takes no more; nothing was changed",
		Meaning: "The store takes no more: its memory or disk is full. Nothing was changed, but for the log entries that the member accepted counts.", Action: "Delete finished tasks, shorten the retention, or give the store more room.",
	}, {
		err: domain.ErrStoreReadOnly, Name: "store-read-only", Title: "Store is read-only", Status: http.StatusServiceUnavailable, RetryAfter: 1, Detail: "the store refuses writes; nothing was changed",
		Meaning: "The store refuses writes, as a replica does. Nothing was changed, but for the log entries that the member accepted counts.", Action: "Send the same request again after the seconds of Retry-After. If it stays so, point the server at the primary.",
	}, {
		err: domain.ErrStoreReplaced, Name: "store-replaced", Title: "The store's file was replaced", Status: http.StatusServiceUnavailable, RetryAfter: 5, Detail: "the file of the store was moved, deleted or replaced while it was open; nothing was changed",
		Meaning: "The file of the store was moved, deleted or replaced while the server had it open. Nothing was changed, but for the log entries that the member accepted counts, and nothing is read or written until the server is started again.", Action: "See to it that the right file is in its place, and start the server again.",
	}, {
		err: domain.ErrStoreUnavailable, Name: "store-unavailable", Title: "Store unavailable", Status: http.StatusServiceUnavailable, RetryAfter: 1, Detail: "the store did not answer; a write may or may not have happened",
		Meaning: "The store did not answer in time. A write may or may not have happened.", Action: "Send the same request again after the seconds of Retry-After, with the same Idempotency-Key, so that nothing is done twice.",
	},
	overloaded.of(domain.ErrBatchClosed, "the log batch closed too often meanwhile"),
	{
		err: domain.ErrClosed, Name: "stopping", Title: "Server is stopping", Status: http.StatusServiceUnavailable, RetryAfter: 1, Detail: "the server is stopping",
		Meaning: "The server is being stopped.", Action: "Send the same request again after the seconds of Retry-After; another process may answer by then.",
	}, {
		err: domain.ErrInvalid, Name: "invalid-request", Title: "Invalid request", Status: http.StatusBadRequest, Detail: "the request breaks a rule",
		Meaning: "A part of the request breaks a rule. The member errors names each field, parameter or header, and its rule.", Action: "Correct what is named. Nothing was done.",
	}, {
		err: ErrTooLarge, Name: "too-large", Title: "Body too large", Status: http.StatusRequestEntityTooLarge,
		Meaning: "The body, or a part of it, is larger than allowed. The member limit has the name and value of the limit.", Action: "Send less at a time, such as several batches.",
	}, {
		err: ErrHeadTooLarge, Name: "head-too-large", Title: "Request head too large", Status: http.StatusRequestHeaderFieldsTooLarge,
		Meaning: "The line and headers of the request are larger than allowed. The member limit has the value.", Action: "Send fewer or shorter headers, cookies and query parameters.",
	}, {
		err: ErrRateLimited, Name: "rate-limited", Title: "Too many requests", Status: http.StatusTooManyRequests, RetryAfter: 1,
		Meaning: "The caller, an API key or an address, sends more requests a second than allowed. The member limit has the value.", Action: "Wait for the seconds of Retry-After. The header RateLimit tells how many requests are left. Use batches and bulk actions.",
	}, {
		err: ErrBodyTimeout, Name: "body-timeout", Title: "Body too slow", Status: http.StatusRequestTimeout, Detail: "the body did not arrive in time",
		Meaning: "The body did not arrive in time.", Action: "Send the request again over a faster connection, or in smaller parts.",
	},
	overloaded.of(ErrOverloaded, "the server is busy with other large bodies"),
	{
		err: ErrTooManyStreams, Name: "too-many-streams", Title: "Too many streams", Status: http.StatusServiceUnavailable, RetryAfter: 5, Detail: "the limit of open event streams, or of requests that wait for tasks, is reached; close one, or come back later",
		Meaning: "The limit of open event streams, or of requests that wait for tasks, is reached.", Action: "Close those that nobody needs, or come back after the seconds of Retry-After.",
	}, {
		err: ErrUnsupportedMedia, Name: "unsupported-media-type", Title: "Unsupported media type", Status: http.StatusUnsupportedMediaType,
		Meaning: "The server does not read this Content-Type or Content-Encoding here.", Action: "Use one that the problem names.",
	}, {
		err: ErrPrecondition, Name: "precondition-failed", Title: "Precondition failed", Status: http.StatusPreconditionFailed,
		Meaning: "What is there now is not the version that If-Match names, or is one that If-None-Match names: it has changed since the client read it. Nothing was done.", Action: "Read it again, decide anew, and send the request with the ETag of that answer.",
	}, {
		err: ErrNoRoute, Name: "no-such-path", Title: "No such path", Status: http.StatusNotFound, Detail: "the API has no such path",
		Meaning: "The API has no such path.", Action: "Look the path up in /openapi.json.",
	}, {
		err: ErrMethod, Name: "method-not-allowed", Title: "Method not allowed", Status: http.StatusMethodNotAllowed, Detail: "the header Allow names the methods of this path",
		Meaning: "The path does not have this method.", Action: "Use one of the methods in the header Allow.",
	}, {
		err: ErrUnauthorized, Name: "unauthorized", Title: "API key needed", Status: http.StatusUnauthorized, Detail: "send a valid API key, as Authorization: Bearer KEY",
		Meaning: "The request has no valid API key.", Action: "Send a key as Authorization: Bearer KEY. An administrator makes keys by: logsift key create.",
	}, {
		err: ErrForbidden, Name: "forbidden", Title: "Not permitted", Status: http.StatusForbidden, Detail: "the caller may not do this",
		Meaning: "The API key's role does not permit this.", Action: "Use a key with the role that the problem names.",
	}, {
		err: ErrTooManyTries, Name: "too-many-sign-ins", Title: "Too many failed sign-ins", Status: http.StatusTooManyRequests, RetryAfter: 60, Detail: "the key is not valid, and too many sign-ins from this address have failed; try again in a minute",
		Meaning: "Too many sign-ins from this address have failed, and this key is wrong too.", Action: "Sign in with a valid key: it is taken at any time.",
	}, {
		err: ErrHost, Name: "host-not-allowed", Title: "Host not allowed", Status: http.StatusMisdirectedRequest, Detail: "the server does not answer to the name in the Host header",
		Meaning: "The server does not answer to the name in the Host header. This keeps other web sites from reaching it by a name of theirs.", Action: "Use the address that the server listens on, or allow the name (allowed-hosts).",
	}, {
		err: ErrCrossOrigin, Name: "cross-origin", Title: "Cross-origin request", Status: http.StatusForbidden, Detail: "a browser may not send this request for another site",
		Meaning: "A browser sent this request for another web site. This keeps other sites from acting in your name.", Action: "Send it from the server's own pages, or by a program.",
	}, {
		err: context.Canceled, Name: "client-closed", Title: "Client closed the request", Status: StatusClientClosed,
		Meaning: "The client closed the connection before the answer.", Action: "Nobody sees this but the server's log.",
	}, {
		err: context.DeadlineExceeded, Name: "timeout", Title: "Timed out", Status: http.StatusServiceUnavailable, RetryAfter: 1, Detail: "the request took too long; a write may or may not have happened",
		Meaning: "The request took too long. A write may or may not have happened.", Action: "Send the same request again after the seconds of Retry-After, with the same Idempotency-Key, so that nothing is done twice.",
	},
}

// Kinds returns all kinds, each once, by name.
func Kinds() []Kind {
	all := append(slices.Clone(kinds), unexpected)
	slices.SortStableFunc(all, func(x, y Kind) int { return cmp.Compare(x.Name, y.Name) })
	return slices.CompactFunc(all, func(x, y Kind) bool { return x.Name == y.Name })
}

// kindOf returns the row of an error.
func kindOf(err error) Kind {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k
		}
	}
	return unexpected
}

// KindOf returns the error of the table that err is, nil if it is an unexpected one.
func KindOf(err error) error { return kindOf(err).err }
