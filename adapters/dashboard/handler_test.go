package dashboard_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/dashboard"
)

// ask sends a request to the handler.
func ask(t *testing.T, method, target string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	dashboard.Handler().ServeHTTP(w, r)
	return w
}

// assetBase returns where the document has its files.
func assetBase(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile(`src="(/ui/assets/[0-9a-f]{16})/js/main\.js"`).FindStringSubmatch(ask(t, http.MethodGet, "/", nil).Body.String())
	require.Len(t, found, 2, "the document must load its modules from a versioned path")
	return found[1]
}

func TestEachPageHasTheDocument(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"/", "/ui/tasks", "/ui/tasks/01a20d74-8b2e-7c6e-b985-37c9220c6814", "/ui/tasks?status=FAILED",
		"/ui/anomalies", "/ui/anomalies/abc", "/ui/logs", "/ui/workers", "/ui/queues", "/ui/schedules", "/ui/schedules/nightly", "/ui/workflows", "/ui/settings",
	} {
		res := ask(t, http.MethodGet, path, nil)
		require.Equal(t, http.StatusOK, res.Code, path)
		require.Equal(t, "text/html; charset=utf-8", res.Header().Get("Content-Type"), path)
		require.Equal(t, "no-cache", res.Header().Get("Cache-Control"), "%s must be asked for anew, so that an upgrade is seen", path)
		body := res.Body.String()
		require.Contains(t, body, `<main class="main" id="main"`, path)
		require.NotContains(t, body, "{assets}", path)
		require.NotContains(t, body, "<!-- modules -->", path)
	}
}

func TestOtherPathsAreNotFound(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/ui/nothing", "/ui/tasks/", "/ui/tasks/a/b", "/ui/tasksx", "/ui/settings/x", "/ui/../etc/passwd", "/other"} {
		res := ask(t, http.MethodGet, path, nil)
		require.Equal(t, http.StatusNotFound, res.Code, path)
		require.Contains(t, res.Body.String(), `id="main"`, "%s must show a page from which people find on", path)
	}
	base := assetBase(t)
	for _, path := range []string{
		base + "/js/nothing.js", base + "/", base, base + "/js", base + "/index.html", base + "/../handler.go", base + "//js/main.js",
		"/ui/assets/", "/ui/assets/index.html", "/ui/assets/0123456789abcdef/js/main.js", "/ui/assets/js/",
	} {
		res := ask(t, http.MethodGet, path, nil)
		require.Equal(t, http.StatusNotFound, res.Code, path)
		require.Equal(t, "no-store", res.Header().Get("Cache-Control"), path)
		require.NotContains(t, res.Body.String(), "<html", "%s must be no page", path)
	}
}

func TestTheFolderLeadsToTheOverview(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/ui", "/ui/"} {
		res := ask(t, http.MethodGet, path, nil)
		require.Equal(t, http.StatusFound, res.Code)
		require.Equal(t, "/", res.Header().Get("Location"))
	}
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/ui", "/ui/tasks", "/ui/nothing", "/ui/assets/js/main.js", "/ui/assets/nothing", assetBase(t) + "/css/base.css"} {
		h := ask(t, http.MethodGet, path, nil).Header()
		require.Equal(t, "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
			h.Get("Content-Security-Policy"), path)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-referrer", h.Get("Referrer-Policy"), path)
		require.Equal(t, "same-origin", h.Get("Cross-Origin-Opener-Policy"), path)
		require.Equal(t, "same-origin", h.Get("Cross-Origin-Resource-Policy"), path)
		require.Empty(t, h.Get("Access-Control-Allow-Origin"), path)
	}
}

func TestOnlyReadsAreServed(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions} {
		res := ask(t, method, "/ui/tasks", nil)
		require.Equal(t, http.StatusMethodNotAllowed, res.Code, method)
		require.Equal(t, "GET, HEAD", res.Header().Get("Allow"))
	}
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	t.Parallel()
	base := assetBase(t)
	for _, path := range []string{"/", "/ui/nothing", base + "/js/main.js"} {
		for _, accept := range []string{"", "gzip"} {
			header := http.Header{"Accept-Encoding": {accept}}
			get, head := ask(t, http.MethodGet, path, header), ask(t, http.MethodHead, path, header)
			require.Equal(t, get.Code, head.Code, path)
			require.Equal(t, get.Header(), head.Header(), path)
			require.Empty(t, head.Body.String(), path)
		}
	}
}

func TestVersionedFilesAreCachedForEver(t *testing.T) {
	t.Parallel()
	versioned := ask(t, http.MethodGet, assetBase(t)+"/js/main.js", nil)
	plain := ask(t, http.MethodGet, "/ui/assets/js/main.js", nil)
	require.Equal(t, "public, max-age=31536000, immutable", versioned.Header().Get("Cache-Control"))
	require.Equal(t, "no-cache", plain.Header().Get("Cache-Control"), "a path that keeps its name must be asked for anew")
	require.Equal(t, versioned.Body.String(), plain.Body.String())
}

func TestConditionalRequestsAreAnsweredShort(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", assetBase(t) + "/css/base.css"} {
		for _, accept := range []string{"", "gzip"} {
			header := http.Header{"Accept-Encoding": {accept}}
			etag := ask(t, http.MethodGet, path, header).Header().Get("ETag")
			require.Regexp(t, `^"[0-9a-f]{16}(-gzip)?"$`, etag, path)
			header.Set("If-None-Match", etag)
			res := ask(t, http.MethodGet, path, header)
			require.Equal(t, http.StatusNotModified, res.Code, path)
			require.Empty(t, res.Body.String(), path)
			require.Equal(t, etag, res.Header().Get("ETag"), path)
			header.Set("If-None-Match", `"other"`)
			require.Equal(t, http.StatusOK, ask(t, http.MethodGet, path, header).Code, path)
		}
	}
}

func TestFilesAreCompressedForThoseWhoTakeIt(t *testing.T) {
	t.Parallel()
	path := assetBase(t) + "/css/base.css"
	plain := ask(t, http.MethodGet, path, nil)
	require.Empty(t, plain.Header().Get("Content-Encoding"))
	want := plain.Body.String()
	cases := map[string]bool{
		"gzip": true, "gzip, deflate, br, zstd": true, "br;q=1.0, gzip;q=0.5": true, "*": true,
		"": false, "br": false, "gzip;q=0": false, "gzip; q=0.0, br": false, "identity": false, ";;;": false,
	}
	for accept, compressed := range cases {
		res := ask(t, http.MethodGet, path, http.Header{"Accept-Encoding": {accept}})
		require.Equal(t, "Accept-Encoding", res.Header().Get("Vary"), accept)
		if !compressed {
			require.Empty(t, res.Header().Get("Content-Encoding"), accept)
			require.Equal(t, want, res.Body.String(), accept)
			continue
		}
		require.Equal(t, "gzip", res.Header().Get("Content-Encoding"), accept)
		require.Less(t, res.Body.Len(), len(want)/2, accept)
		require.NotEqual(t, plain.Header().Get("ETag"), res.Header().Get("ETag"), "each form must have an ETag of its own")
		z, err := gzip.NewReader(res.Body)
		require.NoError(t, err, accept)
		got, err := io.ReadAll(z)
		require.NoError(t, err, accept)
		require.Equal(t, want, string(got), accept)
	}
}

func TestTheDocumentNamesFilesThatExist(t *testing.T) {
	t.Parallel()
	body := ask(t, http.MethodGet, "/", nil).Body.String()
	links := regexp.MustCompile(`(?:src|href)="(/[^"]+)"`).FindAllStringSubmatch(body, -1)
	require.Greater(t, len(links), 10)
	for _, link := range links {
		res := ask(t, http.MethodGet, link[1], nil)
		require.Equal(t, http.StatusOK, res.Code, link[1])
		require.Contains(t, res.Header().Get("Cache-Control"), "immutable", link[1])
	}
	require.Contains(t, body, `rel="modulepreload"`)
	require.NotContains(t, body, "/js/pages/", "pages are fetched when they are shown")
	require.False(t, strings.Contains(body, " style=") || strings.Contains(body, "<style") || regexp.MustCompile(`<script(?:[^>]*)>\s*[^<\s]`).MatchString(body), "the policy allows no inline code")
}
