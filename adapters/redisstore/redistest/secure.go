package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// SecureServer is a server that speaks TLS and knows its users. Server.URL and
// Server.Addr name its plain port, where nobody is let in without a password.
type SecureServer struct {
	*Server

	// CA, Cert and Key are files in PEM: of the authority that signed the server's
	// certificate, and of a client whom the server trusts.
	CA, Cert, Key string

	tlsPort int
}

// URL returns the address for a user, with all that TLS needs.
func (s *SecureServer) URL(user, password string) string {
	u := url.URL{
		Scheme: "rediss", User: url.UserPassword(user, password), Path: "/0",
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.tlsPort)),
		RawQuery: url.Values{"ca_file": {s.CA}, "cert_file": {s.Cert}, "key_file": {s.Key}}.Encode(),
	}
	return u.String()
}

// DirName returns the name of the folder of the files.
func (s *SecureServer) DirName() string { return filepath.Dir(s.CA) }

// StartSecure runs a server as [Start] does, with the users of an ACL file. It speaks
// TLS on a port of its own, where it lets in only clients with a certificate. The
// text must turn the default user off.
func StartSecure(t testing.TB, users string) *SecureServer {
	t.Helper()
	dir := t.TempDir()
	s := &SecureServer{CA: filepath.Join(dir, "cert.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	acl := filepath.Join(dir, "users.acl")
	err := errors.Join(writeCertificate(s.Cert, s.Key), os.WriteFile(acl, []byte(users), 0o600))
	for range startTries {
		if err != nil {
			break
		}
		if s.tlsPort, err = freePort(); err != nil {
			break
		}
		s.Server, err = newServer(dir, []string{
			"--aclfile", acl, "--tls-port", strconv.Itoa(s.tlsPort), "--tls-auth-clients", "yes",
			"--tls-cert-file", s.Cert, "--tls-key-file", s.Key, "--tls-ca-cert-file", s.CA,
		})
		if !errors.Is(err, errPortTaken) {
			break
		}
		err = nil // Perhaps it was that of TLS.
	}
	if err != nil || s.Server == nil {
		t.Fatalf("redistest: %v", err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("redistest: %v", err)
		}
	})
	return s
}

// writeCertificate writes a certificate for the loopback address that has signed
// itself, so that it is its own authority, and its key.
func writeCertificate(certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redistest"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
	)
}
