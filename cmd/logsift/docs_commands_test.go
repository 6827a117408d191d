package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore/redistest"
)

// docCommands are all commands of the guides in their order. They run as the README's
// do, in the folder of a docReader. Besides what that replaces, only the commands that
// are marked by notHere are not run, for the reason that stands there.
var docCommands = map[string][]readmeCommand{
	"quick-start.md": {
		{"logsift analyze app.log", runToEnd("1 anomaly: 1 medium", 0)},
		{"logsift analyze --baseline GOOD.log BAD.log", runToEnd("; new template", 0)},
		{"logsift serve", runServer},
		{"export LOGSIFT_SERVER=http://127.0.0.1:8080", exportVariable},
		{"logsift health", runToEnd("store      ready", 0)},
		{"curl -H 'Content-Type: text/plain' --data-binary @app.log 'http://127.0.0.1:8080/api/v1/logs?source=app'", runToEnd(`"accepted":301`, 0)},
		{"logsift follow --from-start --source app --positions positions.json app.log", runFollow},
		{"logsift anomalies list --severity medium --limit 1", runUntil("permission denied")},
		{"logsift logs --level error --text denied --limit 1", runToEnd("permission denied", 0)},
		{`logsift task add --payload '{"log_ids":["0198c5a2-0000-7000-8000-000000000001"]}' --priority 8`, runToEnd("-7", 0)},
		{"logsift task list --status COMPLETED", runUntil("default  8         1 ")},
	},
	"api.md": {
		{"logsift serve", runServer},
		{`curl -H 'Content-Type: application/json' http://127.0.0.1:8080/api/v1/queue/tasks -d '{"type":"log_analysis","payload":{"log_ids":["0198c5a2-0000-7000-8000-000000000001"]},"priority":8}'`, runToEnd(`"priority":8`, 0)},
		{"curl 'http://127.0.0.1:8080/api/v1/queue/tasks?status=COMPLETED&limit=10'", runUntil(`"status":"COMPLETED"`)},
		{"curl http://127.0.0.1:8080/api/v1/queue/stats", runToEnd(`"workers_count":10`, 0)},
		{"curl -H 'Content-Type: text/plain' --data-binary @app.log 'http://127.0.0.1:8080/api/v1/logs?source=app'", runToEnd(`"accepted":301`, 0)},
		{"curl 'http://127.0.0.1:8080/api/v1/anomalies?severity=medium'", runUntil("permission denied")},
	},
	"workers.md": {
		{"logsift serve", runServer},
		{`curl -H 'Content-Type: application/json' http://127.0.0.1:8080/api/v1/worker/tasks:claim -d '{"types":["greet"]}'`, runToEnd(`{"tasks":[]}`, 0)},
		{`curl -H 'Content-Type: application/json' http://127.0.0.1:8080/api/v1/queue/tasks -d '{"type":"greet","payload":"world"}'`, runToEnd(`"type":"greet"`, 0)},
		{`export LEASE=$(curl -s -H 'Content-Type: application/json' http://127.0.0.1:8080/api/v1/worker/tasks:claim -d '{"types":["greet"],"max":10,"lease_seconds":30,"wait_seconds":20}' | grep -o '"lease":"[^"]*"' | cut -d'"' -f4)`, exportVariable},
		{`curl -H 'Content-Type: application/json' http://127.0.0.1:8080/api/v1/worker/tasks:heartbeat -d "{\"leases\":[\"$LEASE\"],\"lease_seconds\":60,\"log\":[{\"message\":\"half way\"}]}"`, runToEnd(`"held":true`, 0)},
		{`curl -H 'Content-Type: application/json' http://127.0.0.1:8080/api/v1/worker/tasks:report -d "{\"reports\":[{\"lease\":\"$LEASE\",\"outcome\":\"completed\",\"result\":\"hello world\"}]}"`, runToEnd(`"task_status":"COMPLETED"`, 0)},
		{`logsift task logs --server http://127.0.0.1:8080 $(logsift task list --server http://127.0.0.1:8080 --type greet -o json | grep -m1 '"id":' | cut -d'"' -f4)`, runToEnd("info  half way attempt=1", 0)},
		{"logsift key create --keys /etc/logsift/keys --role worker --name greeter", runToEnd("ls_", 0)},
		{"LOGSIFT_SERVER=http://127.0.0.1:8080 LOGSIFT_API_KEY=ls_… python3 worker.py", notHere("bootstrap/systemtest/worker runs it")},
		{"LOGSIFT_SERVER=http://127.0.0.1:8080 LOGSIFT_API_KEY=ls_… node worker.mjs", notHere("bootstrap/systemtest/worker runs it")},
		{"logsift worker list", runUntil("127.0.0.1 over HTTP")},
	},
	"tasks.md": {
		{"logsift serve", runServer},
		{"export LOGSIFT_SERVER=http://127.0.0.1:8080", exportVariable},
		{`logsift task add --payload '{"log_ids":["0198c5a2-0000-7000-8000-000000000001"]}' --tag nightly --delay 1h --expires-in 1s`, runToEnd("-7", 0)},
		{"logsift dead list --reason expired", runUntil("default  expired")},
		{"logsift dead retry --tag nightly --dry-run", runToEnd("1 task would be changed", 0)},
		{"logsift dead retry --tag nightly", runToEnd("1 task will run again", 0)},
	},
	"analysers.md": {
		{"logsift config check --analyzer openai --ai-base-url http://127.0.0.1:11434/v1 --ai-model llama3.2", runToEnd("the settings are valid", 0)},
	},
	"measurements.md": {
		{"go test -run '^$' -bench Depth ./adapters/redisstore", notHere("it takes minutes, in a checkout")},
	},
	"go.md": {
		{"go run ./cmd/queue-example", runInCheckout("4 tasks: 3 completed, 1 failed")},
		{"make module MODULE=host.example/you/logsift", notHere("it changes the checkout; bootstrap has a test of it")},
	},
	"one-machine.md": {
		{"cp deploy/logsift.yaml /etc/logsift/logsift.yaml", installSettings},
		{"logsift config check --config /etc/logsift/logsift.yaml --connect", runToEnd("the settings are valid, and the store is there", 0)},
		{"install -m 0755 logsift /usr/local/bin/logsift", notHere("it changes the machine")},
		{"install -m 0644 deploy/systemd/logsift.service /etc/systemd/system/", notHere("it changes the machine")},
		{"systemctl daemon-reload", notHere("it needs systemd")},
		{"systemctl enable --now logsift", runUnit},
		{"logsift health --server http://127.0.0.1:8080", runToEnd("store      ready", 0)},
		{"logsift key create --keys /etc/logsift/keys --role admin --name anna", runToEnd("ls_", 0)},
		{"logsift key create --keys /etc/logsift/keys --role ingest --name shipper --expires 90d", runToEnd("ls_", 0)},
		{"logsift key list --keys /etc/logsift/keys", runToEnd("shipper  ingest  active", 0)},
		{"chmod 0644 /etc/logsift/keys", runToEnd("", 0)},
		{"logsift serve --addr 127.0.0.1:8443 --keys /etc/logsift/keys --tls-cert /etc/logsift/tls.crt --tls-key /etc/logsift/tls.key --audit-log /var/lib/logsift/audit.log", runTLSServer},
		{`curl -k -H "Authorization: Bearer wrong" -X POST https://127.0.0.1:8443/api/v1/logs`, runToEnd("unauthorized", 0)},
		{"tail -n 1 /var/lib/logsift/audit.log", runUntil(`"status":401`)},
		{"docker build -t logsift .", notHere("it needs docker and images from the network")},
		{"docker run --stop-timeout 45 -p 127.0.0.1:8080:8080 -v logsift:/data -v ./keys:/keys:ro -e LOGSIFT_KEYS=/keys logsift", notHere("it needs docker")},
		{"docker compose up --build --scale worker=2", notHere("it needs docker and images from the network")},
	},
	"redis.md": {
		{"redis-server --appendonly yes --appendfsync everysec --maxmemory-policy noeviction", startRedis},
		{"logsift serve --store redis://127.0.0.1:6379/0", runServer},
		{"logsift worker --store redis://127.0.0.1:6379/0 --workers 20", runWorker},
		{"logsift config check --connect --store redis://127.0.0.1:6379/0", runToEnd("and the store is there", 0)},
		{"sed 's/#CHANGE-ME/>a-long-password/' deploy/redis/users.acl >/etc/logsift/users.acl", startSecureRedis},
		{"logsift config check --connect --store 'rediss://logsift:a-long-password@redis.example:6379/0?ca_file=/etc/logsift/redis-ca.pem'", runToEnd("and the store is there", 0)},
		{"logsift config check --store 'redis+sentinel://10.0.0.1:26379,10.0.0.2:26379,10.0.0.3:26379/0?master=mymaster'", runToEnd("the settings are valid", 0)},
		{"logsift verify --store redis://127.0.0.1:6379/0", runToEnd("nothing is broken", 0)},
		{"logsift config check --store 'redis+cluster://10.0.0.1:6379,10.0.0.2:6379,10.0.0.3:6379' --partitions 12", runToEnd("the settings are valid", 0)},
	},
	"tune.md": {
		{"logsift serve", runServer},
		{"logsift stats --server http://127.0.0.1:8080 --watch --interval 200ms", runToInterrupt("     0.0s\n")},
		{"logsift bench --store sqlite:bench.db --work w3 -n 2000 -c 10", runToEnd(`"rate":`, 0)},
	},
	"schedules.md": {
		{`logsift schedule set nightly --cron '0 3 * * *' --timezone Europe/Berlin --task '{"type":"log_analysis","payload":{"batch_id":"0198c5a2-0000-7000-8000-000000000001"}}'`, runToEnd("Europe/Berlin", 0)},
		{"logsift schedule list", runToEnd("nightly", 0)},
		{"logsift schedule run nightly", runToEnd("fired", 0)},
		{"logsift schedule pause nightly", runToEnd("paused since", 0)},
		{"logsift schedule show nightly", runToEnd("paused since", 0)},
		{"logsift schedule delete nightly", runToEnd("", 0)},
	},
	"workflows.md": {
		{`echo '{"name":"two","tasks":[{"ref":"a","type":"log_analysis","payload":{"batch_id":"0198c5a2-0000-7000-8000-000000000001"}},{"ref":"b","type":"log_analysis","payload":{"batch_id":"0198c5a2-0000-7000-8000-000000000002"},"after":["a"]}]}' | logsift workflow submit -`, runToEnd("two", 0)},
		{"logsift workflow list", runToEnd("two", 0)},
	},
	"groups.md": {
		{"logsift serve", runServer},
		{"export LOGSIFT_SERVER=http://127.0.0.1:8080", exportVariable},
		{`curl -H 'Content-Type: application/json' http://127.0.0.1:8080/api/v1/worker/tasks:claim -d '{"types":["save"]}'`, runToEnd(`{"tasks":[]}`, 0)},
		{`logsift task add --type save --payload '"a"' --group table-7 --group-size 2 --group-age 1m`, runToEnd("-7", 0)},
		{`logsift task add --type save --payload '"b"' --group table-7 --group-size 2 --group-age 1m`, runToEnd("-7", 0)},
		{`curl -H 'Content-Type: application/json' http://127.0.0.1:8080/api/v1/worker/tasks:claim -d '{"types":["save"],"max":1}'`, runToEnd(`"payload":"b"`, 0)},
	},
	"limits.md": {
		{"logsift limit set mail --queue mail --concurrency 5", runToEnd("queue mail", 0)},
		{"logsift limit set ai --type log_analysis --rate 60/1m --burst 5", runToEnd("60/1m, 5 at once", 0)},
		{"logsift limit set tenants --queue default --each-key --concurrency 1", runToEnd("each key of queue default", 0)},
		{"logsift limit set acme --queue default --key acme --concurrency 4", runToEnd("key acme of queue default", 0)},
		{"logsift limit list", runToEnd("tenants", 0)},
		{"logsift limit show tenants", runToEnd("in order, retries block", 0)},
		{"logsift limit delete acme", runToEnd("", 0)},
	},
	"monitor.md": {
		{"logsift serve --metrics-addr 127.0.0.1:9464 --audit-log /var/lib/logsift/audit.log", runMeasuredServer},
		{"curl -s http://127.0.0.1:8080/healthz", runToEnd(`"ok"`, 0)},
		{"curl -s http://127.0.0.1:8080/readyz", runToEnd(`"ready"`, 0)},
		{"curl -s http://127.0.0.1:9464/metrics | grep -E '^logsift_(store_up|tasks|oldest)'", runToEnd("logsift_store_up 1", 0)},
		{"promtool check rules deploy/prometheus/alerts.yml", notHere("promtool is tested with in bootstrap, where it is installed")},
		{"promtool test rules deploy/prometheus/alerts_test.yml", notHere("promtool is tested with in bootstrap, where it is installed")},
		{"logsift config check --otlp-endpoint http://127.0.0.1:4318 --trace-ratio 0.1", runToEnd("the settings are valid", 0)},
		{"curl -s -H 'Content-Type: text/plain' --data-binary @app.log 'http://127.0.0.1:8080/api/v1/logs?source=app'", runToEnd(`"accepted":301`, 0)},
		{"logsift task watch --server http://127.0.0.1:8080", runToInterrupt("COMPLETED")},
		{"tail -n 1 /var/lib/logsift/audit.log", runUntil(`"logs.create"`)},
	},
	"backup-and-upgrade.md": {
		{"install -d -m 0700 /var/backups/logsift", inUse(runToEnd("", 0))},
		{`sqlite3 /var/lib/logsift/logsift.db "VACUUM INTO '/var/backups/logsift/logsift.db'"`, runSQLite},
		{"chmod 0600 /var/backups/logsift/logsift.db", runToEnd("", 0)},
		{"logsift verify --store sqlite:/var/backups/logsift/logsift.db", runToEnd("301 log entries", 0)},
		{"systemctl stop logsift", stopUnit},
		{"rm -f /var/lib/logsift/logsift.db-wal /var/lib/logsift/logsift.db-shm", runToEnd("", 0)},
		{"cp /var/backups/logsift/logsift.db /var/lib/logsift/logsift.db", runToEnd("", 0)},
		{"chown --reference=/var/lib/logsift /var/lib/logsift/logsift.db", runToEnd("", 0)},
		{"systemctl start logsift", runUnit},
		{"redis-cli -u redis://127.0.0.1:6379/0 --rdb /var/backups/logsift/dump.rdb", dumpRedis},
		{"redis-server --dir /var/backups/logsift --dbfilename dump.rdb --appendonly no --maxmemory-policy noeviction", startRedis},
		{"redis-cli -u redis://127.0.0.1:6379/0 CONFIG SET appendonly yes", runToEnd("OK", 0)},
		{"logsift verify --store redis://127.0.0.1:6379/0 --repair", runToEnd("checked 1 task", 0)},
		{"logsift version", runToEnd("logsift", 0)},
		{"logsift verify --store sqlite:/var/lib/logsift/logsift.db", runToEnd("301 log entries", 0)},
	},
	"command-line.md": {
		{"export LOGSIFT_WORKERS=6", exportVariable},
		{"logsift config check --workers 4", runToEnd("the settings are valid", 0)},
		{"logsift analyze --fail-on medium app.log", runToEnd("MEDIUM", 3)},
		{"logsift health --server http://127.0.0.1:1", runToEnd("", 1)},
		{"logsift task list --status DANCING", runToEnd("", 1)},
		{"logsift serve --workers many", runToEnd("", 2)},
		{"logsift queue list -o json", runToEnd(`"queues": []`, 0)},
		{"logsift key create --keys keys.yaml --role read --name anna -o json", runToEnd(`"role": "read"`, 0)},
		{"logsift analyze --store sqlite:kept.db app.log", runToEnd("1 anomaly", 0)},
		{`logsift task watch --store sqlite:kept.db -o json $(logsift task list --store sqlite:kept.db -o json | grep -m1 '"id":' | cut -d'"' -f4)`, runToEnd(`"to":"COMPLETED"`, 0)},
		{"logsift completion bash >logsift.bash", makes("logsift.bash", "__start_logsift")},
		{"logsift completion zsh >_logsift", makes("_logsift", "#compdef logsift")},
		{"logsift completion fish >logsift.fish", makes("logsift.fish", "fish completion for logsift")},
		{"logsift man man1", makes("man1/logsift-serve.1", "drain-timeout")},
	},
}

// notHere is for a command that no test can run. That a shell can read it is checked.
func notHere(reason string) func(*testing.T, *reader, string) {
	return func(t *testing.T, r *reader, line string) {
		t.Helper()
		require.NotEmpty(t, reason)
		cmd := exec.CommandContext(t.Context(), "sh", "-n")
		cmd.Stdin = strings.NewReader(line + "\n")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", line, out)
		r.last = ""
	}
}

// runInCheckout runs a line where the sources are, to its end.
func runInCheckout(want string) func(*testing.T, *reader, string) {
	return func(t *testing.T, r *reader, line string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
		cmd.Dir = moduleRoot
		out, err := cmd.CombinedOutput()
		r.last = string(out)
		require.NoError(t, err, r.last)
		require.Contains(t, r.last, want)
	}
}

// exportVariable sets what the line exports for the lines after it.
func exportVariable(t *testing.T, r *reader, line string) {
	t.Helper()
	name, _, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
	require.True(t, ok, line)
	cmd := r.shell(t, line)
	script := &cmd.Args[len(cmd.Args)-1]
	*script = strings.TrimPrefix(*script, "exec ") + `; printf %s "$` + name + `"`
	value, err := cmd.Output()
	require.NoError(t, err, line)
	r.env = append(r.env, name+"="+string(value))
}

// makes runs a line that makes a file in which a text is.
func makes(file, want string) func(*testing.T, *reader, string) {
	return func(t *testing.T, r *reader, line string) {
		t.Helper()
		r.output(t, line, 0)
		raw, err := os.ReadFile(filepath.Join(r.dir, file))
		require.NoError(t, err)
		require.Contains(t, string(raw), want, line)
	}
}

// installSettings puts the settings of the units in place, with the paths of the test.
func installSettings(t *testing.T, r *reader, line string) {
	t.Helper()
	r.output(t, line, 0)
	file := filepath.Join(r.dir, "etc/logsift.yaml")
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte(strings.NewReplacer(r.replace...).Replace(string(raw))), 0o600))
}

// runUnit starts what the unit of the service starts, in place of systemctl.
func runUnit(t *testing.T, r *reader, _ string) {
	t.Helper()
	raw, err := os.ReadFile(moduleRoot + "/deploy/systemd/logsift.service")
	require.NoError(t, err)
	begin := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/(.*)$`).FindStringSubmatch(string(raw))
	require.NotNil(t, begin)
	runServer(t, r, begin[1])
}

// stopUnit ends what runs, in place of systemctl.
func stopUnit(t *testing.T, r *reader, _ string) {
	t.Helper()
	for _, p := range r.running {
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
		require.Zero(t, p.awaitExit(t))
	}
	r.running = nil
}

// inUse runs a line while the unit runs and has log entries.
func inUse(run func(*testing.T, *reader, string)) func(*testing.T, *reader, string) {
	return func(t *testing.T, r *reader, line string) {
		t.Helper()
		installSettings(t, r, "cp deploy/logsift.yaml /etc/logsift/logsift.yaml")
		runUnit(t, r, "")
		runToEnd(`"accepted":301`, 0)(t, r, "curl -H 'Content-Type: text/plain' --data-binary @app.log http://127.0.0.1:8080/api/v1/logs")
		run(t, r, line)
	}
}

// runSQLite runs a line of sqlite3, by the driver of the store where that program is not
// installed.
func runSQLite(t *testing.T, r *reader, line string) {
	t.Helper()
	if _, err := exec.LookPath("sqlite3"); err == nil {
		runToEnd("", 0)(t, r, line)
		return
	}
	words := regexp.MustCompile(`^sqlite3 (\S+) "(.*)"$`).FindStringSubmatch(strings.NewReplacer(r.replace...).Replace(line))
	require.NotNil(t, words, line)
	db, err := sql.Open("sqlite", words[1])
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), words[2])
	require.NoError(t, errors.Join(err, db.Close()), line)
}

// startRedis starts the Redis of a line on a free port.
func startRedis(t *testing.T, r *reader, line string) {
	t.Helper()
	line = strings.NewReplacer(r.replace...).Replace(line)
	r.redis = redistest.Start(t, strings.Fields(strings.TrimPrefix(line, "redis-server "))...).Addr()
}

// startSecureRedis runs a line that writes the users of a Redis, and starts that.
func startSecureRedis(t *testing.T, r *reader, line string) {
	t.Helper()
	r.output(t, line, 0)
	users, err := os.ReadFile(filepath.Join(r.dir, "etc/users.acl"))
	require.NoError(t, err)
	secure := redistest.StartSecure(t, string(users))
	r.replace = append([]string{
		"rediss://logsift:a-long-password@redis.example:6379/0?ca_file=/etc/logsift/redis-ca.pem", secure.URL("logsift", "a-long-password"),
	}, r.replace...)
}

// dumpRedis copies a Redis that has a task.
func dumpRedis(t *testing.T, r *reader, line string) {
	t.Helper()
	startRedis(t, r, "redis-server --maxmemory-policy noeviction")
	runToEnd("-7", 0)(t, r, `logsift task add --store redis://127.0.0.1:6379/0 --payload '{"log_ids":["0198c5a2-0000-7000-8000-000000000001"]}'`)
	r.output(t, line, 0)
}

// runMeasuredServer starts a server that has its metrics elsewhere too.
func runMeasuredServer(t *testing.T, r *reader, line string) {
	t.Helper()
	runServer(t, r, line)
	p := r.running[len(r.running)-1]
	p.mu.Lock()
	defer p.mu.Unlock()
	addr := regexp.MustCompile(`(?m)^metrics on http://(.*)/metrics$`).FindStringSubmatch(p.log.String())
	require.NotNil(t, addr)
	r.replace = append(r.replace, "127.0.0.1:9464", addr[1])
}

// runToInterrupt runs a line that goes on for ever, and interrupts it once its output is
// as wanted.
func runToInterrupt(want string) func(*testing.T, *reader, string) {
	return func(t *testing.T, r *reader, line string) {
		t.Helper()
		cmd := r.shell(t, line)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		r.last = ""
		for buffer := make([]byte, 4096); !strings.Contains(r.last, want); {
			n, err := out.Read(buffer)
			require.NoError(t, err, "%s: %s", line, r.last)
			r.last += string(buffer[:n])
		}
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		require.NoError(t, cmd.Wait(), line)
	}
}

// runTLSServer starts a server whose certificate the test makes.
func runTLSServer(t *testing.T, r *reader, line string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: certificate},
		"tls.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(r.dir, "etc", name), pem.EncodeToMemory(block), 0o600))
	}
	runServer(t, r, line)
	r.replace = append(r.replace, "127.0.0.1:8443", r.api)
}
