package redisstore_test

import (
	"flag"
	"os"
	"testing"

	"logsift/adapters/redisstore/redistest"
)

func TestMain(m *testing.M) {
	// The random walks are made on five kinds of Redis here, so a quarter of the
	// usual number does on each. The flag on the command line wins.
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	os.Exit(redistest.Main(m))
}
