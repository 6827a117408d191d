package httpapi

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"logsift/domain"
)

// Content types of bodies.
const (
	mediaJSON     = "application/json"
	mediaProblem  = "application/problem+json"
	mediaPlain    = "text/plain"
	mediaProtobuf = "application/x-protobuf"
)

// ndjsonTypes are the names in use for JSON values on lines of their own.
var ndjsonTypes = []string{"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/stream+json"}

// mediaType returns the content type of a body if it is one of the allowed ones.
// A request without one is taken to have the first.
func mediaType(r *http.Request, allowed ...string) (string, error) {
	header := r.Header.Values("Content-Type")
	if len(header) == 0 {
		return allowed[0], nil
	}
	media, params, err := mime.ParseMediaType(header[0])
	if err != nil || len(header) > 1 || !slices.Contains(allowed, media) {
		return "", refuse(errUnsupportedMedia, "Content-Type must be one of %s", strings.Join(allowed, ", "))
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii") {
		return "", refuse(errUnsupportedMedia, "charset must be utf-8")
	}
	return media, nil
}

// budget bounds the bytes that all bodies hold together.
type budget struct {
	limit int64
	used  atomic.Int64
}

// body is the decoded body of a request. Its errors are those of the table in
// problem.go.
type body struct {
	src    io.Reader
	raw    *rawBody
	closer func()
	// counted is whether the bytes of src are counted already.
	counted bool
	limit   int64
	// read is what was decoded, held what counts among all bodies.
	read, held int64
	budget     *budget
}

// openBody returns the decoded body of a request. It fails with errTooLarge
// beyond limit bytes, before or after decompression.
func (a *API) openBody(w http.ResponseWriter, r *http.Request, limit int64) (*body, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	raw := &rawBody{src: http.MaxBytesReader(w, r.Body, limit)}
	b := &body{src: raw, raw: raw, closer: func() {}, limit: limit, budget: &a.buffered}
	switch encoding := strings.ToLower(strings.Join(r.Header.Values("Content-Encoding"), ",")); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(raw)
		if err != nil {
			return nil, b.fault()
		}
		b.src, b.closer = z, func() { _ = z.Close() }
	case "zstd":
		z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, b.fault()
		}
		b.src, b.closer = z, z.Close
	case "snappy":
		if err := b.unsnap(); err != nil {
			b.close()
			return nil, err
		}
	default:
		w.Header().Set("Accept-Encoding", "gzip, zstd, snappy")
		return nil, refuse(errUnsupportedMedia, "Content-Encoding must be gzip, zstd, snappy or identity")
	}
	return b, nil
}

// unsnap decodes a body that is one block of snappy, which has to be in memory as
// a whole. The block says its size, which is counted before it is decoded.
func (b *body) unsnap() error {
	block, err := io.ReadAll(b)
	if err != nil {
		return err
	}
	size, err := snappy.DecodedLen(block)
	if err != nil {
		return b.fault()
	}
	b.read = 0 // the block has its own limit
	if err := b.count(int64(size)); err != nil {
		return err
	}
	text, err := snappy.Decode(nil, block)
	if err != nil {
		return b.fault()
	}
	b.src, b.counted = bytes.NewReader(text), true
	return nil
}

// maxZstdWindow is what RFC 8878 asks decoders to support, so that a frame's head
// cannot ask for more memory.
const maxZstdWindow = 8 << 20

// Read returns decoded bytes.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.src.Read(p)
	if !b.counted {
		if err := b.count(int64(n)); err != nil {
			return 0, err
		}
	}
	if err != nil && err != io.EOF {
		return n, b.fault()
	}
	return n, err
}

// count counts decoded bytes, and fails if they are too many.
func (b *body) count(n int64) error {
	b.read += n
	b.held += n
	if b.budget.used.Add(n) > b.budget.limit {
		return beyond(errOverloaded, "buffered_bytes", b.budget.limit, "all bodies together are beyond %d bytes", b.budget.limit)
	}
	if b.read > b.limit {
		return tooLarge(b.limit)
	}
	return nil
}

// close gives the memory back; what was read must not be used any longer.
func (b *body) close() {
	b.closer()
	b.budget.used.Add(-b.held)
}

// fault says whose fault it is that the body cannot be read: the connection's, or
// the encoding's.
func (b *body) fault() error {
	cause := b.raw.err
	var large *http.MaxBytesError
	switch {
	case errors.As(cause, &large):
		return tooLarge(large.Limit)
	case errors.Is(cause, os.ErrDeadlineExceeded):
		return errBodyTimeout
	case cause != nil:
		return &domain.ValidationError{Field: "body", Rule: "ended before it was complete"}
	default:
		return &domain.ValidationError{Field: "body", Rule: "must be encoded as Content-Encoding says"}
	}
}

func tooLarge(limit int64) error {
	return beyond(errTooLarge, "body_bytes", limit, "the body must be at most %d bytes, decompressed too", limit)
}

// rawBody remembers the error of the connection, which decoders hide.
type rawBody struct {
	src io.Reader
	err error
}

func (r *rawBody) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}
