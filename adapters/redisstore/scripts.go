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

// loadScript reads scripts/NAME.lua. The files are part of the binary, so a
// missing one is a programming error.
func loadScript(name string, preludes ...string) *script {
	var src strings.Builder
	for _, part := range append(preludes, name) {
		b, err := scriptFiles.ReadFile("scripts/" + part + ".lua")
		if err != nil {
			panic(err)
		}
		src.Write(b)
		src.WriteByte('\n')
	}
	return &script{name: name, redis: redis.NewScript(src.String())}
}
