package bootstrap

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/reload"
	"logsift/domain"
)

// apiKeys are the keys of the API as they are now; nil where none are asked for.
type apiKeys func() apikey.Keys

// auditLog is where the API tells of changes.
type auditLog struct{ *zap.Logger }

func accessModule() fx.Option {
	return fx.Module("access", fx.Provide(newKeys, newAuditLog))
}

// newKeys reads the keys and refuses an address that others can reach if none of them
// is in use.
func newKeys(config Config, logger *zap.Logger) (apiKeys, error) {
	if config.Addr == "" && config.MetricsAddr == "" || config.Keys == "" {
		return nil, nil
	}
	value, err := reload.New([]string{config.Keys}, func() (apikey.Keys, error) { return apikey.Load(config.Keys) }, time.Now, func(err error) {
		logger.Error("the API keys have changed and cannot be read; those from before stay in use", zap.Error(err))
	})
	if err != nil {
		return nil, &domain.ValidationError{Field: "keys", Rule: "cannot be used: " + err.Error()}
	}
	if !value.Get().Usable(time.Now()) {
		if err := config.checkOpen("none of the API keys in " + config.Keys + " is in use"); err != nil {
			return nil, err
		}
	}
	return value.Get, nil
}

// ValidateOpen refuses an address that other machines can reach if no keys are set,
// which a process does that serves there. The error is a *domain.ValidationError.
func (c *Config) ValidateOpen() error {
	if c.Keys != "" {
		return nil
	}
	return c.checkOpen("no API keys are set")
}

// checkOpen refuses an address that other machines can reach, unless that is wanted
// without keys.
func (c *Config) checkOpen(lack string) error {
	return errors.Join(c.checkAddress("addr", c.Addr, lack), c.checkAddress("metrics-addr", c.MetricsAddr, lack))
}

func (c *Config) checkAddress(setting, addr, lack string) error {
	if c.InsecureNoAuth || addr == "" || loopback(addr) {
		return nil
	}
	file := c.Keys
	if file == "" {
		file = "keys.yaml"
	}
	return &domain.ValidationError{Field: setting, Rule: fmt.Sprintf(
		"%s is reachable from other machines, and %s: make one with \"logsift key create --keys %s --role admin --name NAME\" and set --keys %s, "+
			"or listen on 127.0.0.1 only, or let everybody in with --insecure-no-auth", addr, lack, file, file)}
}

// loopback reports whether only this machine can reach an address.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// hosts are the names that a server at the address answers to; none for any. On the
// loopback address other names are kept away, by which a browser could be led to it.
func (c *Config) hosts(addr string) []string {
	if !loopback(addr) {
		return c.AllowedHosts
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return c.AllowedHosts
	}
	return append([]string{"localhost", "127.0.0.1", "::1", host}, c.AllowedHosts...)
}

// newAuditLog returns the audit log: lines of JSON at the end of a file, or in the
// program's own log.
func newAuditLog(config Config, logger *zap.Logger, o *opened) (auditLog, error) {
	if config.AuditLog == "" {
		return auditLog{logger.Named("audit")}, nil
	}
	out := zapcore.Lock(os.Stderr)
	if config.AuditLog != "-" {
		file, err := openAppendOnly(config.AuditLog, func(err error) {
			logger.Error("a line of the audit log was lost", zap.Error(err))
		})
		if err != nil {
			return auditLog{}, &domain.ValidationError{Field: "audit-log", Rule: "cannot be opened: " + err.Error()}
		}
		o.add(file.Close)
		out = file
	}
	encoder := zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		TimeKey: "time", MessageKey: "action", LineEnding: "\n",
		EncodeTime: zapcore.RFC3339NanoTimeEncoder, EncodeDuration: zapcore.SecondsDurationEncoder,
	})
	// A line that cannot be written is told of by the file.
	return auditLog{zap.New(zapcore.NewCore(encoder, out, zapcore.DebugLevel), zap.ErrorOutput(zapcore.AddSync(discard{})))}, nil
}

// discard drops what zap would print to standard error by itself.
type discard struct{}

// Write implements io.Writer.
func (discard) Write(p []byte) (int, error) { return len(p), nil }

// appendOnly writes to the end of a file, each line by one write. It opens the path
// again when the file was renamed or removed, as programs do that rotate logs, which
// it sees within a second.
type appendOnly struct {
	path   string
	failed func(error)

	mu     sync.Mutex // guards what follows
	file   *os.File
	looked time.Time
}

// openAppendOnly opens a file that its owner only can read. Errors of writing go to
// failed.
func openAppendOnly(path string, failed func(error)) (*appendOnly, error) {
	a := &appendOnly{path: path, failed: failed, looked: time.Now()}
	return a, a.open()
}

func (a *appendOnly) open() error {
	file, err := os.OpenFile(a.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if a.file != nil {
		_ = a.file.Close() // What was written to it is written.
	}
	a.file = file
	return nil
}

// Write implements io.Writer.
func (a *appendOnly) Write(line []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := time.Now(); now.Sub(a.looked) >= time.Second {
		a.looked = now
		if a.moved() {
			if err := a.open(); err != nil {
				a.failed(err) // The file that is open still takes the line.
			}
		}
	}
	n, err := a.file.Write(line)
	if err != nil {
		a.failed(err)
	}
	return n, err
}

// moved reports whether the path is no longer that of the open file.
func (a *appendOnly) moved() bool {
	at, err := os.Stat(a.path)
	if errors.Is(err, os.ErrNotExist) {
		return true
	}
	mine, mineErr := a.file.Stat()
	return err == nil && mineErr == nil && !os.SameFile(at, mine)
}

// Sync implements zapcore.WriteSyncer: lines are in the hands of the system when they
// are written.
func (a *appendOnly) Sync() error { return nil }

// Close closes the file.
func (a *appendOnly) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.file.Close()
}
