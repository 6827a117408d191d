package application_test

import (
	"os"
	"testing"

	"logsift/adapters/redisstore/redistest"
)

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }
