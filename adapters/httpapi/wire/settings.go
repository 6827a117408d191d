package wire

// Settings are what the answering process was set up with.
type Settings struct {
	// Version is that of the program.
	Version  string    `json:"version"`
	Settings []Setting `json:"settings"`
}

// Setting is one thing that can be set.
type Setting struct {
	// Name is that of the flag, without dashes before it. The environment variable
	// and the key in the file are named after it.
	Name string `json:"name"`
	// Group is store, keys, api, work, queues, analysis, logging or server.
	Group string `json:"group"`
	// Value and Default are as a user writes them, "" for nothing. Passwords and keys
	// are shown as [redacted].
	Value   string `json:"value"`
	Default string `json:"default"`
	Usage   string `json:"usage"`
}
