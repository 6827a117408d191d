package ingest_test

import (
	"testing"

	"go.uber.org/goleak"

	"logsift/adapters/httpapi/openapitest"
)

const (
	logsPath = "/api/v1/logs"

	plain  = "text/plain"
	ndjson = "application/x-ndjson"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(openapitest.Checked(m)) }
