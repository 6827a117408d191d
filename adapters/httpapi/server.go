package httpapi

import (
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
	"golang.org/x/net/netutil"

	"logsift/adapters/httpapi/reload"
)

// Defaults of a [ServerConfig].
const (
	DefaultAddr              = "127.0.0.1:8080"
	DefaultReadHeaderTimeout = 5 * time.Second
	DefaultReadTimeout       = 60 * time.Second
	DefaultWriteTimeout      = 120 * time.Second
	DefaultIdleTimeout       = 120 * time.Second
	DefaultMaxHeaderBytes    = 64 << 10
	DefaultMaxConnections    = 4096
)

// ServerConfig configures a [Server]. The zero value works.
type ServerConfig struct {
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
	// MaxConnections is how many connections are served at the same time; those beyond
	// wait until one ends. 0 is DefaultMaxConnections.
	MaxConnections int
	// OnShutdown is called when Shutdown begins, to end what would go on for ever,
	// such as [API.EndStreams]. Nil: nothing.
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
	addr   string
	server *http.Server
	most   int // connections

	mu       sync.Mutex // guards listener, which Shutdown may close before Serve has it
	listener net.Listener
}

// NewServer returns a server of the handler that does not listen yet.
func NewServer(handler http.Handler, cfg ServerConfig) *Server {
	logger := cfg.Logger
	if logger == nil {
		logger = zap.NewNop()
	}
	var errorLog *log.Logger
	if l, err := zap.NewStdLogAt(logger, zap.DebugLevel); err == nil {
		errorLog = l
	}
	s := &Server{
		addr: orDefault(cfg.Addr, DefaultAddr), most: orDefault(cfg.MaxConnections, DefaultMaxConnections),
		server: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: orDefault(cfg.ReadHeaderTimeout, DefaultReadHeaderTimeout),
			ReadTimeout:       orDefault(cfg.ReadTimeout, DefaultReadTimeout),
			WriteTimeout:      orDefault(cfg.WriteTimeout, DefaultWriteTimeout),
			IdleTimeout:       orDefault(cfg.IdleTimeout, DefaultIdleTimeout),
			MaxHeaderBytes:    orDefault(cfg.MaxHeaderBytes, DefaultMaxHeaderBytes),
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
	certificate, err := reload.New([]string{certFile, keyFile}, func() (*tls.Certificate, error) {
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
	s.listener = netutil.LimitListener(listener, s.most)
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

// Shutdown takes no more requests and waits for those under way. If ctx ends
// first, it cuts their connections and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	s.mu.Lock()
	listener := s.listener
	s.mu.Unlock()
	if listener != nil {
		_ = listener.Close() // closed already, unless Serve was never called
	}
	if err != nil {
		_ = s.server.Close() // the reason to stop waiting is the error to return
		return fmt.Errorf("shut down the server: %w", err)
	}
	return nil
}
