package layout

import (
	"embed"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed scripts
var scriptFiles embed.FS

// Script is one Lua file, run by its hash.
type Script struct {
	*redis.Script

	Name string
	// Leases is whether it runs by the connections of heartbeats and reports.
	Leases bool
}

// LoadScript reads scripts/NAME.lua behind scripts/base.lua. A line
// "-- include: OTHER" in a file stands for the text of another. The files are part
// of the binary, so a missing one is a programming error.
func LoadScript(name string) *Script {
	var src strings.Builder
	include(&src, "base")
	include(&src, name)
	return &Script{Name: name, Script: redis.NewScript(bare(mutate(name, src.String())))}
}

// bare returns a script without comments of their own lines and indents, which a slow line
// would carry too.
func bare(src string) string {
	var out strings.Builder
	for line := range strings.Lines(src) {
		if line = strings.TrimLeft(line, " \n"); !strings.HasPrefix(line, "--") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// LoadLeaseScript is LoadScript for heartbeats and reports.
func LoadLeaseScript(name string) *Script {
	s := LoadScript(name)
	s.Leases = true
	return s
}

func include(src *strings.Builder, name string) {
	text, err := scriptFiles.ReadFile("scripts/" + name + ".lua")
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(text)) {
		if other, ok := strings.CutPrefix(strings.TrimSpace(line), "-- include: "); ok {
			include(src, other)
			continue
		}
		src.WriteString(line)
	}
	src.WriteByte('\n')
}
