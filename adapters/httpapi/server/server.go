// Package server runs a handler on a TCP address, with bounds on what slow or many
// clients may take, and stops without losing an answer.
package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"logsift/adapters/httpapi/reload"
)

// Defaults of a [Config].
const (
	DefaultAddr              = "127.0.0.1:8080"
	DefaultReadHeaderTimeout = 5 * time.Second
	DefaultReadTimeout       = 60 * time.Second
	DefaultWriteTimeout      = 120 * time.Second
	DefaultIdleTimeout       = 120 * time.Second
	DefaultMaxHeaderBytes    = 64 << 10
	DefaultMaxConnections    = 4096
)

// Config configures a [Server]. The zero value works.
type Config struct {
	// Addr is host:port; port 0 picks one. "" is DefaultAddr.
	Addr string
	// ReadHeaderTimeout bounds the arrival of a request's head. 0 is
	// DefaultReadHeaderTimeout.
	ReadHeaderTimeout time.Duration
	// ReadTimeout bounds the arrival of a request, its body included. 0 is
	// DefaultReadTimeout.
	ReadTimeout time.Duration
	// WriteTimeout bounds the time from a request's head to the end of its
	// answer, so it should exceed ReadTimeout. 0 is DefaultWriteTimeout.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection waits for its next request. 0 is
	// DefaultIdleTimeout.
	IdleTimeout time.Duration
	// MaxHeaderBytes bounds a request's head; net/http grants 4 KiB more. 0 is
	// DefaultMaxHeaderBytes.
	MaxHeaderBytes int
	// MaxConnections is how many connections are open at the same time, three quarters
	// of them from one address. Where there is no room, the one closes that has waited
	// longest for a request; if all are at work, new ones wait, or are closed if they
	// are of an address that has too many. 0 is DefaultMaxConnections.
	MaxConnections int
	// OnShutdown is called when Shutdown begins, to end what would go on for ever,
	// such as httpapi.API.Close. Nil: nothing.
	OnShutdown func()
	// TLS has the server speak TLS, and HTTP/2 to those who know it; see [NewTLS]. Nil
	// is plain HTTP.
	TLS *tls.Config
	// Logger gets what goes wrong with connections, at debug level. Nil logs
	// nothing.
	Logger *zap.Logger
}

// Server serves a handler on a TCP address: Listen, then Serve, then Shutdown,
// once each.
type Server struct {
	addr     string
	server   *http.Server
	requests *inFlight
	most     int // connections

	mu       sync.Mutex // guards listener, which Shutdown may close before Serve has it
	listener *connections
}

// New returns a server of the handler that does not listen yet.
func New(handler http.Handler, cfg Config) *Server {
	logger := cfg.Logger
	if logger == nil {
		logger = zap.NewNop()
	}
	var errorLog *log.Logger
	if l, err := zap.NewStdLogAt(logger, zap.DebugLevel); err == nil {
		errorLog = l
	}
	inFlight := newInFlight()
	s := &Server{
		requests: inFlight,
		addr:     cmp.Or(cfg.Addr, DefaultAddr), most: cmp.Or(cfg.MaxConnections, DefaultMaxConnections),
		server: &http.Server{
			Handler:           inFlight.count(handler),
			ReadHeaderTimeout: cmp.Or(cfg.ReadHeaderTimeout, DefaultReadHeaderTimeout),
			ReadTimeout:       cmp.Or(cfg.ReadTimeout, DefaultReadTimeout),
			WriteTimeout:      cmp.Or(cfg.WriteTimeout, DefaultWriteTimeout),
			IdleTimeout:       cmp.Or(cfg.IdleTimeout, DefaultIdleTimeout),
			MaxHeaderBytes:    cmp.Or(cfg.MaxHeaderBytes, DefaultMaxHeaderBytes),
			TLSConfig:         cfg.TLS,
			ErrorLog:          errorLog,
		},
	}
	if cfg.OnShutdown != nil {
		s.server.RegisterOnShutdown(cfg.OnShutdown)
	}
	return s
}

// NewTLS returns what a server needs to speak TLS 1.2 or newer with the certificate
// and key of these PEM files. They are read again when they change; what goes wrong
// with that goes to failed, and the certificate from before stays in use.
func NewTLS(certFile, keyFile string, now func() time.Time, failed func(error)) (*tls.Config, error) {
	certificate, err := reload.New(func() []string { return []string{certFile, keyFile} }, func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		return &pair, err
	}, now, failed)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate.Get(), nil },
	}, nil
}

// Listen opens the address and returns it with its port. Connections wait until
// Serve is called.
func (s *Server) Listen(ctx context.Context) (net.Addr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return nil, errors.New("the server listens already")
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", s.addr, err)
	}
	connections := newConnections(listener, s.most)
	s.listener, s.server.ConnState = connections, connections.state
	return listener.Addr(), nil
}

// Serve answers requests until Shutdown is called, and then returns nil at once;
// Shutdown waits for the requests that are under way.
func (s *Server) Serve() error {
	s.mu.Lock()
	listener := s.listener
	s.mu.Unlock()
	if listener == nil {
		return errors.New("the server does not listen: call Listen before Serve")
	}
	serve := s.server.Serve
	if s.server.TLSConfig != nil {
		serve = func(l net.Listener) error { return s.server.ServeTLS(l, "", "") }
	}
	if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	}
	return nil
}

// arrivalGrace is how long a request may still take to arrive after Shutdown began.
const arrivalGrace = time.Second

// answerPoll is how often Shutdown looks whether all answers are sent.
const answerPoll = 5 * time.Millisecond

// Shutdown takes no more requests and waits for those under way. Those that have not
// arrived a second later are cut once no other is carried out: nothing was done for
// them. If ctx ends first, it cuts all connections and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- s.server.Shutdown(ctx) }()
	s.mu.Lock()
	listener := s.listener
	s.mu.Unlock()
	err := s.awaitRequests(done, listener)
	if listener != nil {
		_ = listener.Close() // closed already, unless Serve was never called
	}
	if err != nil {
		_ = s.server.Close() // the reason to stop waiting is the error to return
		return fmt.Errorf("shut down the server: %w", err)
	}
	return nil
}

// awaitRequests waits for the requests under way of these connections, for which done has
// the outcome.
func (s *Server) awaitRequests(done <-chan error, from *connections) error {
	grace := time.NewTimer(arrivalGrace)
	defer grace.Stop()
	select {
	case err := <-done:
		return err
	case <-grace.C:
	}
	for !s.requests.close() {
		select {
		case err := <-done:
			return err
		case <-s.requests.idle:
		}
	}
	// A handler that has ended may have left its answer to be sent.
	tick := time.NewTicker(answerPoll)
	defer tick.Stop()
	for from != nil && from.working() > s.requests.waiting() {
		select {
		case err := <-done:
			return err
		case <-tick.C:
		}
	}
	_ = s.server.Close() // there is nobody to tell
	return <-done
}
