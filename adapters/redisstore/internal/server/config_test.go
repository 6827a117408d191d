package server

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	t.Run("one server", func(t *testing.T) {
		t.Parallel()
		o, err := parseURL("redis://user:secret@example.test:6380/3")
		require.NoError(t, err)
		require.Equal(t, []string{"example.test:6380"}, o.Addrs)
		require.Equal(t, "user", o.Username)
		require.Equal(t, "secret", o.Password)
		require.Equal(t, 3, o.DB)
		require.Nil(t, o.TLSConfig)
	})
	t.Run("one server over TLS", func(t *testing.T) {
		t.Parallel()
		o, err := parseURL("rediss://example.test")
		require.NoError(t, err)
		require.NotNil(t, o.TLSConfig)
	})
	t.Run("a Sentinel group", func(t *testing.T) {
		t.Parallel()
		o, err := parseURL("redis+sentinel://:secret@a:26379,b:26380/2?master=main")
		require.NoError(t, err)
		require.Equal(t, []string{"a:26379", "b:26380"}, o.Addrs)
		require.Equal(t, "main", o.MasterName)
		require.Equal(t, "secret", o.Password)
		require.Empty(t, o.SentinelUsername+o.SentinelPassword, "the sentinels do not get the password of the data")
		require.Equal(t, 2, o.DB)
	})
	t.Run("a Sentinel group whose sentinels have credentials", func(t *testing.T) {
		t.Parallel()
		o, err := parseURL("redis+sentinel://user:secret@a:26379/0?master=main&sentinel_user=watch&sentinel_password=s%26t&pool_size=7")
		require.NoError(t, err)
		require.Equal(t, [4]string{"user", "secret", "watch", "s&t"}, [4]string{o.Username, o.Password, o.SentinelUsername, o.SentinelPassword})
		require.Equal(t, 7, o.PoolSize)
	})
	t.Run("a Cluster over TLS", func(t *testing.T) {
		t.Parallel()
		o, err := parseURL("redis+cluster://a:1,b:2?tls=true")
		require.NoError(t, err)
		require.Equal(t, []string{"a:1", "b:2"}, o.Addrs)
		require.True(t, o.IsClusterMode)
		require.NotNil(t, o.TLSConfig)
	})
	for name, c := range map[string]struct{ url, want string }{
		"no scheme":                            {"localhost:6379", "redis://host:port"},
		"an unknown scheme":                    {"http://secret@localhost", "unknown scheme"},
		"a database that is none":              {"redis://:secret@localhost/x", "malformed"},
		"a Sentinel without name":              {"redis+sentinel://:secret@a:1", "master=NAME"},
		"a Cluster with database":              {"redis+cluster://:secret@a:1/2", "database"},
		"a Cluster with a master":              {"redis+cluster://:secret@a:1?master=x", "master"},
		"a Cluster with a sentinel's password": {"redis+cluster://:secret@a:1?sentinel_password=secret", "sentinel"},
		"a tls that is no boolean":             {"redis+cluster://:secret@a:1?tls=perhaps", "tls"},
		"a malformed query":                    {"redis://:secret@localhost/0?x=%zz", "query"},
		"a malformed port":                     {"redis://:secret@localhost:port/0", "malformed"},
	} {
		t.Run(name+" is refused without showing the password", func(t *testing.T) {
			t.Parallel()
			err := ValidateURL(c.url)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestOlderThan(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"6.0.16": true, "6.2.0": false, "7.0.15": false, "10.1": false, "5": true, "7": false, "odd": false,
	} {
		require.Equal(t, want, olderThan(version, minVersion), version)
	}
}
