package redisstore

import (
	"embed"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS

// script is one Lua file, run by its hash.
type script struct {
	name  string
	redis *redis.Script
}

// loadScript reads scripts/NAME.lua behind scripts/base.lua. A line
// "-- include: OTHER" in a file stands for the text of another. The files are part
// of the binary, so a missing one is a programming error.
func loadScript(name string) *script {
	var src strings.Builder
	include(&src, "base")
	include(&src, name)
	return &script{name: name, redis: redis.NewScript(mutate(name, src.String()))}
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
