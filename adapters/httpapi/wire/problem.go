package wire

// Problem is the body of an error, as RFC 9457 defines it.
type Problem struct {
	// Type names the kind of problem for programs; it never changes.
	Type string `json:"type"`
	// Title is the kind of problem for people.
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail says what went wrong this time.
	Detail string `json:"detail,omitempty"`
	// RequestID is that of the response header X-Request-Id; the server's log
	// has it.
	RequestID string `json:"request_id,omitempty"`
	// Errors name the fields, parameters or lines that were refused.
	Errors []FieldError `json:"errors,omitempty"`
	// TaskID and TaskStatus tell which task's state forbids the step.
	TaskID     string `json:"task_id,omitempty"`
	TaskStatus string `json:"task_status,omitempty"`
	// Limit is what the request was beyond, for a limit of the server.
	Limit *Limit `json:"limit,omitempty"`
	// Holder is the id of the task that holds the unique key.
	Holder string `json:"holder,omitempty"`
	// Accepted is how many log entries of the request were stored before the store
	// failed: the first ones that were not rejected.
	Accepted int `json:"accepted,omitempty"`
}

// ProblemType explains one kind of problem.
type ProblemType struct {
	// Type is that of the problems, which ends with Name; their page is
	// /problems/{name}, which the header Link of each problem has too.
	Type   string `json:"type"`
	Name   string `json:"name"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Meaning says what happened, Action what to do.
	Meaning string `json:"meaning"`
	Action  string `json:"action"`
	// Retry is whether the same request may succeed later; the header Retry-After
	// tells when.
	Retry bool `json:"retry"`
}

// ProblemTypes are all kinds of problems, by name.
type ProblemTypes struct {
	Problems []ProblemType `json:"problems"`
}

// Limit is a limit of the server.
type Limit struct {
	// Name is body_bytes, built_bytes, entry_bytes, log_entries, task_bytes,
	// batch_tasks, head_bytes or requests_per_second; or what many requests share:
	// buffered_bytes, searches or streams, with _per_caller for the caller's own share.
	Name  string `json:"name"`
	Value int64  `json:"value"`
}

// FieldError says what is wrong with one part of a request.
type FieldError struct {
	// Field is a field of the body, such as "priority" or "payload.log_ids", a
	// query parameter, a header, "body", or a line of the body, such as "line 3".
	Field  string `json:"field"`
	Detail string `json:"detail"`
}
