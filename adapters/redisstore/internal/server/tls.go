package server

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"
)

// tlsFiles are the files that a URL names for TLS, "" for none.
type tlsFiles struct{ ca, cert, key string }

// cutTLSFiles takes the parameters for TLS off a URL.
func cutTLSFiles(raw string) (rest string, files tlsFiles, err error) {
	base, query, _ := strings.Cut(raw, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", tlsFiles{}, urlError("has a malformed query")
	}
	for name, file := range map[string]*string{"ca_file": &files.ca, "cert_file": &files.cert, "key_file": &files.key} {
		if !values.Has(name) {
			continue
		}
		if *file = values.Get(name); *file == "" || len(values[name]) > 1 {
			return "", tlsFiles{}, urlError("must name one file as its " + name)
		}
		values.Del(name)
	}
	if files == (tlsFiles{}) {
		return raw, files, nil
	}
	if rest = base; len(values) > 0 {
		rest += "?" + values.Encode()
	}
	return rest, files, nil
}

// check refuses files that go with nothing.
func (f tlsFiles) check(opts *redis.UniversalOptions) error {
	switch {
	case f != (tlsFiles{}) && opts.TLSConfig == nil:
		return urlError("names files for TLS, which it does not use: write rediss://, or tls=true for redis+sentinel and redis+cluster")
	case (f.cert == "") != (f.key == ""):
		return urlError("must name cert_file and key_file together")
	}
	return nil
}

// read puts the contents of the files into the configuration.
func (f tlsFiles) read(config *tls.Config) error {
	if f.ca != "" {
		raw, err := os.ReadFile(f.ca)
		if err != nil {
			return fmt.Errorf("redis: ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(raw) {
			return fmt.Errorf("redis: ca_file %s has no certificate in PEM", f.ca)
		}
	}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return fmt.Errorf("redis: cert_file and key_file: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return nil
}
