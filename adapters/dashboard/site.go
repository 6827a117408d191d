package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed assets
var embedded embed.FS

// indexName is the document; it is served at the pages and is no asset itself.
const indexName = "index.html"

// contentTypes are the media types of the files, by the ends of their names. The system's
// own table is not asked: it differs from machine to machine.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// site is all files, ready to be served.
type site struct {
	// version is the hash of all assets.
	version string
	// assets are the files by their path, page is the document.
	assets map[string]*file
	page   *file
}

// loaded returns the embedded site. It is made once, when it is first asked for:
// a process without visitors need not compress anything.
var loaded = sync.OnceValue(func() *site {
	tree, err := fs.Sub(embedded, "assets")
	if err == nil {
		var s *site
		if s, err = load(tree); err == nil {
			return s
		}
	}
	panic(fmt.Sprintf("dashboard: embedded files: %v", err)) // a test loads them
})

// load reads a site. The error names a file that cannot be served.
func load(tree fs.FS) (*site, error) {
	s := &site{assets: map[string]*file{}}
	all := sha256.New()
	var index []byte
	var names []string
	// WalkDir goes in lexical order, so the version is the same each time.
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		all.Write(fmt.Appendf(nil, "%s %d\n", name, len(content)))
		all.Write(content)
		if name == indexName {
			index = content
			return nil
		}
		names = append(names, name)
		s.assets[name], err = newFile(name, content)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.version = hex.EncodeToString(all.Sum(nil))[:16]
	s.page, err = newFile(indexName, document(index, assetsPrefix+s.version, names))
	return s, err
}

// document fills in the index: where the assets are, and which modules the browser
// may fetch at once instead of finding them one by one. The pages' modules are left
// out, since only one of them is needed.
func document(index []byte, base string, names []string) []byte {
	var preload strings.Builder
	for _, name := range names {
		if module := path.Ext(name) == ".js" && strings.HasPrefix(name, "js/"); module && !slices.Contains(notPreloaded, path.Dir(name)) && name != themeScript {
			fmt.Fprintf(&preload, "<link rel=\"modulepreload\" href=\"%s/%s\">\n", base, name)
		}
	}
	out := bytes.ReplaceAll(index, []byte("<!-- modules -->\n"), []byte(preload.String()))
	return bytes.ReplaceAll(out, []byte("{assets}"), []byte(base))
}

// notPreloaded are folders of modules that are fetched when they are needed;
// themeScript is no module.
var notPreloaded = []string{"js/pages"}

const themeScript = "js/theme.js"

func newFile(name string, content []byte) (*file, error) {
	kind, ok := contentTypes[path.Ext(name)]
	if !ok {
		return nil, fmt.Errorf("%s: no content type is known for this name", name)
	}
	sum := sha256.Sum256(content)
	f := &file{contentType: kind, etag: hex.EncodeToString(sum[:])[:16], content: content}
	var buf bytes.Buffer
	z, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(content); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if buf.Len() < len(content) {
		f.gzipped = buf.Bytes()
	}
	return f, nil
}
