package bootstrap_test

import (
	"os"
	"testing"

	"logsift/adapters/httpapi/openapitest"
	"logsift/adapters/redisstore/redistest"
)

// TestMain fails if a goroutine is left after the tests, so every test of an App
// is one of its stopping too, and if an answer broke the contract of the API.
func TestMain(m *testing.M) { os.Exit(redistest.Main(openapitest.Checked(m))) }
