package domain_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain"
)

// parsedLine is what a line of a format must be read as.
type parsedLine struct {
	line   string
	format domain.LogFormat
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
		domain.LogFormatSyslog, "2026-03-01T10:11:12.003Z", domain.LogLevelInfo, "An application event",
		map[string]string{
			"host": "mymachine.example.com", "program": "evntslog", "pid": "8710", "msgid": "ID47",
			"exampleSDID@32473.iut": "3", "exampleSDID@32473.eventSource": `App "x"]`, "origin.ip": "192.0.2.1",
		},
	},
	"RFC 5424 without anything": {`<0>1 - - - - - -`, domain.LogFormatSyslog, "", domain.LogLevelFatal, "", nil},
	"RFC 5424 with a BOM": {
		"<34>1 2026-03-01T10:11:12.003-07:00 host su - ID47 - \uFEFF'su root' failed", domain.LogFormatSyslog, "2026-03-01T17:11:12.003Z", domain.LogLevelFatal, "'su root' failed",
		map[string]string{"host": "host", "program": "su", "msgid": "ID47"},
	},
	"RFC 5424 whose structured data are none": {
		`<14>1 2026-03-01T10:11:12Z h a - - [broken x] gone`, domain.LogFormatSyslog, "2026-03-01T10:11:12Z", domain.LogLevelInfo, "[broken x] gone",
		map[string]string{"host": "h", "program": "a"},
	},
	"RFC 3164": {
		`<13>Mar  4 01:02:03 web1 sshd[4711]: Failed password for root`, domain.LogFormatSyslog, "2026-03-04T01:02:03Z", domain.LogLevelInfo, "sshd[4711]: Failed",
		map[string]string{"host": "web1", "program": "sshd", "pid": "4711"},
	},
	"syslog file": {
		`Mar  4 01:02:03 web1 kernel: [12345.678901] Out of memory: Killed process 1234`, domain.LogFormatSyslog, "2026-03-04T01:02:03Z", domain.LogLevelUnknown, "kernel: [12345.678901]",
		map[string]string{"host": "web1", "program": "kernel"},
	},
	"journalctl": {
		`Mar 04 01:02:03 web1 systemd[1]: nginx.service: Failed with result 'exit-code'.`, domain.LogFormatSyslog, "2026-03-04T01:02:03Z", domain.LogLevelUnknown, "systemd[1]:",
		map[string]string{"host": "web1", "program": "systemd", "pid": "1"},
	},
	"journalctl -o short-precise": {
		`Mar 04 01:02:03.123456 web1 dockerd[812]: time="x"`, domain.LogFormatSyslog, "2026-03-04T01:02:03.123456Z", domain.LogLevelUnknown, "dockerd[812]:",
		map[string]string{"host": "web1", "program": "dockerd", "pid": "812"},
	},
	"journalctl -o short-iso": {
		`2026-03-04T01:02:03+0100 web1 cron[12]: (root) CMD (true)`, domain.LogFormatSyslog, "2026-03-04T00:02:03Z", domain.LogLevelUnknown, "cron[12]:",
		map[string]string{"host": "web1", "program": "cron", "pid": "12"},
	},
	"journalctl -o short-unix": {
		`1772586123.500000 web1 cron[12]: (root) CMD (true)`, domain.LogFormatSyslog, "2026-03-04T01:02:03.5Z", domain.LogLevelUnknown, "cron[12]:",
		map[string]string{"host": "web1", "program": "cron", "pid": "12"},
	},
	"journalctl -o json": {
		`{"MESSAGE":"disk is full","PRIORITY":"3","__REALTIME_TIMESTAMP":"1772586123500000","_HOSTNAME":"web1","SYSLOG_IDENTIFIER":"app","_PID":"7"}`,
		domain.LogFormatJSON, "2026-03-04T01:02:03.5Z", domain.LogLevelError, "disk is full",
		map[string]string{"host": "web1", "program": "app", "pid": "7"},
	},
	"Apple's syslog": {
		`Mar  4 01:02:03 mac1 WindowServer[184] <Error>: device_unlock failed`, domain.LogFormatSyslog, "2026-03-04T01:02:03Z", domain.LogLevelError, "WindowServer[184]",
		map[string]string{"host": "mac1", "program": "WindowServer", "pid": "184"},
	},
	"dmesg -T": {`[Wed Mar  4 01:02:03 2026] usb 1-1: new high-speed USB device`, domain.LogFormatPlain, "2026-03-04T01:02:03Z", domain.LogLevelUnknown, "usb 1-1", nil},
	"auditd": {
		`type=SYSCALL msg=audit(1772586123.500:24287): arch=c000003e syscall=2 success=no exit=-13 pid=3538`, domain.LogFormatLogfmt, "2026-03-04T01:02:03.5Z", domain.LogLevelUnknown, " arch=c000003e",
		map[string]string{"pid": "3538"},
	},

	"common access log": {
		`192.0.2.7 - frank [10/Oct/2025:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326`, domain.LogFormatAccess, "2025-10-10T20:55:36Z", domain.LogLevelInfo, "GET /apache_pb.gif",
		map[string]string{"client": "192.0.2.7", "method": "GET", "path": "/apache_pb.gif", "status": "200"},
	},
	"combined access log": {
		`2001:db8::1 - - [01/Mar/2026:10:11:12 +0000] "POST /api/v1/orders?id=7 HTTP/2.0" 503 182 "https://example.com/\"x" "Mozilla/5.0 (X11)" 0.013`,
		domain.LogFormatAccess, "2026-03-01T10:11:12Z", domain.LogLevelError, "POST /api",
		map[string]string{"client": "2001:db8::1", "method": "POST", "path": "/api/v1/orders?id=7", "status": "503"},
	},
	"access log, not found": {
		`10.0.0.1 - - [01/Mar/2026:10:11:12 +0000] "HEAD /x HTTP/1.1" 404 - "-" "curl/8"`, domain.LogFormatAccess, "2026-03-01T10:11:12Z", domain.LogLevelWarn, "HEAD /x",
		map[string]string{"client": "10.0.0.1", "method": "HEAD", "path": "/x", "status": "404"},
	},
	"access log, no request": {
		`10.0.0.1 - - [01/Mar/2026:10:11:12 +0000] "-" 408 0`, domain.LogFormatAccess, "2026-03-01T10:11:12Z", domain.LogLevelWarn, `-" 408`,
		map[string]string{"client": "10.0.0.1", "status": "408"},
	},
	"access log, bytes of TLS": {
		`10.0.0.1 - - [01/Mar/2026:10:11:12 +0000] "\x16\x03\x01\x02 \"a" 400 157 "-" "-"`, domain.LogFormatAccess, "2026-03-01T10:11:12Z", domain.LogLevelWarn, `\x16`,
		map[string]string{"client": "10.0.0.1", "status": "400"},
	},
	"access log with the host first": {
		`www.example.com:443 10.0.0.1 - - [01/Mar/2026:10:11:12 +0000] "GET / HTTP/1.1" 301 5`, domain.LogFormatAccess, "2026-03-01T10:11:12Z", domain.LogLevelInfo, "GET /",
		map[string]string{"client": "www.example.com:443", "method": "GET", "path": "/", "status": "301"},
	},
	"nginx error log": {`2026/03/01 10:11:12 [crit] 31#31: *9 connect() to unix:/run/a.sock failed`, domain.LogFormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelFatal, "31#31", nil},
	"Apache error log": {
		`[Sun Mar 01 10:11:12.123456 2026] [proxy:warn] [pid 7:tid 9] [client 10.0.0.1:5] AH01144: No protocol handler`, domain.LogFormatPlain, "2026-03-01T10:11:12.123456Z", domain.LogLevelWarn, "[pid 7", nil,
	},

	"klog":           {`I0302 10:11:12.654321       1 controller.go:116] "Updated status" node="n1"`, domain.LogFormatKlog, "2026-03-02T10:11:12.654321Z", domain.LogLevelInfo, `Updated status`, nil},
	"glog fatal":     {`F0302 10:11:12.654321   77 main.cc:12] Check failed: x == y`, domain.LogFormatKlog, "2026-03-02T10:11:12.654321Z", domain.LogLevelFatal, "Check failed", nil},
	"Log4j":          {`2026-03-01 10:11:12,345 ERROR [main] org.example.Main - cannot start`, domain.LogFormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "[main]", nil},
	"Spring":         {`2026-03-01 10:11:12.345  WARN 1 --- [nio-8080-exec-1] o.e.web.Controller : slow`, domain.LogFormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "1 ---", nil},
	"Spring 3":       {`2026-03-01T10:11:12.345+01:00  INFO 1 --- [app] [main] o.e.Main : Started`, domain.LogFormatPlain, "2026-03-01T09:11:12.345Z", domain.LogLevelInfo, "1 ---", nil},
	"Logback":        {`10:11:12.345 [main] DEBUG o.e.Main -- hello`, domain.LogFormatPlain, "", domain.LogLevelDebug, "o.e.Main", nil},
	"Cassandra":      {`WARN  [main] 2026-03-01 10:11:12,345 StartupChecks.java:143 - jemalloc`, domain.LogFormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "StartupChecks", nil},
	"Kafka":          {`[2026-03-01 10:11:12,345] ERROR [Broker id=1] Failed (kafka.server.KafkaServer)`, domain.LogFormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "[Broker", nil},
	"Zookeeper":      {`2026-03-01 10:11:12,345 - WARN  [QuorumPeer[myid=1]:FastLeaderElection@774] - Notification`, domain.LogFormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "[QuorumPeer", nil},
	"Tomcat":         {`01-Mar-2026 10:11:12.345 SEVERE [main] org.apache.catalina.X.y gone`, domain.LogFormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "[main]", nil},
	"java.util.log":  {"Mar 01, 2026 1:11:12 PM com.example.Main run\nWARNING: disk nearly full", domain.LogFormatPlain, "2026-03-01T13:11:12Z", domain.LogLevelWarn, "disk nearly", nil},
	"Python":         {`2026-03-01 10:11:12,345 - app.db - CRITICAL - gone`, domain.LogFormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelFatal, "gone", nil},
	"Python's basic": {`WARNING:urllib3.connectionpool:Retrying`, domain.LogFormatPlain, "", domain.LogLevelWarn, "WARNING:", nil},
	"uvicorn":        {`INFO:     127.0.0.1:5000 - "GET / HTTP/1.1" 200 OK`, domain.LogFormatPlain, "", domain.LogLevelInfo, "127.0.0.1", nil},
	"Django":         {`[01/Mar/2026 10:11:12] "GET /admin HTTP/1.1" 500 2141`, domain.LogFormatAccess, "2026-03-01T10:11:12Z", domain.LogLevelError, "GET", map[string]string{"method": "GET", "path": "/admin", "status": "500"}},
	"Go":             {`2026/03/01 10:11:12 http: TLS handshake error`, domain.LogFormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelUnknown, "http:", nil},
	"Go with micros": {`2026/03/01 10:11:12.123456 main.go:7: listening`, domain.LogFormatPlain, "2026-03-01T10:11:12.123456Z", domain.LogLevelUnknown, "main.go:7", nil},
	"slog": {
		`time=2026-03-01T10:11:12.345Z level=WARN msg="slow request" method=GET path="/a b" status=200 service=api`, domain.LogFormatLogfmt, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "slow request",
		map[string]string{"method": "GET", "path": "/a b", "status": "200", "program": "api"},
	},
	"slog JSON": {
		`{"time":"2026-03-01T10:11:12.345Z","level":"ERROR","msg":"gone","trace_id":"4bf92f"}`, domain.LogFormatJSON, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "gone",
		map[string]string{"trace_id": "4bf92f"},
	},
	"go-kit": {
		`ts=2026-03-01T10:11:12.345Z caller=head.go:5 level=error component=tsdb msg="write \"x\"" err="no space"`, domain.LogFormatLogfmt, "2026-03-01T10:11:12.345Z", domain.LogLevelError, `write \"x\"`, nil,
	},
	"logrus": {`time="2026-03-01T10:11:12Z" level=fatal msg=gone`, domain.LogFormatLogfmt, "2026-03-01T10:11:12Z", domain.LogLevelFatal, "gone", nil},
	"zap console": {
		"2026-03-01T10:11:12.345Z\tINFO\tserver/main.go:12\tstarted\t{\"port\": 8080}", domain.LogFormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelInfo, "server/main.go", nil,
	},
	"zap JSON":        {`{"level":"warn","ts":1772359872.345,"caller":"a/b.go:1","msg":"x"}`, domain.LogFormatJSON, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "x", nil},
	"zerolog":         {`10:11AM ERR cannot read error="EOF"`, domain.LogFormatPlain, "", domain.LogLevelError, "cannot read", nil},
	"zerolog, dated":  {`2026-03-01T10:11:12Z WRN slow`, domain.LogFormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelWarn, "slow", nil},
	"hashicorp":       {`2026-03-01T10:11:12.345Z [ERROR] agent.server: failed: error="x"`, domain.LogFormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "agent.server", nil},
	"Ruby":            {`E, [2026-03-01T10:11:12.345678 #42] ERROR -- : gone`, domain.LogFormatPlain, "2026-03-01T10:11:12.345678Z", domain.LogLevelError, "gone", nil},
	".NET":            {`fail: Microsoft.Hosting.Lifetime[0]`, domain.LogFormatPlain, "", domain.LogLevelError, "Microsoft", nil},
	"Serilog":         {`[10:11:12 WRN] slow`, domain.LogFormatPlain, "", domain.LogLevelWarn, "slow", nil},
	"Serilog, dated":  {`2026-03-01 10:11:12.345 +01:00 [ERR] gone`, domain.LogFormatPlain, "2026-03-01T09:11:12.345Z", domain.LogLevelError, "gone", nil},
	"Serilog compact": {`{"@t":"2026-03-01T10:11:12.345Z","@l":"Warning","@m":"slow"}`, domain.LogFormatJSON, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "slow", nil},
	"RabbitMQ":        {`2026-03-01 10:11:12.345678+00:00 [info] <0.216.0> Server startup complete`, domain.LogFormatPlain, "2026-03-01T10:11:12.345678Z", domain.LogLevelInfo, "<0.216.0>", nil},
	"Envoy":           {`[2026-03-01 10:11:12.345][12][warning][config] [source/x.cc:9] gRPC closed`, domain.LogFormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "[config]", nil},

	"Redis":        {`12:M 01 Mar 2026 10:11:12.345 # Can't save in background: fork`, domain.LogFormatRedis, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "Can't", nil},
	"PostgreSQL":   {`2026-03-01 10:11:12.345 UTC [77] app@db ERROR:  duplicate key value`, domain.LogFormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "duplicate", nil},
	"PostgreSQL 2": {`2026-03-01 10:11:12 EST [77-1] LOG:  database system is ready`, domain.LogFormatPlain, "2026-03-01T15:11:12Z", domain.LogLevelInfo, "database", nil},
	"MySQL 8":      {`2026-03-01T10:11:12.345678Z 0 [Warning] [MY-010068] [Server] CA certificate is self signed.`, domain.LogFormatPlain, "2026-03-01T10:11:12.345678Z", domain.LogLevelWarn, "[MY-010068]", nil},
	"MySQL 5":      {`260301 10:11:12 [ERROR] Plugin 'InnoDB' init function returned error.`, domain.LogFormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelError, "Plugin", nil},
	"MariaDB":      {`2026-03-01  1:11:12 0 [Note] InnoDB: Buffer pool(s) load completed`, domain.LogFormatPlain, "2026-03-01T01:11:12Z", domain.LogLevelInfo, "InnoDB", nil},
	"MongoDB": {
		`{"t":{"$date":"2026-03-01T10:11:12.345+00:00"},"s":"E","c":"STORAGE","id":20557,"ctx":"initandlisten","msg":"DBException in initAndListen"}`,
		domain.LogFormatJSON, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "DBException", nil,
	},
	"MongoDB 4.2": {`2026-03-01T10:11:12.345+0000 W  NETWORK  [conn7] Error receiving`, domain.LogFormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "NETWORK", nil},
	"Docker": {
		`{"log":"2026-03-01 10:11:12,345 ERROR gone\n","stream":"stderr","time":"2026-03-01T10:11:12.345678901Z"}`, domain.LogFormatJSON, "2026-03-01T10:11:12.345678Z", domain.LogLevelError, "2026-03-01 10",
		map[string]string{"stream": "stderr"},
	},
	"CRI": {
		`2026-03-01T11:11:12.345678901+01:00 stderr F E0301 10:11:12.000001 1 a.go:9] cannot sync`, domain.LogFormatContainer, "2026-03-01T10:11:12.345678Z", domain.LogLevelError, "cannot sync",
		map[string]string{"stream": "stderr"},
	},
	"CRI with JSON": {
		`2026-03-01T10:11:12.3Z stdout F {"level":"warn","msg":"slow"}`, domain.LogFormatContainer, "2026-03-01T10:11:12.3Z", domain.LogLevelWarn, "slow",
		map[string]string{"stream": "stdout"},
	},
	"Elastic's schema": {`{"@timestamp":"2026-03-01T10:11:12.345Z","log":{"level":"error"},"message":"gone","host":{"name":"h"}}`, domain.LogFormatJSON, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "gone", nil},
	"GELF":             {`{"version":"1.1","host":"h1","short_message":"gone","timestamp":1772359872.345,"level":3}`, domain.LogFormatJSON, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "gone", map[string]string{"host": "h1"}},
	"pino":             {`{"level":40,"time":1772359872345,"pid":7,"hostname":"h1","msg":"slow \"x\""}`, domain.LogFormatJSON, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "slow", map[string]string{"host": "h1", "pid": "7"}},

	"HDFS":      {`081109 203518 148 INFO dfs.DataNode$DataXceiver: Receiving block blk_-1608999687919862906`, domain.LogFormatPlain, "2008-11-09T20:35:18Z", domain.LogLevelInfo, "dfs.DataNode", nil},
	"BGL":       {`KERNDTLB 1117838570 2005.06.03 R02-M1-N0-C:J12-U11 2005-06-03-15.42.50.675872 R02-M1-N0-C:J12-U11 RAS KERNEL FATAL data TLB error interrupt`, domain.LogFormatPlain, "2005-06-03T15:42:50.675872Z", domain.LogLevelFatal, "data TLB", nil},
	"Spark":     {`17/06/09 20:10:40 WARN storage.BlockManager: lost`, domain.LogFormatPlain, "2017-06-09T20:10:40Z", domain.LogLevelWarn, "storage", nil},
	"HealthApp": {`20171223-22:16:0:19|Step_LSC|30002312|onStandStepChanged 3579`, domain.LogFormatPlain, "2017-12-23T22:16:00.019Z", domain.LogLevelUnknown, "Step_LSC", nil},
	"CBS":       {`2016-09-28 04:30:30, Error                 CBS    Failed to load component`, domain.LogFormatPlain, "2016-09-28T04:30:30Z", domain.LogLevelError, "CBS", nil},
	"logcat":    {`03-01 10:11:12.345  1702  2395 W ActivityManager: Slow operation`, domain.LogFormatLogcat, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "ActivityManager", nil},
	"Nezha":     {`2023-01-29T08:42:09.487160534Z ts-travel2-service-5c66d57d58-6mp2b 16:42:09.486 WARN  t.c.Travel2Controller#115 TraceID: 6f3c`, domain.LogFormatPlain, "2023-01-29T08:42:09.48716Z", domain.LogLevelWarn, "t.c.Travel2", nil},
	"OpenStack": {
		`nova-api.log.1.2017-05-16_13:53:08 2017-05-16 00:00:00.008 25746 ERROR nova.osapi_compute.wsgi.server [req-38101a0b] "GET /v2" status: 500`,
		domain.LogFormatPlain, "2017-05-16T00:00:00.008Z", domain.LogLevelError, "nova.osapi", nil,
	},
	"Proxifier":   {`[03.01 10:11:12] chrome.exe - proxy.example.com:5070 open through proxy`, domain.LogFormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelUnknown, "chrome.exe", nil},
	"US date":     {`3/1/2026 1:11:12 PM ERROR gone`, domain.LogFormatPlain, "2026-03-01T13:11:12Z", domain.LogLevelError, "gone", nil},
	"German date": {`01.03.2026 10:11:12 WARN langsam`, domain.LogFormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelWarn, "langsam", nil},
	"compose":     {`web-1  | 2026-03-01T10:11:12Z INFO ready`, domain.LogFormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelInfo, "ready", nil},

	"colours":            {"\x1b[90m10:11AM\x1b[0m \x1b[31mERR\x1b[0m \x1b[1mgone\x1b[0m", domain.LogFormatPlain, "", domain.LogLevelError, "gone", nil},
	"coloured level":     {"2026-03-01 10:11:12.345 \x1b[1;33mWARN\x1b[0;39m [main] slow", domain.LogFormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelWarn, "[main]", nil},
	"coloured time":      {"\x1b[2m2026-03-01T10:11:12.345678Z\x1b[0m \x1b[32m INFO\x1b[0m app: started", domain.LogFormatPlain, "2026-03-01T10:11:12.345678Z", domain.LogLevelInfo, "app: started", nil},
	"a broken colour":    {"\x1b[ gone", domain.LogFormatText, "", domain.LogLevelUnknown, "\x1b[ gone", nil},
	"NUL":                {"2026-03-01T10:11:12Z ERROR a\x00b", domain.LogFormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelError, "a\x00b", nil},
	"Chinese":            {"2026-03-01 10:11:12 ERROR 无法连接数据库", domain.LogFormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelError, "无法", nil},
	"Japanese":           {"2026-03-01 10:11:12 WARN ディスクの空き容量", domain.LogFormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelWarn, "ディスク", nil},
	"Korean":             {"[2026-03-01 10:11:12] [ERROR] 연결 실패", domain.LogFormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelError, "연결", nil},
	"Arabic":             {"2026-03-01T10:11:12Z INFO بدأ الخادم", domain.LogFormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelInfo, "بدأ", nil},
	"Hebrew":             {"2026-03-01T10:11:12Z INFO השרת עלה", domain.LogFormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelInfo, "השרת", nil},
	"Russian":            {"2026-03-01 10:11:12,345 ERROR нет соединения", domain.LogFormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "нет", nil},
	"Greek":              {"2026-03-01 10:11:12,345 ERROR αποτυχία", domain.LogFormatPlain, "2026-03-01T10:11:12.345Z", domain.LogLevelError, "αποτυχία", nil},
	"Hindi":              {"2026-03-01 10:11:12 WARN धीमा", domain.LogFormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelWarn, "धीमा", nil},
	"Thai":               {"2026-03-01 10:11:12 WARN ช้า", domain.LogFormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelWarn, "ช้า", nil},
	"Vietnamese":         {"2026-03-01 10:11:12 WARN ổ đĩa đầy", domain.LogFormatPlain, "2026-03-01T10:11:12Z", domain.LogLevelWarn, "ổ", nil},
	"prose with numbers": {"we saw 1772359872 errors on 2026-03-01 10:11:12", domain.LogFormatText, "", domain.LogLevelUnknown, "we saw", nil},
	"an equation":        {"x=1 is what we know", domain.LogFormatText, "", domain.LogLevelUnknown, "x=1", nil},
	"broken JSON":        {`{"level":"error","msg":`, domain.LogFormatText, "", domain.LogLevelUnknown, `{"level"`, nil},
	"a version":          {"1.2.3.4 is no date and 10.20 is none", domain.LogFormatText, "", domain.LogLevelUnknown, "1.2.3.4", nil},
}

func testNow() time.Time { return time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC) }

func TestLinesOfEveryFormatAreRead(t *testing.T) {
	t.Parallel()
	for name, want := range formatLines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := domain.ParseLogHeader(want.line, testNow())
			e := domain.ParseLogLine(want.line, testNow())
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
			detected := domain.ParseLogHeader(want.line, testNow())
			require.Equal(t, detected, domain.LogParser{Format: detected.Format}.ParseHeader(want.line, testNow()))
			for _, format := range []domain.LogFormat{domain.LogFormatText, domain.LogFormatJSON, domain.LogFormatAccess, domain.LogFormatKlog, domain.LogFormatSyslog} {
				if format == detected.Format {
					continue
				}
				got := domain.LogParser{Format: format}.ParseLine(want.line, testNow())
				require.Equal(t, domain.LogEntry{Message: want.line}, got, "read as %s", format)
			}
		})
	}
}

func TestFormatNamesReadBack(t *testing.T) {
	t.Parallel()
	for _, name := range domain.LogFormatNames() {
		f, err := domain.ParseLogFormat(name)
		require.NoError(t, err)
		require.Equal(t, name, f.String())
	}
	for name, want := range map[string]domain.LogFormat{"": domain.LogFormatAuto, "java": domain.LogFormatPlain, "docker": domain.LogFormatJSON, "nginx": domain.LogFormatAccess, "cri": domain.LogFormatContainer} {
		f, err := domain.ParseLogFormat(name)
		require.NoError(t, err)
		require.Equal(t, want, f)
	}
	_, err := domain.ParseLogFormat("klingon")
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
		got := domain.ParseLogHeader(c.line, now).Time
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
	e := domain.ParseLogLine(many.String(), testNow())
	require.Len(t, e.Attributes, domain.MaxLogAttributes)
	e.ID = domain.LogID{1}
	require.NoError(t, e.Validate())
}

// Times are the same as those that package time reads, whatever the day.
func TestEveryDayIsTheRightOne(t *testing.T) {
	t.Parallel()
	for at := time.Date(1970, 1, 1, 23, 59, 58, 123456000, time.UTC); at.Year() < 2101; at = at.Add(24*time.Hour + time.Second) {
		got, begin, end := domain.ScanLogTime(at.Format("2006-01-02T15:04:05.000000Z07:00")+" x", testNow())
		require.Equal(t, at, got)
		require.Equal(t, [2]int{0, 27}, [2]int{begin, end})
	}
}

func TestParsingAllocatesNothing(t *testing.T) {
	for _, line := range []string{formatLines["HDFS"].line, formatLines["Log4j"].line, formatLines["BGL"].line, formatLines["Apache error log"].line, formatLines["combined access log"].line, formatLines["CRI"].line, formatLines["MongoDB"].line, formatLines["slog"].line, formatLines["RFC 5424 with structured data"].line} {
		require.Zero(t, testing.AllocsPerRun(100, func() { domain.ParseLogHeader(line, testNow()) }), line)
	}
	for _, line := range []string{formatLines["HDFS"].line, formatLines["Log4j"].line} {
		require.Zero(t, testing.AllocsPerRun(100, func() { domain.ParseLogLine(line, testNow()) }), line)
	}
}

// FuzzLogParser checks that a line is kept whole in every format, and that what is
// found in it makes a valid entry.
func FuzzLogParser(f *testing.F) {
	for _, c := range formatLines {
		for format := range len(domain.LogFormatNames()) {
			f.Add(c.line, uint8(format))
		}
	}
	f.Fuzz(func(t *testing.T, line string, format uint8) {
		line = strings.ToValidUTF8(line, "\uFFFD")
		p := domain.LogParser{Format: domain.LogFormat(format % uint8(len(domain.LogFormatNames())))}
		h := p.ParseHeader(line, testNow())
		require.True(t, 0 <= h.TextBegin && h.TextBegin <= h.TextEnd && h.TextEnd <= len(line), "text from %d to %d of %d bytes", h.TextBegin, h.TextEnd, len(line))
		require.True(t, 0 <= h.TimeBegin && h.TimeBegin <= h.TimeEnd && h.TimeEnd <= len(line), "time from %d to %d of %d bytes", h.TimeBegin, h.TimeEnd, len(line))
		e := p.ParseLine(line, testNow())
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
			domain.ParseLogHeader(lines[i%len(lines)], testNow())
			i++
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
	})
	b.Run("line", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			domain.ParseLogLine(lines[i%len(lines)], testNow())
			i++
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
	})
}

func BenchmarkParseLogLineByFormat(b *testing.B) {
	for _, name := range []string{"HDFS", "BGL", "Spark", "Log4j", "syslog file", "RFC 5424 with structured data", "combined access log", "slog", "MongoDB", "CRI", "coloured level"} {
		b.Run(name, func(b *testing.B) { benchmarkLines(b, formatLines[name].line) })
	}
}
