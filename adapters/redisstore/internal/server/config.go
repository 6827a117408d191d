package server

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"logsift/domain"
)

// DefaultNamespace is the prefix of all keys, and DefaultCallTimeout the bound of a
// call, unless others are given.
const (
	DefaultNamespace   = "logsift"
	DefaultCallTimeout = 5 * time.Second
)

// Config says which Redis to use and how. Only URL is needed.
type Config struct {
	// URL names the server:
	//
	//	redis://[user:password@]host:port/db          one server
	//	rediss://…                                    the same over TLS
	//	redis+sentinel://[user:password@]host:port[,host:port…]/db?master=NAME
	//	redis+cluster://[user:password@]host:port[,host:port…]
	//
	// The last two take tls=true for TLS. User and password are for the servers
	// that hold the data; sentinels that ask for some too get those of the
	// parameters sentinel_user and sentinel_password.
	//
	// With TLS, ca_file=FILE names the certificates, in PEM, that are trusted instead
	// of those of the system, and cert_file=FILE with key_file=FILE those that the
	// server is shown if it asks for some. They are read when the store is opened.
	URL string
	// Namespace is the prefix of all keys, so that several systems can share a
	// Redis. It defaults to "logsift".
	Namespace string
	// Partitions is over how many partitions, 1 to 64, the queue is spread, and so
	// over how many nodes of a Cluster it can be; see [TaskQueue] for what that
	// costs. It must be the same for every process; changing it needs an empty
	// queue. It defaults to 1.
	Partitions int
	// CallTimeout bounds each call, whatever its context; one that moves tasks may take
	// as much longer as their bytes do on a slow line. It defaults to 5 s, and must be
	// less than any lease.
	CallTimeout time.Duration
	// IOTimeout bounds one dial, and how long a call may pass without a byte that comes
	// or goes. It defaults to 2 s.
	IOTimeout time.Duration
	// PollInterval is how often a waiting Dequeue looks although nothing woke
	// it, in case a wake-up was lost. It defaults to 5 s.
	PollInterval time.Duration
	// AllowEviction accepts a server whose eviction policy may drop tasks.
	AllowEviction bool
	// ClockOffset moves the store's clock in tests. It is nil in production.
	ClockOffset func() time.Duration
}

func (c Config) withDefaults() Config {
	if c.Namespace == "" {
		c.Namespace = DefaultNamespace
	}
	if c.Partitions == 0 {
		c.Partitions = 1
	}
	if c.CallTimeout <= 0 {
		c.CallTimeout = DefaultCallTimeout
	}
	if c.IOTimeout <= 0 {
		c.IOTimeout = 2 * time.Second
	}
	if c.PollInterval <= 0 {
		c.PollInterval = 5 * time.Second
	}
	return c
}

// ValidateURL checks the form of a Redis URL without connecting. The error
// names what is wrong and never shows a password.
func ValidateURL(raw string) error {
	raw, files, err := cutTLSFiles(raw)
	if err != nil {
		return err
	}
	opts, err := parseURL(raw)
	if err != nil {
		return err
	}
	return files.check(opts)
}

// readOptions returns the options of a URL, with the certificates of its files.
func readOptions(raw string) (*redis.UniversalOptions, error) {
	raw, files, err := cutTLSFiles(raw)
	if err != nil {
		return nil, err
	}
	opts, err := parseURL(raw)
	if err != nil {
		return nil, err
	}
	if err := files.check(opts); err != nil {
		return nil, err
	}
	return opts, files.read(opts.TLSConfig)
}

// parseURL turns a URL into go-redis options. Errors never show the URL, which
// may hold a password.
func parseURL(raw string) (*redis.UniversalOptions, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return nil, urlError("must look like redis://host:port/db")
	}
	switch scheme {
	case "redis", "rediss":
		// redis.ParseURL passes over a query that it cannot read.
		if _, query, _ := strings.Cut(rest, "?"); query != "" {
			if _, err := url.ParseQuery(query); err != nil {
				return nil, urlError("has a malformed query")
			}
		}
		o, err := redis.ParseURL(raw)
		if err != nil {
			return nil, urlError(reasonOf(err))
		}
		return &redis.UniversalOptions{
			Addrs: []string{o.Addr}, Username: o.Username, Password: o.Password, DB: o.DB,
			TLSConfig: o.TLSConfig, PoolSize: o.PoolSize, Protocol: o.Protocol,
		}, nil
	case "redis+sentinel", "redis+cluster":
		return parseGroupURL(scheme, rest)
	default:
		return nil, urlError("has an unknown scheme; use redis, rediss, redis+sentinel or redis+cluster")
	}
}

// parseGroupURL reads a URL with several hosts. The first host goes through
// redis.ParseURL with everything else, so that both forms read alike.
func parseGroupURL(scheme, rest string) (*redis.UniversalOptions, error) {
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	user := ""
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		user, authority = authority[:i+1], authority[i+1:]
	}
	hosts := strings.Split(authority, ",")
	path, query, _ := strings.Cut(tail, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, urlError("has a malformed query")
	}
	master, useTLS := values.Get("master"), false
	sentinelUser, sentinelPassword := values.Get("sentinel_user"), values.Get("sentinel_password")
	if v := values.Get("tls"); v != "" {
		if useTLS, err = strconv.ParseBool(v); err != nil {
			return nil, urlError("has a tls that is neither true nor false")
		}
	}
	for _, ours := range []string{"master", "tls", "sentinel_user", "sentinel_password"} {
		values.Del(ours)
	}
	base := "redis"
	if useTLS {
		base = "rediss"
	}
	o, err := redis.ParseURL(base + "://" + user + hosts[0] + path + "?" + values.Encode())
	if err != nil {
		return nil, urlError(reasonOf(err))
	}
	if o.TLSConfig != nil {
		// Each server has the name of its own, which is taken from its address.
		o.TLSConfig.ServerName = ""
	}
	opts := &redis.UniversalOptions{
		Addrs: hosts, Username: o.Username, Password: o.Password, DB: o.DB,
		TLSConfig: o.TLSConfig, PoolSize: o.PoolSize, Protocol: o.Protocol,
	}
	switch {
	case scheme == "redis+sentinel" && master == "":
		return nil, urlError("must name the master: redis+sentinel://host:port/db?master=NAME")
	case scheme == "redis+sentinel":
		opts.MasterName = master
		opts.SentinelUsername, opts.SentinelPassword = sentinelUser, sentinelPassword
	case sentinelUser != "" || sentinelPassword != "":
		return nil, urlError("has credentials of a sentinel, which only redis+sentinel takes")
	case master != "":
		return nil, urlError("has a master, which only redis+sentinel takes")
	case o.DB != 0:
		return nil, urlError("must not name a database: a Cluster has only 0")
	default:
		opts.IsClusterMode = true
	}
	return opts, nil
}

func urlError(rule string) error {
	return &domain.ValidationError{Field: "redis URL", Rule: rule}
}

// reasons are words of the parsers of URLs that show nothing of one.
var reasons = []string{
	"invalid port", "invalid userinfo", "invalid URL escape", "invalid character", "invalid control character", "missing ']' in host",
	"invalid database number", "invalid URL path", "unexpected option", "invalid host",
}

// reasonOf says why a URL cannot be parsed, in fixed words: the parsers quote what
// they take for the port, the path or an option, and that is a part of the
// password wherever it holds one of "/?#" that was not escaped.
func reasonOf(err error) string {
	for _, reason := range reasons {
		if strings.Contains(err.Error(), reason) {
			return "is malformed (" + reason + "); special characters of the password must be percent-encoded"
		}
	}
	return "is malformed"
}
