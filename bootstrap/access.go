package bootstrap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"logsift/adapters/httpapi"
	"logsift/adapters/httpapi/apikey"
	"logsift/domain"
)

// apiKeys is the file of the API keys; its file is nil where none are asked for.
type apiKeys struct{ file *apikey.File }

// current returns what gives the keys as they are now, nil where none are asked for.
func (k apiKeys) current() func() apikey.Keys {
	if k.file == nil {
		return nil
	}
	return k.file.Keys
}

// ready tells whether callers can be let in by their keys.
func (k apiKeys) ready() error {
	if k.file == nil {
		return nil
	}
	switch kept, err := k.file.State(); {
	case kept:
		return &httpapi.ComponentError{Degraded: true, Reason: "the file of the API keys cannot be read; its last keys are good for a minute", Detail: err.Error()}
	case err != nil:
		return &httpapi.ComponentError{Reason: "the file of the API keys cannot be used, so that no key is good", Detail: err.Error()}
	case !k.file.Keys().Usable(time.Now()):
		return &httpapi.ComponentError{Degraded: true, Reason: "all API keys have expired or were revoked"}
	}
	return nil
}

// auditLog is where the API writes changes.
type auditLog struct{ *zap.Logger }

func accessModule() fx.Option {
	return fx.Module("access", fx.Provide(newKeys, newAuditLog))
}

// newKeys reads the keys and refuses an address that others can reach if none of them
// is in use.
func newKeys(config Config, logger *zap.Logger) (apiKeys, error) {
	if config.Addr == "" && config.MetricsAddr == "" || config.Keys == "" {
		return apiKeys{}, nil
	}
	file, err := apikey.Open(config.Keys, time.Now, func(err error) {
		logger.Error("the API keys have changed and cannot be read; no key is valid from now on, or at the latest in a minute", zap.Error(err))
	})
	if err != nil {
		return apiKeys{}, &domain.ValidationError{Field: "keys", Rule: "cannot be used: " + err.Error()}
	}
	if !file.Keys().Usable(time.Now()) {
		if err := config.checkOpen("none of the API keys in " + config.Keys + " is in use"); err != nil {
			return apiKeys{}, err
		}
	}
	return apiKeys{file}, nil
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

// trustedProxies reads the setting. The error is a *domain.ValidationError.
func (c *Config) trustedProxies() ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(c.TrustedProxies))
	for _, text := range c.TrustedProxies {
		network, err := netip.ParsePrefix(text)
		if addr, single := netip.ParseAddr(text); err != nil && single == nil {
			network, err = addr.Unmap().WithZone("").Prefix(addr.Unmap().BitLen())
		}
		if err != nil || network.Addr().Is4In6() { // Addresses are compared as IPv4, so that such a network has none.
			return nil, &domain.ValidationError{Field: "trusted-proxies", Value: text, Rule: "must be addresses or networks, such as 10.0.0.7 or 10.0.0.0/8"}
		}
		out = append(out, network)
	}
	return out, nil
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
	// The file reports a line that cannot be written.
	return auditLog{zap.New(zapcore.NewCore(printableEncoder{encoder, false}, out, zapcore.DebugLevel), zap.ErrorOutput(zapcore.AddSync(discard{})))}, nil
}

// discard drops what zap would print to standard error by itself.
type discard struct{}

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

// moved reports whether the path no longer names the open file.
func (a *appendOnly) moved() bool {
	at, err := os.Stat(a.path)
	if errors.Is(err, os.ErrNotExist) {
		return true
	}
	mine, mineErr := a.file.Stat()
	return err == nil && mineErr == nil && !os.SameFile(at, mine)
}

// Sync has nothing to do: Write hands each line to the system.
func (a *appendOnly) Sync() error { return nil }

// Close closes the file.
func (a *appendOnly) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.file.Close()
}
