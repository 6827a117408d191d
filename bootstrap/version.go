package bootstrap

import (
	"runtime/debug"
	"time"
)

// Version says what program this is.
type Version struct {
	// Version is the version of the module, "(devel)" if it was built from a checkout.
	Version string `json:"version"`
	// Revision is the commit, "unknown" if the build did not record it.
	Revision string `json:"revision"`
	// Time is the time of the commit, zero if the build did not record it.
	Time time.Time `json:"time,omitzero"`
	// Go is the version of the compiler.
	Go string `json:"go"`
}

// ReadVersion reads what the compiler recorded.
func ReadVersion() Version {
	v := Version{Version: "(devel)", Revision: "unknown", Go: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Go = info.GoVersion
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			// What cannot be read is as good as not recorded.
			v.Time, _ = time.Parse(time.RFC3339, s.Value)
		}
	}
	return v
}
