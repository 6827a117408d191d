package redisstore_test

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore"
	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/redistest"
	"logsift/ports"
	"logsift/ports/portstest"
)

// usersFile is the ACL file that operators are given.
const usersFile = "../../deploy/redis/users.acl"

const (
	userPassword  = "pass-word/?@:#"
	adminPassword = "admin"
)

// elsewhere are commands of the user that a single server is not sent in this test.
var elsewhere = map[string]string{
	"select":        "of a URL with a database",
	"cluster|slots": "of a Cluster", "command": "of a Cluster", "readonly": "of a Cluster",
	"auth": "of servers without HELLO",
	"ping": "of a subscription that has heard nothing for a while",
}

// secureServer speaks TLS and has the user of the ACL file, and one for the test.
type secureServer struct {
	*redistest.SecureServer

	worlds atomic.Int64
}

func startSecure(t *testing.T) *secureServer {
	t.Helper()
	raw, err := os.ReadFile(usersFile)
	require.NoError(t, err)
	require.Contains(t, string(raw), " #CHANGE-ME ", "no hash of a password: Redis does not start with the file as it is")
	users := strings.Replace(string(raw), "#CHANGE-ME ", ">"+userPassword+" ", 1)
	return &secureServer{SecureServer: redistest.StartSecure(t, users+"user admin on >"+adminPassword+" ~* &* +@all\n")}
}

// world is a part of the server for the user, whose namespace begins as the keys that
// he may use.
func (s *secureServer) world(partitions int) *world {
	return &world{&storetest.World{
		Server: s.Server, URL: s.URL("logsift", userPassword), Partitions: partitions,
		Namespace: fmt.Sprintf("logsift:%d", s.worlds.Add(1)),
	}}
}

// client is a plain client of a user.
func (s *secureServer) client(t *testing.T, user, password string) *redis.Client {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: s.Addr(), Username: user, Password: password})
	t.Cleanup(func() { require.NoError(t, rdb.Close()) })
	return rdb
}

func TestTheContractHoldsForALeastPrivilegedUserOverTLS(t *testing.T) {
	t.Parallel()
	s := startSecure(t)
	t.Run("suites", func(t *testing.T) {
		portstest.TestStore(t, func(t *testing.T) portstest.Store {
			t.Helper()
			return s.world(3).store(t)
		})
	})
	client := s.world(1).Open(t)
	queue := client.TaskQueue
	require.NoError(t, queue.Ready(t.Context()))
	_, err := redisstore.NewVerifier(client).Verify(t.Context(), ports.VerifyRequest{Repair: true})
	require.NoError(t, err)

	admin := s.client(t, "admin", adminPassword)
	refused, err := admin.Do(t.Context(), "ACL", "LOG").Slice()
	require.NoError(t, err)
	require.Empty(t, refused, "the user was refused what the store needs: mend "+usersFile)
	used := slices.AppendSeq(scriptCommands(t), maps.Keys(calls(t, admin)))
	for _, command := range allowedCommands(t) {
		require.True(t, slices.Contains(used, command) || elsewhere[command] != "", "%s allows %s, which the store never sends", usersFile, command)
	}
}

// allowedCommands are those of the ACL file.
func allowedCommands(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile(usersFile)
	require.NoError(t, err)
	var out []string
	for _, match := range regexp.MustCompile(` \+(\S+)`).FindAllStringSubmatch(string(raw), -1) {
		require.NotContains(t, match[1], "@", "each command is named")
		out = append(out, match[1])
	}
	require.Greater(t, len(out), 40)
	return out
}

// scriptCommands are the commands of all scripts; some repair what no test here breaks.
func scriptCommands(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("internal/layout/scripts/*/*.lua")
	require.NoError(t, err)
	var out []string
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, match := range regexp.MustCompile(`'([A-Z]{3,})'`).FindAllStringSubmatch(string(raw), -1) {
			out = append(out, strings.ToLower(match[1]))
		}
	}
	return out
}

func TestTheUserMayDoNothingElse(t *testing.T) {
	t.Parallel()
	s := startSecure(t)
	admin, user := s.client(t, "admin", adminPassword), s.client(t, "logsift", userPassword)
	require.NoError(t, admin.Set(t.Context(), "foreign", "kept", 0).Err())
	for _, command := range []string{
		"FLUSHALL", "FLUSHDB", "SCRIPT FLUSH", "SCRIPT KILL", "CONFIG GET *", "CONFIG SET dir /", "KEYS *", "ACL LIST", "ACL WHOAMI", "SHUTDOWN NOSAVE",
		"REPLICAOF NO ONE", "MONITOR", "MODULE LIST", "SAVE", "BGREWRITEAOF", "CLIENT LIST", "CLIENT KILL ID 1", "FUNCTION FLUSH", "MIGRATE h 1 k 0 1", "SWAPDB 0 1",
		"GET foreign", "SET foreign gone", "DEL foreign", "SET {logsift gone", "SET logsift:x gone", "RENAME {logsift:0}:a foreign", "PUBLISH foreign x", "SUBSCRIBE foreign",
	} {
		args := make([]any, 0, 4)
		for _, arg := range strings.Fields(command) {
			args = append(args, arg)
		}
		require.ErrorContains(t, user.Do(t.Context(), args...).Err(), "NOPERM", command)
	}
	require.ErrorContains(t, user.Eval(t.Context(), `return redis.call('GET', 'foreign')`, nil).Err(), "can't access at least one of the keys")
	require.ErrorContains(t, user.Eval(t.Context(), `return redis.call('FLUSHALL')`, nil).Err(), "can't run this command")
	kept, err := admin.Get(t.Context(), "foreign").Result()
	require.NoError(t, err)
	require.Equal(t, "kept", kept)
	require.ErrorContains(t, s.client(t, "", "").Ping(t.Context()).Err(), "NOAUTH", "the default user is off")
}

func TestTLSIsProvenBothWays(t *testing.T) {
	t.Parallel()
	s, other := startSecure(t), startSecure(t)
	good := s.URL("logsift", userPassword)
	client, err := redisstore.Open(t.Context(), redisstore.Config{URL: good})
	require.NoError(t, err)
	require.NoError(t, client.Close())
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	without := func(raw, parameter string) string {
		return regexp.MustCompile(parameter+`=[^&]*&?`).ReplaceAllString(raw, "")
	}
	for name, c := range map[string]struct{ url, want string }{
		"a server of another authority":    {strings.ReplaceAll(good, url.QueryEscape(s.DirName()), url.QueryEscape(other.DirName())), "certificate"},
		"a server that nobody vouches for": {without(good, "ca_file"), "certificate"},
		"a client without a certificate":   {without(without(good, "cert_file"), "key_file"), "certificate"},
		"no TLS":                           {strings.Replace(good, "rediss://", "redis://", 1), "names files for TLS"},
		"a certificate without its key":    {without(good, "key_file"), "cert_file and key_file"},
		"no such file":                     {strings.ReplaceAll(good, "cert.pem", "none.pem"), "ca_file"},
		"an empty file":                    {without(good, "ca_file") + "&ca_file=" + empty, "no certificate in PEM"},
		"another password":                 {s.URL("logsift", "wrong-canary"), "WRONGPASS"},
	} {
		_, err := redisstore.Open(t.Context(), redisstore.Config{URL: c.url})
		require.ErrorContains(t, err, c.want, name)
		require.NotContains(t, err.Error(), "pass-word", name)
		require.NotContains(t, err.Error(), "canary", name)
	}
}
