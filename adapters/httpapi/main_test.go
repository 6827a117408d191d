package httpapi_test

import (
	"testing"

	"go.uber.org/goleak"

	"logsift/adapters/httpapi/openapitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(openapitest.CheckedWhole(m)) }
