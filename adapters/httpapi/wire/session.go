package wire

// SignIn is what a browser sends to sign in.
type SignIn struct {
	Key string `json:"key"`
}

// Session tells who the server takes the client for.
type Session struct {
	// AuthRequired is whether the API asks for keys.
	AuthRequired bool `json:"auth_required"`
	// Name is that of the key, "" for none.
	Name string `json:"name"`
	// Role is ingest, worker, read, write or admin; admin where no keys are asked for, "" for who is
	// not signed in.
	Role string `json:"role"`
}
