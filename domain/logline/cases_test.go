package logline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/domain/logline"
)

// Lines that were once read wrongly, each for its kind. Times and levels that are "" do
// not matter.
func TestLinesThatWereReadWrongly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ line, time, level string }{
		"month day year":        {`Jan 15 2026 06:41:30: %ASA-4-106023: Deny tcp src inside:10.1.2.30/63016`, "2026-01-15T06:41:30Z", "warn"},
		"cisco star":            {`<187>237: *Mar  1 18:48:50.483 UTC: %LINK-3-UPDOWN: Interface Gi0/1, changed state to down`, "2026-03-01T18:48:50.483Z", "error"},
		"year month day":        {`2024 Jan 11 19:27:57: %ARP-2-DUP_SRC_IP: duplicate address`, "2024-01-11T19:27:57Z", "fatal"},
		"dd mm dash":            {`18-11-2026 09:00:01 ERROR something`, "2026-11-18T09:00:01Z", "error"},
		"glog with year":        {`E20261118 09:00:01.023299 12735 query_context.cpp:60] failed`, "2026-11-18T09:00:01.023299Z", "error"},
		"unpadded iso":          {`2026/1/5 9:00:01 ERROR x`, "2026-01-05T09:00:01Z", "error"},
		"tab between":           {"2026-11-18\t09:00:01\tFRA2\t2390\t203.0.113.9\tGET\td111.test\t/x\t502", "2026-11-18T09:00:01Z", ""},
		"gin":                   {`[GIN] 2026/11/18 - 09:00:01 | 500 |  12ms | 203.0.113.7 | GET "/x"`, "2026-11-18T09:00:01Z", "error"},
		"date and time keys":    {`date=2026-11-18 time=09:00:01 devname="fw1" level="error" msg="x"`, "2026-11-18T09:00:01Z", "error"},
		"mysql5 padded hour":    {`260324  0:04:00 [ERROR] Aborting`, "2026-03-24T00:04:00Z", "error"},
		"level comma time":      {`[ns_server:error,2026-11-18T09:00:01.764Z,ns_1@127.0.0.1:bucket]Failed to allocate`, "2026-11-18T09:00:01.764Z", "error"},
		"weblogic":              {`####<Nov 18, 2026 11:58:08 AM UTC> <Error> <JDBC> <host1> <AdminServer> <BEA-001112> <Test failed>`, "2026-11-18T11:58:08Z", "error"},
		"syslog with full time": {`May 16 12:11:39 10.25.0.1 core[1160]: 2023-05-16T12:11:39Z [ERROR] auth failed`, "2023-05-16T12:11:39Z", "error"},
		"redis brackets":        {`[1:C] 18 Nov 2026 09:00:01.257 # Can't save in background: fork: Cannot allocate memory`, "2026-11-18T09:00:01.257Z", "warn"},
		"monolog":               {`[2026-11-18 09:00:01] production.ERROR: Something failed {"userId":7}`, "", "error"},
		"logrus tty":            {`ERRO[0012] failed to connect`, "", "error"},
		"rabbit erro":           {`2026-11-18 09:00:01.123 [erro] <0.692.0> Connection attempt rejected`, "", "error"},
		"cisco digit":           {`Nov 18 17:51:17 fw1: %ASA-3-302013: Built inbound TCP connection 1`, "", "error"},
		"nextcloud number":      {`{"reqId":"a1","level":1,"time":"2026-11-18T09:00:00+00:00","app":"files","user":"ana","message":"Tried to scan non file"}`, "", "info"},
		"serilog code":          {`{"@t":"2026-11-18T09:00:01.123Z","@m":"disk low","@l":"WRN"}`, "", "warn"},
		"docker json in json":   {`{"log":"{\"level\":\"error\",\"time\":\"2026-11-18T09:00:00Z\",\"msg\":\"boom\"}\n","stream":"stderr","time":"2026-11-18T09:00:00.5Z"}`, "", "error"},
		"compose prefix json":   {`web-1  | {"level":"error","time":"2026-11-18T09:00:01Z","msg":"boom"}`, "", "error"},
		"syslog json":           {`Nov 18 09:00:01 node1 app[7]: {"level":"error","msg":"boom"}`, "", "error"},
		"capital Severity":      {`{"EventTime":"2026-11-18 09:00:00","Hostname":"dc1","Severity":"ERROR","EventID":5,"Message":"disk"}`, "", "error"},
		"hclog":                 {`{"@level":"error","@message":"boom","@module":"vault","@timestamp":"2026-11-18T09:00:00.123456Z"}`, "", "error"},
		"error none":            {`2026-11-18 09:00:01 backup ok, failed: 0, error: none`, "", "unknown"},
		"log4j2 instant":        {`{"instant":{"epochSecond":1763456400,"nanoOfSecond":123000000},"level":"ERROR","message":"boom"}`, "2025-11-18T09:00:00.123Z", ""},
		"envoy start_time":      {`{"start_time":"2026-11-18T09:00:00.123Z","method":"GET","response_code":503}`, "2026-11-18T09:00:00.123Z", ""},
		"log_timestamp":         {`{"log_timestamp":"2026-11-18T09:00:00.065Z","log_level":"WARN","message":"x"}`, "2026-11-18T09:00:00.065Z", ""},
		"scientific epoch":      {`{"level":"error","ts":1.763456400123e9,"msg":"boom"}`, "2025-11-18T09:00:00.123Z", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := logline.Parser{}.Parse(c.line, productsNow())
			if c.time != "" {
				require.Equal(t, c.time, e.Timestamp.Format(time.RFC3339Nano))
			}
			if c.level != "" {
				require.Equal(t, c.level, e.Level.String())
			}
		})
	}
}

// A level may stand far behind long names of threads and classes.
func TestALevelBehindALongHeadIsFound(t *testing.T) {
	t.Parallel()
	line := "2026-11-18T09:00:01.969Z [" + strings.Repeat("pool-executor-", 20) + "7] ERROR com.test.A gone"
	require.Equal(t, "error", logline.Parser{}.Header(line, productsNow()).Level.String())
}
