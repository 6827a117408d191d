package dashboard

import (
	"bytes"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// assetsPrefix is where the files of the dashboard are, besides the document.
const assetsPrefix = "/ui/assets/"

// pagePaths are the paths of the pages; * stands for one part of a path that is
// not empty. They are those of assets/js/routes.js.
var pagePaths = []string{
	"/", "/ui/tasks", "/ui/tasks/*", "/ui/dead", "/ui/anomalies", "/ui/anomalies/*",
	"/ui/logs", "/ui/workers", "/ui/queues", "/ui/schedules", "/ui/schedules/*", "/ui/workflows", "/ui/workflows/*", "/ui/settings",
}

// contentSecurity keeps everything out of the pages that is not a file of theirs.
const contentSecurity = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Caching of files that never change under their path, and of those that may.
const (
	cacheForever    = "public, max-age=31536000, immutable"
	cacheRevalidate = "no-cache"
)

// Handler returns the handler of the paths /, /ui and those below /ui/. It answers
// GET and HEAD, needs no session, is safe for concurrent use, and keeps no state.
//
// The answers have the security headers of a page, an ETag, and come compressed
// where the client takes gzip. A path below /ui/ that is no page gets the document
// with status 404, so that people find their way on; a file that does not exist is
// a plain 404.
func Handler() http.Handler {
	return http.HandlerFunc(serve)
}

func serve(w http.ResponseWriter, r *http.Request) {
	setSecurity(w.Header())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	files := loaded()
	name, isAsset := strings.CutPrefix(r.URL.Path, assetsPrefix)
	switch {
	case isAsset:
		serveAsset(w, r, files, name)
	case r.URL.Path == "/ui" || r.URL.Path == "/ui/":
		w.Header().Set("Cache-Control", cacheRevalidate)
		http.Redirect(w, r, "/", http.StatusFound)
	case isPage(r.URL.Path):
		w.Header().Set("Cache-Control", cacheRevalidate)
		files.page.serve(w, r, http.StatusOK)
	default:
		w.Header().Set("Cache-Control", "no-store")
		files.page.serve(w, r, http.StatusNotFound)
	}
}

// serveAsset serves a file by its path below the prefix: with the version first,
// or without, for those who have no version to ask for.
func serveAsset(w http.ResponseWriter, r *http.Request, files *site, name string) {
	caching := cacheRevalidate
	if rest, ok := strings.CutPrefix(name, files.version+"/"); ok {
		name, caching = rest, cacheForever
	}
	f, ok := files.assets[name]
	if !ok {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "no such file", http.StatusNotFound)
		return
	}
	w.Header().Set("Cache-Control", caching)
	f.serve(w, r, http.StatusOK)
}

// setSecurity sets the headers that every answer has.
func setSecurity(h http.Header) {
	h.Set("Content-Security-Policy", contentSecurity)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// isPage tells whether a page has the path.
func isPage(p string) bool {
	for _, pattern := range pagePaths {
		// Match fails on bad patterns only, and * stands for no slash. It may stand
		// for nothing, so the path is cleaned of a slash at its end first.
		if ok, _ := path.Match(pattern, p); ok && (p == "/" || !strings.HasSuffix(p, "/")) {
			return true
		}
	}
	return false
}

// file is one file, plain and compressed.
type file struct {
	contentType string
	// etag is the hash of the plain content, without quotes.
	etag    string
	content []byte
	// gzipped is empty where compression gains nothing.
	gzipped []byte
}

// serve answers with the file. Conditional requests are answered with 304, and
// those for a range with it, if the status is 200.
func (f *file) serve(w http.ResponseWriter, r *http.Request, status int) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Add("Vary", "Accept-Encoding")
	content, etag := f.content, f.etag
	if len(f.gzipped) > 0 && takesGzip(r.Header.Get("Accept-Encoding")) {
		content, etag = f.gzipped, f.etag+"-gzip"
		h.Set("Content-Encoding", "gzip")
	}
	// ServeContent leaves the length out where there is a Content-Encoding.
	h.Set("Content-Length", strconv.Itoa(len(content)))
	if status != http.StatusOK {
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			_, _ = w.Write(content) // if the client is gone, there is nobody to tell
		}
		return
	}
	h.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// takesGzip tells whether an Accept-Encoding names gzip and does not refuse it.
func takesGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		name, params, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err == nil && (name == "gzip" || name == "*") {
			q, err := strconv.ParseFloat(params["q"], 64)
			return params["q"] == "" || err == nil && q > 0
		}
	}
	return false
}
