package redacttest

import (
	_ "embed"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
)

// ordinaryLines are made up in the forms of systems of the Loghub collection and of
// others, with what was once taken for a secret.
//
//go:embed ordinary.txt
var ordinaryLines string

// Ordinary returns log lines without a secret that look as if they might hold one:
// several hundred, drawn from the seed.
func Ordinary(seed uint64) []string {
	r := rand.New(rand.NewPCG(seed, 1))
	hexOf := func(n int) string {
		out := make([]byte, n)
		for i := range out {
			out[i] = byte(r.IntN(256))
		}
		return hex.EncodeToString(out)
	}
	uuid := func() string {
		h := hexOf(16)
		return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
	}
	var out []string
	add := func(format string, values ...any) { out = append(out, fmt.Sprintf(format, values...)) }
	for range 10 {
		add("081109 203615 148 INFO dfs.DataNode$PacketResponder: PacketResponder 1 for block blk_%d terminating", r.Int64())
		add("081109 204005 35 INFO dfs.FSNamesystem: BLOCK* NameSystem.addStoredBlock: blockMap updated: 10.251.73.220:50010 is added to blk_-%d size 67108864", r.Int64())
		add("Jun 14 15:16:01 combo sshd(pam_unix)[%d]: authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost=218.188.2.4", r.IntN(30000))
		add("Dec 10 06:55:48 LabSZ sshd[%d]: Failed password for invalid user webmaster from 173.234.31.186 port %d ssh2", r.IntN(30000), r.IntN(60000))
		add("request %s took %d ms trace_id=%s span_id=%s", uuid(), r.IntN(1000), hexOf(16), hexOf(8))
		add("commit %s (HEAD -> main) merged into %s", hexOf(20), hexOf(20))
		add("Pulled image registry.example.com/app@sha256:%s in 1.2s", hexOf(32))
		add("container %s exited with code 137", hexOf(32))
		add("2026-05-01T12:00:0%d.123456789Z INFO order %d accepted, total 129.90, at %d", r.IntN(10), 1+r.IntN(1e9), 1777636800000000000+r.Int64N(1e12))
		add("\tat org.springframework.security.web.authentication.UsernamePasswordAuthenticationFilter$$Lambda$%d/0x0000000800%s.apply(Unknown Source)", r.IntN(900), hexOf(3))
		add("com.example.PaymentTokenServiceImpl@%s started", hexOf(4))
		add(`10.0.%d.7 - - [01/May/2026:12:00:00 +0000] "GET /static/js/main.%s.js HTTP/1.1" 200 51234 "-" "Mozilla/5.0 (X11; Linux x86_64)"`, r.IntN(255), hexOf(4))
		add("pod/checkout-service-%s-%s scheduled on node-%d", hexOf(5), hexOf(3)[:5], r.IntN(50))
		add("usage: prompt_tokens=%d completion_tokens=%d max_tokens: 4096", r.IntN(9000), r.IntN(900))
		add("token_type=bearer expires_in=3600 token_count: %d", r.IntN(10))
		add("primary_key=%d foreign_key=%d cache_key=user:%d:profile", r.IntN(1000), r.IntN(1000), r.IntN(1000))
		add("key=value%d, sort_key=created_at, keyspace=app, key_count=%d", r.IntN(10), r.IntN(10))
		add("ETag: \"%s\" If-None-Match: \"%s\"", hexOf(16), hexOf(16))
		add("mac 52:54:00:%s:%s:%s assigned 192.168.1.%d", hexOf(1), hexOf(1), hexOf(1), r.IntN(255))
		add("gc: heap %d->%d MB, pause %d.%d ms, offset %d", r.IntN(4000), r.IntN(4000), r.IntN(90), r.IntN(90), r.Int64N(1e15))
		add("kafka: partition assignment topic=orders-%d offset=%d leaderEpoch=%d", r.IntN(9), r.Int64N(1e12), r.IntN(90))
		add("etcd: lease %s granted with TTL(%ds)", hexOf(8), r.IntN(100))
		add("version 1.%d.%d-rc.1+build.%s (go1.26.%d linux/amd64)", r.IntN(30), r.IntN(30), hexOf(4), r.IntN(9))
		add("session opened for user root by (uid=%d)", r.IntN(1000))
		add("upload id=%s part=%d of %d bytes", uuid(), r.IntN(100), r.IntN(1e9))
		add("sequence %d,%d,%d,%d balance -%d.%02d", r.IntN(1e4), r.IntN(1e4), r.IntN(1e4), r.IntN(1e4), r.IntN(1e6), r.IntN(100))
		add("retry %d/5 in 00:00:%02d (2026-05-01 12:%02d:00)", r.IntN(5), r.IntN(60), r.IntN(60))
	}
	out = append(out,
		"Password authentication is required", "password must be at least 12 characters", "Enter password:", "password: ********",
		"password=", `{"password":null,"token":""}`, `{"password":"[REDACTED]","secret":"<redacted>"}`, "password: ${DB_PASSWORD}",
		"api_key={{ .Values.apiKey }}", "token=$GITHUB_TOKEN", "Invalid token: expected string", "Unexpected token '}' at line 3",
		"Basic authentication failed", "Bearer token is missing", "WWW-Authenticate: Bearer realm=\"api\"", "no Authorization header",
		"secret \"db-credentials\" not found in namespace prod", "mounting secret volume", "using cookie jar", "PWD=/home/app OLDPWD=/root",
		"user@host1 logged in", "git clone ssh://git@host/x.git", "http://proxy.internal:8080/path@v2/x", "image@2x.png not found",
		"lodash@4.17.21 installed", "user@1000.service: Succeeded.", "https://example.com:8443/a?b=c#d", "std::string token::next()",
		"tests: pass=17 fail=0", "compass: north, bypass=true", "auth=ok key=left", "4111 is not a card", "order 4111-22", "tel 555-0199",
		"The quick brown fox jumps over the lazy dog.", "C:\\Users\\app\\AppData\\Local\\Temp\\new_file.txt", "DE is a country, DE44 a road",
		"max-age=31536000; includeSubDomains", "Content-Type: multipart/form-data; boundary=----WebKitFormBoundary", "-----BEGIN CERTIFICATE-----",
	)
	unescape := strings.NewReplacer(`\n`, "\n")
	for line := range strings.Lines(ordinaryLines) {
		out = append(out, unescape.Replace(strings.TrimSuffix(line, "\n")))
	}
	return out
}
