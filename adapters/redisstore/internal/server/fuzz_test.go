package server

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// FuzzParseURL checks that a URL gives options or an error that shows nothing of
// the password.
func FuzzParseURL(f *testing.F) {
	for _, scheme := range []string{"redis", "rediss", "redis+sentinel", "redis+cluster", "unix", ""} {
		f.Add(scheme, "passw0rd", "host:6379", "/0", "master=m&tls=true")
		f.Add(scheme, "s3cr#t123", "host:1,host:2", "/x", "protocol=3&pool_size=x&bogus=1")
		f.Add(scheme, "pa55/w0rd", "", "", "%zz")
		f.Add(scheme, "pa55?w0rd%zz", "[::1", "/99999999999999999999", "db=passw0rd;")
	}
	f.Fuzz(func(t *testing.T, scheme, password, host, path, query string) {
		options, err := parseURL(scheme + "://user:" + password + "@" + host + path + "?" + query)
		if err == nil {
			require.NotEmpty(t, options.Addrs)
			return
		}
		require.ErrorIs(t, err, domain.ErrInvalid)
		for _, part := range strings.FieldsFunc(password, func(r rune) bool { return strings.ContainsRune("/?#@:", r) }) {
			// A part that is short, or a word, may be in the text for another reason.
			if len(part) >= 4 && strings.ContainsAny(part, "0123456789") && !strings.Contains(scheme+host+path+query, part) {
				require.NotContains(t, err.Error(), part)
			}
		}
	})
}

// FuzzParseInfo checks that what a server says of itself is read or refused.
func FuzzParseInfo(f *testing.F) {
	f.Add("# Server\r\nredis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\nrole:master\r\naof_enabled:1\r\n")
	f.Add("redis_version:\r\nredis_version")
	f.Add("redis_version:99999999999999999999.-1.x\r\nrole:slave")
	f.Fuzz(func(t *testing.T, text string) {
		info := ParseInfo(text)
		for name := range info {
			require.NotContains(t, name, "\n")
		}
		c := &Client{Config: Config{}.withDefaults()}
		if _, err := c.checkInfo("host:6379", info); err != nil {
			require.NotEmpty(t, err.Error())
		}
	})
}
