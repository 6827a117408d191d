package httpapi

import (
	"cmp"
	"time"

	"logsift/adapters/httpapi/request"
)

// Defaults of a [Config].
const (
	DefaultMaxTaskBytes     = 2 << 20
	DefaultMaxBodyBytes     = 32 << 20
	DefaultMaxBufferedBytes = 256 << 20
	DefaultMaxLogEntries    = 250_000
	DefaultMaxHeadBytes     = 16 << 10
	DefaultReadyTimeout     = 2 * time.Second
	DefaultBodyPause        = 10 * time.Second
	DefaultBodyTimeout      = 60 * time.Second

	// MaxTaskWait is how long a request may wait for a task.
	MaxTaskWait = time.Minute
	// waitsPerStream is how many requests may wait for each stream of events.
	waitsPerStream = 10

	DefaultMaxClaims          = 1000
	DefaultMaxStreams         = 200
	DefaultStreamKeepAlive    = 15 * time.Second
	DefaultStreamWriteTimeout = 10 * time.Second
)

// Config configures an [API]. The zero value works.
type Config struct {
	// AllowedHosts are the names that a request may ask for in its Host header,
	// without port; others get 421. Empty allows any. A server on the loopback
	// address should allow only the names of that.
	AllowedHosts []string
	// TrustedProxies are the networks of proxies whose X-Forwarded-For or Forwarded
	// names the client of a request.
	TrustedProxies request.Proxies
	// BehindTLS is whether clients speak TLS to a proxy before the server, so that
	// browsers are to use nothing else.
	BehindTLS bool
	// Retention is how long finished tasks are kept, FailedRetention how long FAILED ones, if that
	// is longer: tasks tell their end by it. 0 tells none but that of a task with a retention of its own.
	Retention, FailedRetention time.Duration
	// MaxTaskBytes bounds the body of one task, as sent and decompressed. 0 is
	// DefaultMaxTaskBytes.
	MaxTaskBytes int64
	// MaxBodyBytes bounds a body of logs or of a batch of tasks, as sent and
	// decompressed. 0 is DefaultMaxBodyBytes.
	MaxBodyBytes int64
	// MaxBufferedBytes bounds what is held of all bodies that are being worked on, with
	// what is built of them: half of it for one request, and a little more for one
	// caller. Another half of it bounds the bodies that still arrive. A request waits
	// for room, and gets 503, or 429 if the room is its own caller's, when there is
	// none. It is at least four times MaxBodyBytes. 0 is DefaultMaxBufferedBytes.
	MaxBufferedBytes int64
	// MaxLogEntries bounds the entries of one request, refused ones included; a request
	// of few bytes may have less. 0 is DefaultMaxLogEntries.
	MaxLogEntries int
	// LogZone is the zone of times of log entries that name none, in requests that name
	// none either. Nil is UTC.
	LogZone *time.Location
	// BodyPause is how long a body may be without 16 KiB more of it, or its end, and
	// BodyTimeout how long it may take to arrive; then it gets 408. 0 is
	// DefaultBodyPause and DefaultBodyTimeout.
	BodyPause, BodyTimeout time.Duration
	// MaxHeadBytes bounds a request's line and headers; it is to be below the server's
	// MaxHeaderBytes, whose answer names no limit. 0 is DefaultMaxHeadBytes.
	MaxHeadBytes int
	// RateLimit is how many requests a second a caller may send, and twice as many,
	// but at least 20, at once. 0 is without bound.
	RateLimit int
	// ReadyTimeout is how long a readiness check may take. 0 is
	// DefaultReadyTimeout.
	ReadyTimeout time.Duration
	// MaxClaims bounds the claims of workers that wait at once; one more gets 503. A
	// caller may have half of them; one more gets 429. 0 is DefaultMaxClaims.
	MaxClaims int
	// MaxStreams bounds the streams of events that are open at once; one more gets
	// 503. A caller may have half of them; one more gets 429. Ten times as many requests
	// may wait for a task. 0 is DefaultMaxStreams.
	MaxStreams int
	// StreamKeepAlive is how long such a stream is silent at most. 0 is
	// DefaultStreamKeepAlive.
	StreamKeepAlive time.Duration
	// StreamWriteTimeout is how long a client may take to accept what a stream
	// sends; then it is cut off. 0 is DefaultStreamWriteTimeout.
	StreamWriteTimeout time.Duration
}

func (c Config) withDefaults() Config {
	c.MaxTaskBytes = cmp.Or(c.MaxTaskBytes, DefaultMaxTaskBytes)
	c.MaxBodyBytes = cmp.Or(c.MaxBodyBytes, DefaultMaxBodyBytes)
	c.MaxBufferedBytes = max(cmp.Or(c.MaxBufferedBytes, DefaultMaxBufferedBytes), 4*c.MaxBodyBytes)
	c.MaxLogEntries = cmp.Or(c.MaxLogEntries, DefaultMaxLogEntries)
	c.MaxHeadBytes = cmp.Or(c.MaxHeadBytes, DefaultMaxHeadBytes)
	c.ReadyTimeout = cmp.Or(c.ReadyTimeout, DefaultReadyTimeout)
	c.BodyPause = cmp.Or(c.BodyPause, DefaultBodyPause)
	c.BodyTimeout = cmp.Or(c.BodyTimeout, DefaultBodyTimeout)
	c.MaxClaims = cmp.Or(c.MaxClaims, DefaultMaxClaims)
	c.MaxStreams = cmp.Or(c.MaxStreams, DefaultMaxStreams)
	c.StreamKeepAlive = cmp.Or(c.StreamKeepAlive, DefaultStreamKeepAlive)
	c.StreamWriteTimeout = cmp.Or(c.StreamWriteTimeout, DefaultStreamWriteTimeout)
	return c
}
