package wire

// PutLimit is the body that sets a limit. It has Concurrency, Rate or both.
type PutLimit struct {
	// Scope is queue, type or key. It is required.
	Scope string `json:"scope"`
	// Queue goes with the scopes queue and key, Type with type.
	Queue string `json:"queue,omitempty"`
	Type  string `json:"type,omitempty"`
	// Key makes an exception for one key; a limit of the scope key without it is for each
	// key of the queue.
	Key string `json:"key,omitempty"`
	// Concurrency is how many tasks run at the same time, at least 1.
	Concurrency *int  `json:"concurrency,omitempty"`
	Rate        *Rate `json:"rate,omitempty"`
	// Retries is block (the default) or overtake; it goes with the scope key and a
	// concurrency of 1.
	Retries string `json:"retries,omitempty"`
}

// Rate is how many tasks begin in a time.
type Rate struct {
	Count      int     `json:"count"`
	PerSeconds float64 `json:"per_seconds"`
	// Burst is how many may begin at once; Count if absent.
	Burst *int `json:"burst,omitempty"`
}

// TaskLimit is a limit and what it does now.
type TaskLimit struct {
	Name string `json:"name"`
	PutLimit
	// Running is how many tasks have a slot.
	Running int64 `json:"running"`
	// Waiting is how many ready tasks have none. It is there for the scope key.
	Waiting *int64 `json:"waiting,omitempty"`
}

// LimitList is all limits, by name.
type LimitList struct {
	Limits []TaskLimit `json:"limits"`
}
