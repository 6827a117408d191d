package verify_test

import (
	"flag"
	"os"
	"testing"

	"logsift/adapters/redisstore/redistest"
)

func TestMain(m *testing.M) {
	// A quarter of the usual number of random walks. The flag on the command line wins.
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	os.Exit(redistest.Main(m))
}
