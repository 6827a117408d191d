package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/problem"
	"logsift/domain"
)

func TestABodyThatComesAfterTheEndIsNotTheClientsFault(t *testing.T) {
	t.Parallel()
	q := newInFlight()
	require.True(t, q.close())
	var err error
	handler := q.count(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, err = io.ReadAll(r.Body) }))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x")))
	require.ErrorIs(t, err, domain.ErrClosed)
	require.Equal(t, http.StatusServiceUnavailable, problem.Of(err).Status)
}
