package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"

	"logsift/adapters/httpapi/request"
)

// file is something that is handed out as it is, plain or compressed.
type file struct {
	contentType string
	plain, gzip []byte
	// etag is without its quotes.
	etag string
}

// newFile returns a file of these contents.
func newFile(contentType string, plain []byte) *file {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, err := z.Write(plain)
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		panic(fmt.Sprintf("compress a file: %v", err)) // memory takes whatever is written
	}
	return newFileOf(contentType, plain, buf.Bytes())
}

// newGzipFile returns a file of contents that are compressed already.
func newGzipFile(contentType string, compressed []byte) *file {
	var plain []byte
	z, err := gzip.NewReader(bytes.NewReader(compressed))
	if err == nil {
		plain, err = io.ReadAll(z)
	}
	if err != nil {
		panic(fmt.Sprintf("decompress a file: %v", err)) // it is a part of the program
	}
	return newFileOf(contentType, plain, compressed)
}

func newFileOf(contentType string, plain, compressed []byte) *file {
	sum := sha256.Sum256(plain)
	return &file{contentType: contentType, plain: plain, gzip: compressed, etag: hex.EncodeToString(sum[:8])}
}

// serve answers with the file, or with 304 to a client that has it. The client may
// keep it, but has to ask whether it is still the same.
func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	body, etag := f.plain, `"`+f.etag+`"`
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	if acceptsGzip(r) {
		body, etag = f.gzip, `"`+f.etag+`-gzip"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", etag)
	if request.HasVersion(r, etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) // if the client is gone, there is nobody to tell
}

// acceptsGzip reports whether the client takes gzip. Other codings, and weights but
// that of none, do not count.
func acceptsGzip(r *http.Request) bool {
	for _, header := range r.Header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(header, ",") {
			name, weight, _ := strings.Cut(coding, ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			q, err := strconv.ParseFloat(strings.TrimPrefix(strings.ReplaceAll(weight, " ", ""), "q="), 64)
			return err != nil || q > 0
		}
	}
	return false
}
