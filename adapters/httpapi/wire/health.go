package wire

// Health says that the server serves.
type Health struct {
	// Status is "ok".
	Status string `json:"status"`
}

// Readiness says whether the server can do its work.
type Readiness struct {
	// Status is "ready" or "not ready".
	Status string `json:"status"`
	// Components are its parts by name.
	Components map[string]Component `json:"components"`
}

// Component is the readiness of one part.
type Component struct {
	Ready bool `json:"ready"`
	// Degraded is whether it is ready, but does less than it was set up to.
	Degraded bool `json:"degraded,omitempty"`
	// Reason says why it is not ready, or degraded.
	Reason string `json:"reason,omitempty"`
}
