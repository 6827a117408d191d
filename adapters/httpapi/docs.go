package httpapi

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"sync"

	"github.com/gorilla/mux"
	"github.com/swaggest/swgui/v5/static"

	"logsift/adapters/httpapi/problem"
)

// docsFS holds the page and the script that starts Swagger UI, whose files are in the
// module github.com/swaggest/swgui.
//
//go:embed docs
var docsFS embed.FS

// docsPolicy lets the documentation load its own files and the API, and nothing
// else. Swagger UI has icons as data: URLs in its style sheet.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const docsPage = ""

// docsFiles are the files of the documentation by their names, the page as docsPage.
var docsFiles = sync.OnceValue(func() map[string]*file {
	return map[string]*file{
		docsPage:               newFile("text/html; charset=utf-8", readFile(docsFS, "docs/index.html")),
		"start.js":             newFile("text/javascript; charset=utf-8", readFile(docsFS, "docs/start.js")),
		"swagger-ui-bundle.js": newGzipFile("text/javascript; charset=utf-8", readFile(static.FS, "swagger-ui-bundle.js.gz")),
		"swagger-ui.css":       newGzipFile("text/css; charset=utf-8", readFile(static.FS, "swagger-ui.css.gz")),
		"favicon-32x32.png":    newFile("image/png", readFile(static.FS, "favicon-32x32.png")),
	}
})

func (a *API) getDocs(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Security-Policy", docsPolicy)
	docsFiles()[docsPage].serve(w, r)
	return nil
}

func (a *API) getDocsAsset(w http.ResponseWriter, r *http.Request) error {
	f, ok := docsFiles()[mux.Vars(r)["asset"]]
	if !ok {
		return problem.ErrNoRoute
	}
	f.serve(w, r)
	return nil
}

// readFile reads a file that is a part of the program.
func readFile(from fs.FS, name string) []byte {
	data, err := fs.ReadFile(from, name)
	if err != nil {
		panic(fmt.Sprintf("read the file %s: %v", name, err))
	}
	return data
}
