package httpapi_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apitest"
)

func TestTheContractIsHandedOut(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	res := w.Do("GET", "/openapi.json", "")
	require.Equal(t, http.StatusOK, res.Code)
	require.Equal(t, "application/json", res.Header().Get("Content-Type"))
	require.Equal(t, "no-cache", res.Header().Get("Cache-Control"), "a client asks whether it is still the same")
	require.Equal(t, httpapi.OpenAPI(), res.Body.Bytes())
	require.True(t, strings.HasPrefix(res.Body.String(), `{"openapi":"3.1.0","info":{"title":"logsift"`), "fields are in their order")

	etag := res.Header().Get("ETag")
	for _, have := range []string{etag, "W/" + etag, `"x", ` + etag, "*"} {
		again := w.Do("GET", "/openapi.json", "", "If-None-Match", have)
		require.Equal(t, http.StatusNotModified, again.Code, have)
		require.Equal(t, etag, again.Header().Get("ETag"))
		require.Empty(t, again.Body.Bytes())
	}
	require.Equal(t, http.StatusOK, w.Do("GET", "/openapi.json", "", "If-None-Match", `"x"`).Code)

	packed := w.Do("GET", "/openapi.json", "", "Accept-Encoding", "br, gzip;q=0.5")
	require.Equal(t, "gzip", packed.Header().Get("Content-Encoding"))
	require.Equal(t, "Accept-Encoding", packed.Header().Get("Vary"))
	require.NotEqual(t, etag, packed.Header().Get("ETag"), "other bytes have another name")
	z, err := gzip.NewReader(packed.Body)
	require.NoError(t, err)
	plain, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Equal(t, httpapi.OpenAPI(), plain)
	for _, refused := range []string{"gzip;q=0", "br", ""} {
		require.Empty(t, w.Do("GET", "/openapi.json", "", "Accept-Encoding", refused).Header().Get("Content-Encoding"), refused)
	}
	apitest.Problem(t, w.Do("GET", "/openapi.json?x=1", ""), http.StatusBadRequest, "invalid-request")
}

func TestTheDocumentationNeedsNothingElse(t *testing.T) {
	t.Parallel()
	w := apitest.New(httpapi.Config{})
	page := w.Do("GET", "/docs", "")
	require.Equal(t, http.StatusOK, page.Code)
	policy := page.Header().Get("Content-Security-Policy")
	require.Contains(t, policy, "default-src 'none'")
	require.NotContains(t, policy, "unsafe")
	require.NotContains(t, policy, "http")
	links := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.Body.String(), -1)
	require.Len(t, links, 5)
	for _, link := range links {
		res := w.Do("GET", "/"+link[1], "")
		require.Equal(t, http.StatusOK, res.Code, link[1])
		require.NotEmpty(t, res.Body.Bytes())
	}
	require.NotRegexp(t, `<script>|<style|style=|\son[a-z]+=`, page.Body.String(), "nothing is inline")
	require.Less(t, w.Do("GET", "/docs/swagger-ui-bundle.js", "", "Accept-Encoding", "gzip").Body.Len(), 500_000)
	apitest.Problem(t, w.Do("GET", "/docs/index.html", ""), http.StatusNotFound, "no-such-path")
}
