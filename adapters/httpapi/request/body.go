package request

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
)

// A body is worked on in two steps. First it arrives, as slowly as its client sends
// it, and takes the memory of what was sent, compressed as it is. Then it is decoded
// and built into tasks or log entries, which waits for no client, so that what it
// takes is free again soon. Each step has a pool of memory.

// Limits of what becomes of a body, by the bytes that were sent.
const (
	// A body may be decoded to freeDecoded bytes, and to decodedPerByte more for each
	// byte that was sent.
	freeDecoded    = 4 << 20
	decodedPerByte = 100
	// It may have freeRecords log entries, refused ones included, and one more for
	// every bytesPerRecord bytes.
	freeRecords    = 10_000
	bytesPerRecord = 4
	// Its log entries may have freeWork bytes, and workPerByte more for each, as
	// entryCost counts them.
	freeWork    = 16 << 20
	workPerByte = 256
)

const (
	// smallBody is up to how many bytes a request takes of what is reserved for small
	// ones: a large request never keeps a task or a sign-in out.
	smallBody = 256 << 10
	// takeStep is how many bytes a body takes of a pool at once.
	takeStep = 64 << 10
	// leastBytes must arrive of a body in each pause.
	leastBytes = 16 << 10
	// maxZstdWindow is what RFC 8878 asks decoders to support, so that a frame's head
	// cannot ask for more memory.
	maxZstdWindow = 8 << 20
)

// Body is the body of a request, and the account of what is made of it. Its errors
// are those of package problem.
type Body struct {
	left     func() error // why the client no longer waits, nil as long as it does
	sent     []byte       // as it arrived
	plain    io.Reader    // decodes it
	whole    []byte       // the decoded body, if it is in memory as a whole
	closer   func()
	arriving memory
	building memory

	decoded, maxDecoded int64
	records, maxRecords int64
	work, maxWork       int64
	built, maxBuilt     int64
}

// BodyLimits bound bodies.
type BodyLimits struct {
	// BufferedBytes bounds what is held of all bodies and of what is built of them, half
	// of it the bodies that still arrive.
	BufferedBytes int64
	// LogEntries bounds the entries of one body.
	LogEntries int
	// Pause is how long a body may be without 16 KiB more of it, Timeout how long it may
	// take to arrive.
	Pause, Timeout time.Duration
}

// Bodies reads the bodies of requests, within the memory that all of them share.
type Bodies struct {
	limits   BodyLimits
	arriving Pool // of the memory of bodies as they are sent
	building Pool // of the memory of what they become
}

// NewBodies returns a reader of bodies within the limits.
func NewBodies(limits BodyLimits) *Bodies {
	return &Bodies{limits: limits, arriving: memoryPool(limits.BufferedBytes / 2), building: memoryPool(limits.BufferedBytes)}
}

// Open receives the body of a request, which must have at most limit bytes, as
// sent and decoded, and makes room for what is to be built of it.
func (s *Bodies) Open(w http.ResponseWriter, r *http.Request, limit int64) (*Body, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	caller := Caller(r)
	b := &Body{
		left: r.Context().Err, closer: func() {},
		arriving: memory{pool: &s.arriving, caller: caller}, building: memory{pool: &s.building, caller: caller},
	}
	err := b.receive(w, r, limit, &s.limits)
	if err == nil {
		err = b.open(r.Context(), r.Header.Values("Content-Encoding"), limit)
	}
	if errors.Is(err, problem.ErrUnsupportedMedia) {
		w.Header().Set("Accept-Encoding", "gzip, zstd, snappy")
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	sent := int64(len(b.sent))
	b.maxRecords = min(int64(s.limits.LogEntries), freeRecords+sent/bytesPerRecord)
	b.maxWork = freeWork + sent*workPerByte
	b.maxBuilt = s.building.Share - s.building.Reserve - takeStep
	return b, nil
}

// Read reads a whole body of JSON, or of another of these types, that is decoded into
// something else as a whole, such as tasks. Until free is called, it counts among the bytes
// that all bodies may hold.
func (s *Bodies) Read(w http.ResponseWriter, r *http.Request, limit int64, types ...string) (data []byte, free func(), err error) {
	if _, err := MediaType(r, append([]string{wire.MediaJSON}, types...)...); err != nil {
		return nil, nil, err
	}
	b, err := s.Open(w, r, limit)
	if err != nil {
		return nil, nil, err
	}
	data, err = b.All()
	if err == nil {
		// Decoded, stored and in the answer, each is there again.
		err = b.Build(3 * int64(len(data)))
	}
	if err != nil {
		b.Close()
		return nil, nil, err
	}
	return data, b.Close, nil
}

// receive reads the body as it was sent.
func (b *Body) receive(w http.ResponseWriter, r *http.Request, limit int64, limits *BodyLimits) error {
	pace := &pacedReader{src: http.MaxBytesReader(w, r.Body, limit), control: http.NewResponseController(w), pause: limits.Pause, end: time.Now().Add(limits.Timeout)}
	var err error
	b.sent, err = readAll(pace, r.ContentLength, b.arriving.hold)
	full := errors.Is(err, problem.ErrRateLimited) || errors.Is(err, problem.ErrOverloaded)
	if full {
		// A client that is answered while it sends sees a broken connection, and no
		// answer.
		b.arriving.free(0)
		if _, lost := io.Copy(io.Discard, pace); lost != nil {
			return err
		}
	}
	var large *http.MaxBytesError
	switch {
	case err == nil || full:
		pace.done()
		return err
	case errors.As(err, &large):
		return tooLarge(large.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return problem.ErrBodyTimeout
	case problem.KindOf(err) != nil:
		return err
	default:
		return &domain.ValidationError{Field: "body", Rule: "ended before it was complete"}
	}
}

// open begins to decode the body.
func (b *Body) open(ctx context.Context, encoding []string, limit int64) error {
	sent := int64(len(b.sent))
	packed := bytes.NewReader(b.sent)
	b.maxDecoded = min(limit, freeDecoded+sent*decodedPerByte)
	// About what the entries of a body take whose text is a tenth when compressed.
	expected := 24 * sent
	block := false // whether it is one block of snappy
	var err error
	switch strings.ToLower(strings.Join(encoding, ",")) {
	case "", "identity":
		b.whole, b.maxDecoded, expected = b.sent, limit, 4*sent
	case "gzip", "x-gzip":
		var z *gzip.Reader
		if z, err = gzip.NewReader(packed); err == nil {
			b.plain, b.closer = z, func() { _ = z.Close() }
		}
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow)); err == nil {
			b.plain, b.closer = z, z.Close
		}
	case "snappy":
		// The block says how large it is when it is decoded.
		block = true
		var size int
		if size, err = snappy.DecodedLen(b.sent); errors.Is(err, snappy.ErrTooLarge) || int64(size) > b.maxDecoded {
			return b.tooLarge()
		}
		expected = max(expected, int64(size))
	default:
		return problem.Refuse(problem.ErrUnsupportedMedia, "Content-Encoding must be gzip, zstd, snappy or identity")
	}
	if err != nil {
		return errEncoding
	}
	expected = min(expected, b.building.pool.Share-b.building.pool.Reserve)
	if err := b.building.pool.Await(ctx, b.building.caller, expected, expected <= smallBody); err != nil {
		return err
	}
	b.building.taken = expected
	if block {
		if b.whole, err = snappy.Decode([]byte{}, b.sent); err != nil {
			return errEncoding
		}
		b.built = int64(len(b.whole))
	}
	if b.plain == nil {
		b.plain = bytes.NewReader(b.whole)
	}
	return nil
}

var errEncoding = &domain.ValidationError{Field: "body", Rule: "must be encoded as Content-Encoding says"}

// Read returns decoded bytes, until the client has left.
func (b *Body) Read(p []byte) (int, error) {
	if err := b.left(); err != nil {
		return 0, err
	}
	n, err := b.plain.Read(p)
	if b.decoded += int64(n); b.decoded > b.maxDecoded {
		return 0, b.tooLarge()
	}
	if err != nil && err != io.EOF {
		return n, errEncoding
	}
	return n, err
}

// All returns the whole decoded body. It is valid until the body is closed.
func (b *Body) All() ([]byte, error) {
	if b.whole == nil {
		held := b.built
		whole, err := readAll(b, 0, func(n int64) error { return b.Build(held + n - b.built) })
		if err != nil {
			return nil, err
		}
		b.whole = whole
	}
	return b.whole, nil
}

// Record counts a log entry that the body has, whatever becomes of it. It fails when
// there are too many, and when the client has left.
func (b *Body) Record() error {
	if b.records++; b.records > b.maxRecords {
		return problem.Beyond(problem.ErrTooLarge, "log_entries", b.maxRecords, "a body of %d bytes must have at most %d log entries", len(b.sent), b.maxRecords)
	}
	return b.left()
}

// Spend counts what the store is given to do. Entries of one resource or stream each
// have its attributes, so that it may be many times as much as was sent.
func (b *Body) Spend(work int64) error {
	if b.work += work; b.work > b.maxWork {
		return problem.Beyond(problem.ErrTooLarge, "entry_bytes", b.maxWork, "the log entries of a body of %d bytes must have at most %d bytes, with the attributes of each", len(b.sent), b.maxWork)
	}
	return nil
}

// Build counts n bytes that are made of the body, or of the answer to it, and are
// held until it is closed.
func (b *Body) Build(n int64) error {
	if b.built += n; b.built > b.maxBuilt {
		return problem.Beyond(problem.ErrTooLarge, "built_bytes", b.maxBuilt, "what is made of a body must take at most %d bytes of memory", b.maxBuilt)
	}
	return b.building.hold(b.built)
}

// Settle gives back the memory that was taken and is not needed, when all is built.
func (b *Body) Settle() { b.building.free(b.built) }

// Close gives the memory back; what was read must not be used any longer.
func (b *Body) Close() {
	b.closer()
	b.arriving.free(0)
	b.building.free(0)
}

func (b *Body) tooLarge() error {
	return problem.Beyond(problem.ErrTooLarge, "body_bytes", b.maxDecoded, "a body of %d bytes must be at most %d bytes when it is decompressed", len(b.sent), b.maxDecoded)
}

func tooLarge(limit int64) error {
	return problem.Beyond(problem.ErrTooLarge, "body_bytes", limit, "the body must be at most %d bytes, decompressed too", limit)
}
