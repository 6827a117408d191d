package logline_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"logsift/domain"
	"logsift/domain/logline"
)

// parsedLine is what a line of a format must be read as.
type parsedLine struct {
	line   string
	format logline.Format
	time   string // RFC 3339, "" for none
	level  domain.LogLevel
	// text is where the text begins.
	text       string
	attributes map[string]string
}

// formatLines are lines as their programs write them.
var formatLines = map[string]parsedLine{
	"RFC 5424 with structured data": {
		`<165>1 2026-03-01T10:11:12.003Z mymachine.example.com evntslog 8710 ID47 [exampleSDID@32473 iut="3" eventSource="App \"x\"\]"][origin ip="192.0.2.1"] An application event`,
		logline.FormatSyslog, "2026-03-01T10:11:12.003Z", domain.LogLevelInfo, "An application event",
		map[string]string{
			"host": "mymachine.example.com", "program": "evntslog", "pid": "8710", "msgid": "ID47",
			"exampleSDID@32473.iut": "3", "exampleSDID@32473.eventSource": `App "x"]`, "origin.ip": "192.0.2.1",
		},
	},
	"RFC 5424 without anything": {`<0>1 - - - - - -`, logline.FormatSyslog, "", domain.LogLevelFatal, "", nil},
	"RFC 5424 with a BOM": {
		"<34>1 2026-03-01T10:11:12.003-07:00 host su - ID47 - \uFEFF'su root' failed", logline.FormatSyslog, "2026-03-01T17:11:12.003Z", domain.LogLevelFatal, "'su root' failed",
		map[string]string{"host": "host", "program": "su", "msgid": "ID47"},
	},
	"RFC 5424 whose structured data are none": {
		`<14>1 2026-03-01T10:11:12Z h a - - [broken x] gone`, logline.FormatSyslog, "2026-03-01T10:11:12Z", domain.LogLevelInfo, "[broken x] gone",
		map[string]string{"host": "h", "program": "a"},
	},
	"RFC 3164": {
		`<13>Mar  4 01:02:03 web1 sshd[4711]: Failed password for root`, logline.FormatSyslog, "2026-03-04T01:02:03Z", domain.LogLevelInfo, "sshd[4711]: Failed",
		map[string]string{"host": "web1", "program": "sshd", "pid": "4711"},
	},
	"syslog file": {
		`Mar  4 01:02:03 web1 kernel: [12345.678901] Out of memory: Killed process 1234`, logline.FormatSyslog, "2026-03-04T01:02:03Z", domain.LogLevelUnknown, "kernel: [12345.678901]",
		map[string]string{"host": "web1", "program": "kernel"},
	},
	"journalctl": {
		`Mar 04 01:02:03 web1 systemd[1]: nginx.service: Failed with result 'exit-code'.`, logline.FormatSyslog, "2026-03-04T01:02:03Z", domain.LogLevelUnknown, "systemd[1]:",
		map[string]string{"host": "web1", "program": "systemd", "pid": "1"},
	},
	"journalctl -o short-precise": {
		`Mar 04 01:02:03.123456 web1 dockerd[812]: time="x"`, logline.FormatSyslog, "2026-03-04T01:02:03.123456Z", domain.LogLevelUnknown, "dockerd[812]:",
		map[string]string{"host": "web1", "program": "dockerd", "pid": "812"},
	},
	"journalctl -o short-iso": {
		`2026-03-04T01:02:03+0100 web1 cron[12]: (root) CMD (true)`, logline.FormatSyslog, "2026-03-04T00:02:03Z", domain.LogLevelUnknown, "cron[12]:",
		map[string]string{"host": "web1", "program": "cron", "pid": "12"},
	},
	"journalctl -o short-unix": {
		`1772586123.500000 web1 cron[12]: (root) CMD (true)`, logline.FormatSyslog, "2026-03-04T01:02:03.5Z", domain.LogLevelUnknown, "cron[12]:",
		map[string]string{"host": "web1", "program": "cron", "pid": "12"},
	},
	"journalctl -o json": {
		`{"MESSAGE":"disk is full","PRIORITY":"3","__REALTIME_TIMESTAMP":"1772586123500000","_HOSTNAME":"web1","SYSLOG_IDENTIFIER":"app","_PID":"7"}`,
		logline.FormatJSON, "2026-03-04T01:02:03.5Z", domain.LogLevelError, "disk is full",
		map[string]string{"host": "web1", "program": "app", "pid": "7"},
	},
	"Apple's syslog": {
		`Mar  4 01:02:03 mac1 WindowServer[184] <Error>: device_unlock failed`, logline.FormatSyslog, "2026-03-04T01:02:03Z", domain.LogLevelError, "WindowServer[184]",
		map[string]string{"host": "mac1", "program": "WindowServer", "pid": "184"},
	},
	"dmesg -T": {`[Wed Mar  4 01:02:03 2026] usb 1-1: new high-speed USB device`, logline.FormatPlain, "2026-03-04T01:02:03Z", domain.LogLevelUnknown, "usb 1-1", nil},
	"auditd": {
		`type=SYSCALL msg=audit(1772586123.500:24287): arch=c000003e syscall=2 success=no exit=-13 pid=3538`, logline.FormatLogfmt, "2026-03-04T01:02:03.5Z", domain.LogLevelUnknown, " arch=c000003e",
		map[string]string{"pid": "3538"},
	},

	"common access log": {
		`192.0.2.7 - frank [10/Oct/2025:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326`, logline.FormatAccess, "2025-10-10T20:55:36Z", domain.LogLevelInfo, "GET /apache_pb.gif",
		map[string]string{"client": "192.0.2.7", "method": "GET", "path": "/apache_pb.gif", "status": "200"},
	},
	"combined access log": {
		`2001:db8::1 - - [01/Mar/2026:10:11:12 +0000] "POST /api/v1/orders?id=7 HTTP/2.0" 503 182 "https://example.com/\"x" "Mozilla/5.0 (X11)" 0.013`,
		logline.FormatAccess, "2026-03-01T10:11:12Z", domain.LogLevelError, "POST /api",
		map[string]string{"client": "2001:db8::1", "method": "POST", "path": "/api/v1/orders?id=7", "status": "503"},
	},
	"access log, not found": {
		`10.0.0.1 - - [01/Mar/2026:10:11:12 +0000] "HEAD /x HTTP/1.1" 404 - "-" "curl/8"`, logline.FormatAccess, "2026-03-01T10:11:12Z", domain.LogLevelWarn, "HEAD /x",
		map[string]string{"client": "10.0.0.1", "method": "HEAD", "path": "/x", "status": "404"},
	},
	"access log, no request": {
		`10.0.0.1 - - [01/Mar/2026:10:11:12 +0000] "-" 408 0`, logline.FormatAccess, "2026-03-01T10:11:12Z", domain.LogLevelWarn, `-" 408`,
		map[string]string{"client": "10.0.0.1", "status": "408"},
	},
	"access log, bytes of TLS": {
		`10.0.0.1 - - [01/Mar/2026:10:11:12 +0000] "\x16\x03\x01\x02 \"a" 400 157 "-" "-"`, logline.FormatAccess, "2026-03-01T10:11:12Z", domain.LogLevelWarn, `\x16`,
		map[string]string{"client": "10.0.0.1", "status": "400"},
	},
	"access log with the host first": {
		`www.example.com:443 10.0.0.1 - - [01/Mar/2026:10:11:12 +0000] "GET / HTTP/1.1" 301 5`, logline.FormatAccess, "2026-03-01T10:11:12Z", domain.LogLevelInfo, "GET /",
		map[string]string{"client": "www.example.com:443", "method": "GET", "path": "/", "status": "301"},
	},
	"nginx error log": {`2026/03/01 10:11:12 [crit] 31#31: *9 connect() to unix:/run/a.sock failed`, logline.FormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelFatal, "31#31", nil},
	"Apache error log": {
		`[Sun Mar 01 10:11:12.123456 2026] [proxy:warn] [pid 7:tid 9] [client 10.0.0.1:5] AH01144: No protocol handler`, logline.FormatPlain, "2026-03-01T10:11:12.123456Z", domain.LogLevelWarn, "[pid 7", nil,
	},

	"klog":           {`I0302 10:11:12.654321       1 controller.go:116] "Updated status" node="n1"`, logline.FormatKlog, "2026-03-02T10:11:12.654321Z", domain.LogLevelInfo, `Updated status`, nil},
	"glog fatal":     {`F0302 10:11:12.654321   77 main.cc:12] Check failed: x == y`, logline.FormatKlog, "2026-03-02T10:11:12.654321Z", domain.LogLevelFatal, "Check failed", nil},
	"Log4j":          {`2026-03-01 10:11:12,345 ERROR [main] org.example.Main - cannot start`, logline.FormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "[main]", nil},
	"Spring":         {`2026-03-01 10:11:12.345  WARN 1 --- [nio-8080-exec-1] o.e.web.Controller : slow`, logline.FormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "1 ---", nil},
	"Spring 3":       {`2026-03-01T10:11:12.345+01:00  INFO 1 --- [app] [main] o.e.Main : Started`, logline.FormatPlain, "2026-03-01T09:11:12.345Z", domain.LogLevelInfo, "1 ---", nil},
	"Logback":        {`10:11:12.345 [main] DEBUG o.e.Main -- hello`, logline.FormatPlain, "", domain.LogLevelDebug, "o.e.Main", nil},
	"Cassandra":      {`WARN  [main] 2026-03-01 10:11:12,345 StartupChecks.java:143 - jemalloc`, logline.FormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "StartupChecks", nil},
	"Kafka":          {`[2026-03-01 10:11:12,345] ERROR [Broker id=1] Failed (kafka.server.KafkaServer)`, logline.FormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "[Broker", nil},
	"Zookeeper":      {`2026-03-01 10:11:12,345 - WARN  [QuorumPeer[myid=1]:FastLeaderElection@774] - Notification`, logline.FormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "[QuorumPeer", nil},
	"Tomcat":         {`01-Mar-2026 10:11:12.345 SEVERE [main] org.apache.catalina.X.y gone`, logline.FormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "[main]", nil},
	"java.util.log":  {"Mar 01, 2026 1:11:12 PM com.example.Main run\nWARNING: disk nearly full", logline.FormatPlain, "2026-03-01T13:11:12Z", domain.LogLevelWarn, "disk nearly", nil},
	"Python":         {`2026-03-01 10:11:12,345 - app.db - CRITICAL - gone`, logline.FormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelFatal, "gone", nil},
	"Python's basic": {`WARNING:urllib3.connectionpool:Retrying`, logline.FormatPlain, "", domain.LogLevelWarn, "WARNING:", nil},
	"uvicorn":        {`INFO:     127.0.0.1:5000 - "GET / HTTP/1.1" 200 OK`, logline.FormatPlain, "", domain.LogLevelInfo, "127.0.0.1", nil},
	"Django":         {`[01/Mar/2026 10:11:12] "GET /admin HTTP/1.1" 500 2141`, logline.FormatAccess, "2026-03-01T10:11:12Z", domain.LogLevelError, "GET", map[string]string{"method": "GET", "path": "/admin", "status": "500"}},
	"Go":             {`2026/03/01 10:11:12 http: TLS handshake error`, logline.FormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelUnknown, "http:", nil},
	"Go with micros": {`2026/03/01 10:11:12.123456 main.go:7: listening`, logline.FormatPlain, "2026-03-01T10:11:12.123456Z", domain.LogLevelUnknown, "main.go:7", nil},
	"slog": {
		`time=2026-03-01T10:11:12.345Z level=WARN msg="slow request" method=GET path="/a b" status=200 service=api`, logline.FormatLogfmt, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "slow request",
		map[string]string{"method": "GET", "path": "/a b", "status": "200", "program": "api"},
	},
	"slog JSON": {
		`{"time":"2026-03-01T10:11:12.345Z","level":"ERROR","msg":"gone","trace_id":"4bf92f"}`, logline.FormatJSON, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "gone",
		map[string]string{"trace_id": "4bf92f"},
	},
	"go-kit": {
		`ts=2026-03-01T10:11:12.345Z caller=head.go:5 level=error component=tsdb msg="write \"x\"" err="no space"`, logline.FormatLogfmt, "2026-03-01T10:11:12.345Z", domain.LogLevelError, `write \"x\"`, nil,
	},
	"logrus": {`time="2026-03-01T10:11:12Z" level=fatal msg=gone`, logline.FormatLogfmt, "2026-03-01T10:11:12Z", domain.LogLevelFatal, "gone", nil},
	"zap console": {
		"2026-03-01T10:11:12.345Z\tINFO\tserver/main.go:12\tstarted\t{\"port\": 8080}", logline.FormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelInfo, "server/main.go", nil,
	},
	"zap JSON":        {`{"level":"warn","ts":1772359872.345,"caller":"a/b.go:1","msg":"x"}`, logline.FormatJSON, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "x", nil},
	"zerolog":         {`10:11AM ERR cannot read error="EOF"`, logline.FormatPlain, "", domain.LogLevelError, "cannot read", nil},
	"zerolog, dated":  {`2026-03-01T10:11:12Z WRN slow`, logline.FormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelWarn, "slow", nil},
	"hashicorp":       {`2026-03-01T10:11:12.345Z [ERROR] agent.server: failed: error="x"`, logline.FormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "agent.server", nil},
	"Ruby":            {`E, [2026-03-01T10:11:12.345678 #42] ERROR -- : gone`, logline.FormatPlain, "2026-03-01T10:11:12.345678Z", domain.LogLevelError, "gone", nil},
	".NET":            {`fail: Microsoft.Hosting.Lifetime[0]`, logline.FormatPlain, "", domain.LogLevelError, "Microsoft", nil},
	"Serilog":         {`[10:11:12 WRN] slow`, logline.FormatPlain, "", domain.LogLevelWarn, "slow", nil},
	"Serilog, dated":  {`2026-03-01 10:11:12.345 +01:00 [ERR] gone`, logline.FormatPlain, "2026-03-01T09:11:12.345Z", domain.LogLevelError, "gone", nil},
	"Serilog compact": {`{"@t":"2026-03-01T10:11:12.345Z","@l":"Warning","@m":"slow"}`, logline.FormatJSON, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "slow", nil},
	"RabbitMQ":        {`2026-03-01 10:11:12.345678+00:00 [info] <0.216.0> Server startup complete`, logline.FormatPlain, "2026-03-01T10:11:12.345678Z", domain.LogLevelInfo, "<0.216.0>", nil},
	"Envoy":           {`[2026-03-01 10:11:12.345][12][warning][config] [source/x.cc:9] gRPC closed`, logline.FormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "[config]", nil},

	"Redis":        {`12:M 01 Mar 2026 10:11:12.345 # Can't save in background: fork`, logline.FormatRedis, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "Can't", nil},
	"PostgreSQL":   {`2026-03-01 10:11:12.345 UTC [77] app@db ERROR:  duplicate key value`, logline.FormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "duplicate", nil},
	"PostgreSQL 2": {`2026-03-01 10:11:12 EST [77-1] LOG:  database system is ready`, logline.FormatPlain, "2026-03-01T15:11:12Z", domain.LogLevelInfo, "database", nil},
	"MySQL 8":      {`2026-03-01T10:11:12.345678Z 0 [Warning] [MY-010068] [Server] CA certificate is self signed.`, logline.FormatPlain, "2026-03-01T10:11:12.345678Z", domain.LogLevelWarn, "[MY-010068]", nil},
	"MySQL 5":      {`260301 10:11:12 [ERROR] Plugin 'InnoDB' init function returned error.`, logline.FormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelError, "Plugin", nil},
	"MariaDB":      {`2026-03-01  1:11:12 0 [Note] InnoDB: Buffer pool(s) load completed`, logline.FormatPlain, "2026-03-01T01:11:12Z", domain.LogLevelInfo, "InnoDB", nil},
	"MongoDB": {
		`{"t":{"$date":"2026-03-01T10:11:12.345+00:00"},"s":"E","c":"STORAGE","id":20557,"ctx":"initandlisten","msg":"DBException in initAndListen"}`,
		logline.FormatJSON, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "DBException", nil,
	},
	"MongoDB 4.2": {`2026-03-01T10:11:12.345+0000 W  NETWORK  [conn7] Error receiving`, logline.FormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "NETWORK", nil},
	"Docker": {
		`{"log":"2026-03-01 10:11:12,345 ERROR gone\n","stream":"stderr","time":"2026-03-01T10:11:12.345678901Z"}`, logline.FormatJSON, "2026-03-01T10:11:12.345678Z", domain.LogLevelError, "2026-03-01 10",
		map[string]string{"stream": "stderr"},
	},
	"CRI": {
		`2026-03-01T11:11:12.345678901+01:00 stderr F E0301 10:11:12.000001 1 a.go:9] cannot sync`, logline.FormatContainer, "2026-03-01T10:11:12.345678Z", domain.LogLevelError, "cannot sync",
		map[string]string{"stream": "stderr"},
	},
	"CRI with JSON": {
		`2026-03-01T10:11:12.3Z stdout F {"level":"warn","msg":"slow"}`, logline.FormatContainer, "2026-03-01T10:11:12.3Z", domain.LogLevelWarn, "slow",
		map[string]string{"stream": "stdout"},
	},
	"Elastic's schema": {`{"@timestamp":"2026-03-01T10:11:12.345Z","log":{"level":"error"},"message":"gone","host":{"name":"h"}}`, logline.FormatJSON, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "gone", nil},
	"GELF":             {`{"version":"1.1","host":"h1","short_message":"gone","timestamp":1772359872.345,"level":3}`, logline.FormatJSON, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "gone", map[string]string{"host": "h1"}},
	"pino":             {`{"level":40,"time":1772359872345,"pid":7,"hostname":"h1","msg":"slow \"x\""}`, logline.FormatJSON, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "slow", map[string]string{"host": "h1", "pid": "7"}},

	"HDFS":      {`081109 203518 148 INFO dfs.DataNode$DataXceiver: Receiving block blk_-1608999687919862906`, logline.FormatPlain, "2008-11-09T20:35:18Z", domain.LogLevelInfo, "dfs.DataNode", nil},
	"BGL":       {`KERNDTLB 1117838570 2005.06.03 R02-M1-N0-C:J12-U11 2005-06-03-15.42.50.675872 R02-M1-N0-C:J12-U11 RAS KERNEL FATAL data TLB error interrupt`, logline.FormatPlain, "2005-06-03T15:42:50.675872Z", domain.LogLevelFatal, "data TLB", nil},
	"Spark":     {`17/06/09 20:10:40 WARN storage.BlockManager: lost`, logline.FormatPlain, "2017-06-09T20:10:40Z", domain.LogLevelWarn, "storage", nil},
	"HealthApp": {`20171223-22:16:0:19|Step_LSC|30002312|onStandStepChanged 3579`, logline.FormatPlain, "2017-12-23T22:16:00.019Z", domain.LogLevelUnknown, "Step_LSC", nil},
	"CBS":       {`2016-09-28 04:30:30, Error                 CBS    Failed to load component`, logline.FormatPlain, "2016-09-28T04:30:30Z", domain.LogLevelError, "CBS", nil},
	"logcat":    {`03-01 10:11:12.345  1702  2395 W ActivityManager: Slow operation`, logline.FormatLogcat, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "ActivityManager", nil},
	"Nezha":     {`2023-01-29T08:42:09.487160534Z ts-travel2-service-5c66d57d58-6mp2b 16:42:09.486 WARN  t.c.Travel2Controller#115 TraceID: 6f3c`, logline.FormatPlain, "2023-01-29T08:42:09.48716Z", domain.LogLevelWarn, "t.c.Travel2", nil},
	"OpenStack": {
		`nova-api.log.1.2017-05-16_13:53:08 2017-05-16 00:00:00.008 25746 ERROR nova.osapi_compute.wsgi.server [req-38101a0b] "GET /v2" status: 500`,
		logline.FormatPlain, "2017-05-16T00:00:00.008Z", domain.LogLevelError, "nova.osapi", nil,
	},
	"Proxifier":   {`[03.01 10:11:12] chrome.exe - proxy.example.com:5070 open through proxy`, logline.FormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelUnknown, "chrome.exe", nil},
	"US date":     {`3/1/2026 1:11:12 PM ERROR gone`, logline.FormatPlain, "2026-03-01T13:11:12Z", domain.LogLevelError, "gone", nil},
	"German date": {`01.03.2026 10:11:12 WARN langsam`, logline.FormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelWarn, "langsam", nil},
	"compose":     {`web-1  | 2026-03-01T10:11:12Z INFO ready`, logline.FormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelInfo, "ready", nil},

	"colours":            {"\x1b[90m10:11AM\x1b[0m \x1b[31mERR\x1b[0m \x1b[1mgone\x1b[0m", logline.FormatPlain, "", domain.LogLevelError, "gone", nil},
	"coloured level":     {"2026-03-01 10:11:12.345 \x1b[1;33mWARN\x1b[0;39m [main] slow", logline.FormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "[main]", nil},
	"coloured time":      {"\x1b[2m2026-03-01T10:11:12.345678Z\x1b[0m \x1b[32m INFO\x1b[0m app: started", logline.FormatPlain, "2026-03-01T10:11:12.345678Z", domain.LogLevelInfo, "app: started", nil},
	"a broken colour":    {"\x1b[ gone", logline.FormatText, "", domain.LogLevelUnknown, "\x1b[ gone", nil},
	"NUL":                {"2026-03-01T10:11:12Z ERROR a\x00b", logline.FormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelError, "a\x00b", nil},
	"Chinese":            {"2026-03-01 10:11:12 ERROR 无法连接数据库", logline.FormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelError, "无法", nil},
	"Japanese":           {"2026-03-01 10:11:12 WARN ディスクの空き容量", logline.FormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelWarn, "ディスク", nil},
	"Korean":             {"[2026-03-01 10:11:12] [ERROR] 연결 실패", logline.FormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelError, "연결", nil},
	"Arabic":             {"2026-03-01T10:11:12Z INFO بدأ الخادم", logline.FormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelInfo, "بدأ", nil},
	"Hebrew":             {"2026-03-01T10:11:12Z INFO השרת עלה", logline.FormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelInfo, "השרת", nil},
	"Russian":            {"2026-03-01 10:11:12,345 ERROR нет соединения", logline.FormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "нет", nil},
	"Greek":              {"2026-03-01 10:11:12,345 ERROR αποτυχία", logline.FormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "αποτυχία", nil},
	"Hindi":              {"2026-03-01 10:11:12 WARN धीमा", logline.FormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelWarn, "धीमा", nil},
	"Thai":               {"2026-03-01 10:11:12 WARN ช้า", logline.FormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelWarn, "ช้า", nil},
	"Vietnamese":         {"2026-03-01 10:11:12 WARN ổ đĩa đầy", logline.FormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelWarn, "ổ", nil},
	"prose with numbers": {"we saw 1772359872 errors on 2026-03-01 10:11:12", logline.FormatText, "", domain.LogLevelUnknown, "we saw", nil},
	"an equation":        {"x=1 is what we know", logline.FormatText, "", domain.LogLevelUnknown, "x=1", nil},
	"broken JSON":        {`{"level":"error","msg":`, logline.FormatText, "", domain.LogLevelUnknown, `{"level"`, nil},
	"a version":          {"1.2.3.4 is no date and 10.20 is none", logline.FormatText, "", domain.LogLevelUnknown, "1.2.3.4", nil},
}

func testNow() time.Time { return time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC) }

func TestLinesOfEveryFormatAreRead(t *testing.T) {
	t.Parallel()
	for name, want := range formatLines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := logline.Parser{}.Header(want.line, testNow())
			e := logline.Parser{}.Parse(want.line, testNow())
			require.Equal(t, want.format.String(), h.Format.String(), "format")
			require.Equal(t, want.level.String(), e.Level.String(), "level")
			require.Equal(t, want.line, e.Message)
			require.Equal(t, want.attributes, e.Attributes)
			require.True(t, strings.HasPrefix(want.line[h.TextBegin:h.TextEnd], want.text), "text %q", want.line[h.TextBegin:h.TextEnd])
			shown := ""
			if !e.Timestamp.IsZero() {
				shown = e.Timestamp.Format(time.RFC3339Nano)
			}
			require.Equal(t, want.time, shown, "time")
		})
	}
}

// A format that is set reads its own lines as detection does, and takes the others
// for text.
func TestASetFormatReadsNothingElse(t *testing.T) {
	t.Parallel()
	for name, want := range formatLines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			detected := logline.Parser{}.Header(want.line, testNow())
			require.Equal(t, detected, logline.Parser{Format: detected.Format}.Header(want.line, testNow()))
			for _, format := range []logline.Format{logline.FormatText, logline.FormatJSON, logline.FormatAccess, logline.FormatKlog, logline.FormatSyslog} {
				if format == detected.Format {
					continue
				}
				got := logline.Parser{Format: format}.Parse(want.line, testNow())
				require.Equal(t, domain.LogEntry{Message: want.line}, got, "read as %s", format)
			}
		})
	}
}

// Each format but those that say nothing has examples, which are read in it.
func TestTheExamplesOfAFormatAreReadInIt(t *testing.T) {
	t.Parallel()
	for _, name := range logline.FormatNames() {
		f, err := logline.ParseFormat(name)
		require.NoError(t, err)
		require.Equal(t, f == logline.FormatAuto || f == logline.FormatText, len(f.Examples()) == 0, name)
		for _, line := range f.Examples() {
			require.Equal(t, name, logline.Parser{}.Header(line, testNow()).Format.String(), line)
			require.Equal(t, name, logline.Parser{Format: f}.Header(line, testNow()).Format.String(), line)
		}
	}
}

func TestFormatNamesReadBack(t *testing.T) {
	t.Parallel()
	for _, name := range logline.FormatNames() {
		f, err := logline.ParseFormat(name)
		require.NoError(t, err)
		require.Equal(t, name, f.String())
	}
	for name, want := range map[string]logline.Format{"": logline.FormatAuto, "java": logline.FormatPlain, "docker": logline.FormatJSON, "nginx": logline.FormatAccess, "cri": logline.FormatContainer} {
		f, err := logline.ParseFormat(name)
		require.NoError(t, err)
		require.Equal(t, want, f)
	}
	_, err := logline.ParseFormat("klingon")
	require.ErrorIs(t, err, domain.ErrInvalid)
	require.ErrorContains(t, err, `format must be one of auto, text, plain, json`)
}

// The year of a time that has none is the newest that is not in the future.
func TestTheYearIsGuessedFromNow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, now, want string }{
		{"Mar  5 11:00:00 h a: x", "2026-03-05T12:00:00Z", "2026-03-05T11:00:00Z"},
		{"Mar  6 11:00:00 h a: x", "2026-03-05T12:00:00Z", "2026-03-06T11:00:00Z"}, // a clock that is ahead, or another zone
		{"Mar  7 11:00:00 h a: x", "2026-03-05T12:00:00Z", "2025-03-07T11:00:00Z"},
		{"Dec 31 23:59:59 h a: x", "2026-01-01T00:00:01Z", "2025-12-31T23:59:59Z"},
		{"Jan  1 00:00:01 h a: x", "2025-12-31T23:59:59Z", "2026-01-01T00:00:01Z"},
		{"Feb 29 10:00:00 h a: x", "2026-03-05T12:00:00Z", "2024-02-29T10:00:00Z"},
		{"Feb 29 10:00:00 h a: x", "1903-03-05T12:00:00Z", ""}, // 1896 is before 1970
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		require.NoError(t, err)
		got := logline.Parser{}.Header(c.line, now).Time
		if c.want == "" {
			require.True(t, got.IsZero(), c.line)
			continue
		}
		require.Equal(t, c.want, got.Format(time.RFC3339), c.line)
	}
}

func TestAttributesKeepToTheLimitsOfAnEntry(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	many.WriteString(`<14>1 2026-03-01T10:11:12Z h a - - [id`)
	for i := range 100 {
		many.WriteString(` p` + string(rune('a'+i%26)) + strings.Repeat("x", i) + `="` + strings.Repeat("é", 3000) + `"`)
	}
	many.WriteString(`] text`)
	e := logline.Parser{}.Parse(many.String(), testNow())
	require.Len(t, e.Attributes, domain.MaxLogAttributes)
	e.ID = domain.LogID{1}
	require.NoError(t, e.Validate())
}

// Times are the same as those that package time reads, whatever the day.
func TestEveryDayIsTheRightOne(t *testing.T) {
	t.Parallel()
	for at := time.Date(1970, 1, 1, 23, 59, 58, 123456000, time.UTC); at.Year() < 2101; at = at.Add(24*time.Hour + time.Second) {
		got, begin, end := logline.FindTime(at.Format("2006-01-02T15:04:05.000000Z07:00")+" x", testNow())
		require.Equal(t, at, got)
		require.Equal(t, [2]int{0, 27}, [2]int{begin, end})
	}
}

func TestParsingAllocatesNothing(t *testing.T) {
	for _, line := range []string{formatLines["HDFS"].line, formatLines["Log4j"].line, formatLines["BGL"].line, formatLines["Apache error log"].line, formatLines["combined access log"].line, formatLines["CRI"].line, formatLines["MongoDB"].line, formatLines["slog"].line, formatLines["RFC 5424 with structured data"].line} {
		require.Zero(t, testing.AllocsPerRun(100, func() { logline.Parser{}.Header(line, testNow()) }), line)
	}
	for _, line := range []string{formatLines["HDFS"].line, formatLines["Log4j"].line} {
		require.Zero(t, testing.AllocsPerRun(100, func() { logline.Parser{}.Parse(line, testNow()) }), line)
	}
}

// FuzzParser checks that a line is kept whole in every format, and that what is
// found in it makes a valid entry.
func FuzzParser(f *testing.F) {
	for _, c := range formatLines {
		for format := range len(logline.FormatNames()) {
			f.Add(c.line, uint8(format))
		}
	}
	for _, line := range headers {
		f.Add(line, uint8(logline.FormatAuto))
	}
	for _, c := range readProductLines(f) {
		f.Add(c.line, uint8(logline.FormatAuto))
		f.Add(c.line, uint8(logline.FormatPlain))
	}
	f.Fuzz(func(t *testing.T, line string, format uint8) {
		line = strings.ToValidUTF8(line, "\uFFFD")
		p := logline.Parser{Format: logline.Format(format % uint8(len(logline.FormatNames())))}
		h := p.Header(line, testNow())
		require.True(t, 0 <= h.TextBegin && h.TextBegin <= h.TextEnd && h.TextEnd <= len(line), "text from %d to %d of %d bytes", h.TextBegin, h.TextEnd, len(line))
		require.True(t, 0 <= h.TimeBegin && h.TimeBegin <= h.TimeEnd && h.TimeEnd <= len(line), "time from %d to %d of %d bytes", h.TimeBegin, h.TimeEnd, len(line))
		require.True(t, utf8.ValidString(line[h.TextBegin:h.TextEnd]), "whole characters")
		require.LessOrEqual(t, h.Level, domain.LogLevelFatal)
		e := p.Parse(line, testNow())
		require.Equal(t, strings.TrimSuffix(line, "\r"), e.Message)
		if strings.TrimSpace(line) != "" && len(line) <= domain.MaxLogMessage {
			e.ID = domain.LogID{1}
			require.NoError(t, e.Validate())
		}
		_, err := json.Marshal(e.Attributes)
		require.NoError(t, err)
	})
}

func benchmarkLines(b *testing.B, lines ...string) {
	b.Helper()
	b.Run("header", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			logline.Parser{}.Header(lines[i%len(lines)], testNow())
			i++
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
	})
	b.Run("line", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			logline.Parser{}.Parse(lines[i%len(lines)], testNow())
			i++
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
	})
}

func BenchmarkParseByFormat(b *testing.B) {
	for _, name := range []string{"HDFS", "BGL", "Spark", "Log4j", "syslog file", "RFC 5424 with structured data", "combined access log", "slog", "MongoDB", "CRI", "coloured level"} {
		b.Run(name, func(b *testing.B) { benchmarkLines(b, formatLines[name].line) })
	}
}
