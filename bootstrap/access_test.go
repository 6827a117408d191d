package bootstrap_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/bootstrap"
	"logsift/domain"
)

func TestAnAddressThatOthersReachNeedsKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	revoked, empty, good, broken := filepath.Join(dir, "revoked.yaml"), filepath.Join(dir, "empty.yaml"), filepath.Join(dir, "good.yaml"), filepath.Join(dir, "broken.yaml")
	key, _, err := bootstrap.CreateAPIKey(revoked, "a", "admin", 0)
	require.NoError(t, err)
	_, err = bootstrap.RevokeAPIKey(revoked, key.ID)
	require.NoError(t, err)
	_, _, err = bootstrap.CreateAPIKey(good, "a", "read", time.Hour)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	require.NoError(t, os.WriteFile(broken, []byte("keys:\n  - id: x\n"), 0o600))
	for name, c := range map[string]struct {
		addr, keys string
		open       bool
		want       string // of the error, "" for none
	}{
		"loopback":                       {addr: "127.0.0.1:0"},
		"loopback by name":               {addr: "localhost:0"},
		"loopback of IPv6":               {addr: "[::1]:0"},
		"no server":                      {addr: ""},
		"all addresses":                  {addr: ":0", want: "logsift key create --keys keys.yaml"},
		"all addresses of IPv4":          {addr: "0.0.0.0:0", want: "--insecure-no-auth"},
		"all addresses of IPv6":          {addr: "[::]:0", want: "reachable from other machines"},
		"a name":                         {addr: "logs.example:0", want: "addr logs.example:0 is reachable"},
		"a name that looks local":        {addr: "localhost.example:0", want: "reachable from other machines"},
		"all addresses, without keys":    {addr: ":0", open: true},
		"all addresses with keys":        {addr: ":0", keys: good},
		"keys that were all revoked":     {addr: ":0", keys: revoked, want: "none of the API keys in " + revoked},
		"no keys in the file":            {addr: ":0", keys: empty, want: "none of the API keys"},
		"no such file":                   {addr: ":0", keys: filepath.Join(dir, "no.yaml"), want: "make it by logsift key create"},
		"no such file on loopback":       {addr: "127.0.0.1:0", keys: filepath.Join(dir, "no.yaml"), want: "keys cannot be used"},
		"a broken file":                  {addr: "127.0.0.1:0", keys: broken, want: "line 2: role must be"},
		"a broken file without a server": {addr: "", keys: broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config("memory:")
			cfg.Addr, cfg.Keys, cfg.InsecureNoAuth = c.addr, c.keys, c.open
			a, err := bootstrap.New(t.Context(), cfg)
			if c.want == "" {
				require.NoError(t, err)
				require.NoError(t, a.Stop(t.Context()))
				return
			}
			var invalid *domain.ValidationError
			require.ErrorAs(t, err, &invalid, "a mistake of the user")
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestAFileOfKeysThatIsGoneClosesTheAPI(t *testing.T) {
	t.Parallel()
	c := config("memory:")
	c.Keys = filepath.Join(t.TempDir(), "keys.yaml")
	_, text, err := bootstrap.CreateAPIKey(c.Keys, "anna", "admin", 0)
	require.NoError(t, err)
	a := start(t, c)
	get := func(path string) (int, string) { return fetch(t, a.URL()+path, "Authorization", "Bearer "+text) }

	status, body := get("/readyz")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, `"keys":{"ready":true}`)
	require.NoError(t, os.Rename(c.Keys, c.Keys+".away"))
	require.Eventually(t, func() bool { status, _ := get("/api/v1/queue/stats"); return status == http.StatusUnauthorized }, patience, 20*time.Millisecond)
	status, body = get("/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, body, `"keys":{"ready":false,"reason":"the file of the API keys cannot be used, so that no key is good"}`)
	require.NotContains(t, body, "keys.yaml")
	require.NoError(t, os.Rename(c.Keys+".away", c.Keys))
	require.Eventually(t, func() bool { status, _ := get("/readyz"); return status == http.StatusOK }, patience, 20*time.Millisecond)
	status, _ = get("/api/v1/queue/stats")
	require.Equal(t, http.StatusOK, status)
}

// certificate writes a certificate for the loopback address, signed by itself, with its key.
func certificate(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	return certFile, keyFile
}

func TestTheAPISpeaksTLS(t *testing.T) {
	t.Parallel()
	c, dir := config("memory:"), t.TempDir()
	c.TLSCert, c.TLSKey = certificate(t, dir, "first")
	a := start(t, c)
	require.True(t, strings.HasPrefix(a.URL(), "https://127.0.0.1:"), a.URL())
	type seen struct{ name, proto, security string }
	// get asks with the newest certificate of the folder, and returns the name on that of
	// the server too.
	get := func(most uint16) (seen, error) {
		raw, err := os.ReadFile(c.TLSCert)
		require.NoError(t, err)
		roots := x509.NewCertPool()
		require.True(t, roots.AppendCertsFromPEM(raw))
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MaxVersion: most, MinVersion: tls.VersionTLS10}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		res, err := (&http.Client{Transport: transport}).Get(a.URL() + "/healthz")
		if err != nil {
			return seen{}, err
		}
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return seen{res.TLS.PeerCertificates[0].Subject.CommonName, res.Proto, res.Header.Get("Strict-Transport-Security")}, nil
	}
	got, err := get(0)
	require.NoError(t, err)
	require.Equal(t, seen{"first", "HTTP/2.0", "max-age=31536000"}, got)
	_, err = get(tls.VersionTLS11)
	require.ErrorContains(t, err, "protocol version")

	certificate(t, dir, "second")
	require.Eventually(t, func() bool {
		got, err := get(0)
		return err == nil && got.name == "second"
	}, patience, 20*time.Millisecond, "a renewed certificate needs no restart")

	require.NoError(t, os.WriteFile(c.TLSKey, []byte("broken"), 0o600))
	_, err = bootstrap.New(t.Context(), c)
	require.ErrorContains(t, err, "tls-cert cannot be used")
	require.NotContains(t, err.Error(), "broken")
}

func TestTheAuditLogIsAppendedToAFile(t *testing.T) {
	t.Parallel()
	c := config("memory:")
	c.AuditLog = filepath.Join(t.TempDir(), "audit.log")
	require.NoError(t, os.WriteFile(c.AuditLog, []byte("{}\n"), 0o600))
	a := start(t, c)
	require.Equal(t, http.StatusBadRequest, call(t, a, http.MethodPost, "/api/v1/queue/tasks", "application/json", `{"type":"no-such-type"}`, nil))
	sendLogs(t, a, someLines)
	require.NoError(t, a.Stop(t.Context()))
	raw, err := os.ReadFile(c.AuditLog)
	require.NoError(t, err)
	lines := bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	require.Len(t, lines, 3)
	require.Equal(t, "{}", string(lines[0]), "what was there stays")
	var refused, stored struct {
		Time    time.Time `json:"time"`
		Action  string    `json:"action"`
		Role    string    `json:"role"`
		Method  string    `json:"method"`
		Route   string    `json:"route"`
		Status  int       `json:"status"`
		Remote  string    `json:"remote"`
		Request string    `json:"request_id"`
		Tasks   int       `json:"tasks"`
	}
	require.NoError(t, json.Unmarshal(lines[1], &refused))
	require.NoError(t, json.Unmarshal(lines[2], &stored))
	require.Equal(t, "task.create", refused.Action)
	require.Equal(t, http.StatusBadRequest, refused.Status)
	require.Equal(t, "127.0.0.1", refused.Remote)
	require.NotEmpty(t, refused.Request)
	require.WithinDuration(t, time.Now(), refused.Time, time.Minute)
	require.Equal(t, "logs.create", stored.Action, "a file has what shippers send too")
	require.Equal(t, 1, stored.Tasks)

	c.AuditLog = filepath.Join(t.TempDir(), "none", "audit.log")
	_, err = bootstrap.New(t.Context(), c)
	require.ErrorContains(t, err, "audit-log cannot be opened")
}

func TestTrustedProxiesAreAddressesOrNetworks(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"10.0.0.7": true, "10.0.0.7/8": true, "2001:db8::/32": true, "::1": true, "::ffff:10.0.0.7": true,
		"::ffff:10.0.0.0/104": false, "10.0.0.7:80": false, "proxy.example": false, "": false,
	} {
		cfg := bootstrap.DefaultConfig()
		cfg.TrustedProxies = []string{text}
		err := cfg.Validate()
		require.Equal(t, ok, err == nil, "%q: %v", text, err)
	}
}

func TestAllowedHosts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		addr    string
		allowed []string
		host    string
		want    int
	}{
		{"127.0.0.1:0", nil, "logs.example", http.StatusMisdirectedRequest},
		{"127.0.0.1:0", nil, "127.0.0.1", http.StatusOK},
		{"127.0.0.1:0", nil, "localhost:1", http.StatusOK},
		{"127.0.0.1:0", []string{"logs.example"}, "logs.example:443", http.StatusOK},
		{"127.0.0.1:0", []string{"logs.example"}, "localhost", http.StatusOK},
		{"0.0.0.0:0", nil, "logs.example", http.StatusOK},
		{"0.0.0.0:0", []string{"logs.example"}, "logs.example", http.StatusOK},
		{"0.0.0.0:0", []string{"logs.example"}, "evil.example", http.StatusMisdirectedRequest},
		{"0.0.0.0:0", []string{"logs.example"}, "127.0.0.1", http.StatusMisdirectedRequest},
	} {
		cfg := config("memory:")
		cfg.Addr, cfg.AllowedHosts, cfg.InsecureNoAuth = c.addr, c.allowed, true
		a := start(t, cfg)
		status, _ := fetch(t, a.URL()+"/healthz", "Host", c.host)
		require.Equal(t, c.want, status, c)
		require.NoError(t, a.Stop(t.Context()))
	}
}

// TestTheMetricsHaveHostsOfTheirOwn: a Prometheus on another machine asks for the
// metrics of an API that only this machine can reach, and the other way round.
func TestTheMetricsHaveHostsOfTheirOwn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		addr, metrics         string
		wantAddr, wantMetrics int
	}{
		{"127.0.0.1:0", "0.0.0.0:0", http.StatusMisdirectedRequest, http.StatusOK},
		{"0.0.0.0:0", "127.0.0.1:0", http.StatusOK, http.StatusMisdirectedRequest},
	} {
		cfg := config("memory:")
		cfg.Addr, cfg.MetricsAddr, cfg.InsecureNoAuth = c.addr, c.metrics, true
		a := start(t, cfg)
		for addr, want := range map[string]int{a.Addr(): c.wantAddr, a.MetricsAddr(): c.wantMetrics} {
			_, port, err := net.SplitHostPort(addr)
			require.NoError(t, err)
			status, _ := fetch(t, "http://127.0.0.1:"+port+"/metrics", "Host", "logs.example")
			require.Equal(t, want, status, c)
		}
		require.NoError(t, a.Stop(t.Context()))
	}
}
