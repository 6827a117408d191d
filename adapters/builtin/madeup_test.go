package builtin_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"logsift/domain"
)

// madeUp is a log that was made up: sessions that overlap, of which each writes the
// steps with its id, and lines of no session between them.
type madeUp struct {
	// id makes the id of a session, in any way but the same for the same number.
	id func(i int) string
	// steps are written by each session, in order: %[1]s is its id. The rest is what
	// logs have beside it: %[2]d is a process, %[3]d a thread, %[4]d a port.
	steps []string
	// change may change the steps of a session.
	change func(i int, steps []step) []step
	// noise is how many lines of no session come for each session.
	noise int
	// attribute, if it is set, holds the id in place of the line.
	attribute string
}

// step is one line of a session, and how long after the one before.
type step struct {
	text  string
	after time.Duration
}

// write makes the log of n sessions: the same for the same log.
func (m *madeUp) write(n int) []domain.LogEntry {
	type line struct {
		at   time.Duration
		text string
		id   string
	}
	random := rand.New(rand.NewPCG(1, uint64(n)))
	var all []line
	for i := range n {
		begin := time.Duration(i)*time.Second + time.Duration(random.IntN(1000))*time.Millisecond
		steps := make([]step, len(m.steps))
		for k, text := range m.steps {
			steps[k] = step{text, time.Duration(200+random.IntN(200)) * time.Millisecond}
		}
		if m.change != nil {
			steps = m.change(i, steps)
		}
		thread := 1 + random.IntN(16)
		for _, s := range steps {
			begin += s.after
			all = append(all, line{begin, fmt.Sprintf(s.text+"%.[5]s", m.id(i), 2931, thread, 32768+random.IntN(28000), ""), m.id(i)})
		}
		for range m.noise {
			all = append(all, line{begin, fmt.Sprintf("INFO [pool-7-thread-%d] connection from 10.0.%d.%d:%d kept alive", 1000+random.IntN(16), random.IntN(4), random.IntN(250), 32768+random.IntN(28000)), ""})
		}
	}
	slices.SortStableFunc(all, func(a, b line) int { return int(a.at - b.at) })
	lines := make([]string, len(all))
	for i, l := range all {
		lines[i] = at(l.at, "%s", l.text)
	}
	out := entries("app", lines...)
	for i, l := range all {
		if m.attribute != "" && l.id != "" {
			out[i].Attributes = map[string]string{m.attribute: l.id, "http.method": "GET", "thread": "pool-7-thread-1003"}
		}
	}
	return out
}

// ids of many forms, each by the number of its session.
func uuidID(i int) string { return uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i)).String() }

func hexID(i int) string { return strings.ReplaceAll(uuidID(i), "-", "") }

// baseID writes a number spread over n characters of an alphabet.
func baseID(alphabet string, n int) func(i int) string {
	return func(i int) string {
		random := rand.New(rand.NewPCG(7, uint64(i)))
		var b strings.Builder
		for range n {
			b.WriteByte(alphabet[random.IntN(len(alphabet))])
		}
		return b.String()
	}
}

const (
	base36 = "0123456789abcdefghijklmnopqrstuvwxyz"
	base26 = "abcdefghijklmnopqrstuvwxyz"
)

// madeUpLogs are logs of programs of many sorts, by what their ids look like.
func madeUpLogs() map[string]madeUp {
	return map[string]madeUp{
		"instances of a compute service": {id: uuidID, noise: 1, steps: []string{
			"%[2]d INFO nova.osapi [req-0c1d2e3f-0000-4000-8000-%012[4]d 113d3a99 54fadb41 - - -] 10.11.10.1 \"POST /v2/54fadb412c4e40cdbaed9335e4c35a9e/servers/%[1]s HTTP/1.1\" status: 202",
			"%[2]d INFO nova.compute.claims [req-0c1d2e3f-0000-4000-8000-%012[4]d 113d3a99 54fadb41 - - -] [instance: %[1]s] Attempting claim: memory 2048 MB, disk 20 GB",
			"%[2]d INFO nova.compute.claims [req-0c1d2e3f-0000-4000-8000-%012[4]d 113d3a99 54fadb41 - - -] [instance: %[1]s] Claim successful",
			"%[2]d INFO nova.virt.libvirt.driver [-] [instance: %[1]s] Creating image",
			"%[2]d INFO nova.compute.manager [-] [instance: %[1]s] VM Started (Lifecycle Event)",
			"%[2]d INFO nova.virt.libvirt.driver [-] [instance: %[1]s] Instance destroyed successfully.",
			"%[2]d INFO nova.virt.libvirt.driver [-] [instance: %[1]s] Deleting instance files /var/lib/nova/instances/%[1]s_del",
			"%[2]d INFO nova.compute.manager [-] [instance: %[1]s] Took 0.53 seconds to deallocate network for instance.",
		}},
		"traces with dots": {noise: 1, id: func(i int) string { return fmt.Sprintf("%s.%d.%d", hexID(i), 60+i%9, 16_789_012_345_670_001+i*977) }, steps: []string{
			"INFO [TID:%[1]s] [http-nio-8080-exec-%[3]d] c.e.OrderController - order received",
			"INFO [TID:%[1]s] [http-nio-8080-exec-%[3]d] c.e.StockClient - stock is asked",
			"INFO [TID:%[1]s] [http-nio-8080-exec-%[3]d] c.e.OrderRepository - order stored",
			"INFO [TID:%[1]s] [http-nio-8080-exec-%[3]d] c.e.OrderController - order answered",
		}},
		"short ids with dots": {noise: 1, id: func(i int) string { return fmt.Sprintf("a.b.%d.%d", 100+i%800, 456+i) }, steps: []string{
			"INFO (exec-%[3]d) %[1]s basket opened", "INFO (exec-%[3]d) %[1]s item added to basket", "INFO (exec-%[3]d) %[1]s basket paid", "INFO (exec-%[3]d) %[1]s basket closed",
		}},
		"numbers with dots": {noise: 1, id: func(i int) string { return fmt.Sprintf("%d.%d.%d", 5+i%3, 100+i%16, 15_790_123_456_780_001+i*13) }, steps: []string{
			"DEBUG [%[1]s] enter gateway", "DEBUG [%[1]s] enter service", "DEBUG [%[1]s] leave service", "DEBUG [%[1]s] leave gateway",
		}},
		"requests of an API server": {noise: 1, id: uuidID, steps: []string{
			`I0501 08:00:00.000000 %[2]d httplog.go:132] "HTTP begin" verb="GET" URI="/api/v1/pods" audit-ID="%[1]s" srcIP="10.0.0.7:%[4]d"`,
			`I0501 08:00:00.000000 %[2]d cacher.go:420] "watch cache hit" resource="pods" audit-ID="%[1]s"`,
			`I0501 08:00:00.000000 %[2]d httplog.go:140] "HTTP end" resp=200 audit-ID="%[1]s" srcIP="10.0.0.7:%[4]d"`,
		}},
		"queue ids of a mail server": {noise: 1, id: baseID("0123456789ABCDEF", 10), steps: []string{
			"mx1 postfix/smtpd[%[4]d]: %[1]s: client=unknown[192.0.2.7]", "mx1 postfix/cleanup[%[4]d]: %[1]s: message accepted",
			"mx1 postfix/qmgr[%[2]d]: %[1]s: queue active", "mx1 postfix/smtp[%[4]d]: %[1]s: status=sent (250 ok)", "mx1 postfix/qmgr[%[2]d]: %[1]s: removed",
		}},
		"message ids": {noise: 1, id: func(i int) string {
			return fmt.Sprintf("%x.%d.%d", 0x5f2e1c3a+i*77, 10_000+i%7, 1_700_000_000_000+i*311)
		}, steps: []string{
			"rspamd: <%[1]s@mx.example.com> task begins", "rspamd: <%[1]s@mx.example.com> learned nothing", "rspamd: <%[1]s@mx.example.com> score computed", "rspamd: <%[1]s@mx.example.com> action: no action",
		}},
		"blocks in paths": {noise: 1, id: func(i int) string { return fmt.Sprintf("blk_-%d", 1_608_999_687_919_862_906+i*7) }, steps: []string{
			"INFO dfs.FSNamesystem: allocate /user/jobs/part-0001/%[1]s", "INFO dfs.DataNode: receiving /data/current/%[1]s from 10.250.19.102:%[4]d",
			"INFO dfs.DataNode: received /data/current/%[1]s of size 67108864", "INFO dfs.FSNamesystem: stored /user/jobs/part-0001/%[1]s",
		}},
		"orders of five digits": {noise: 1, id: func(i int) string { return strconv.Itoa(48_213 + i*7) }, steps: []string{
			"INFO [worker-%[3]d] order %[1]s placed", "INFO [worker-%[3]d] payment of order %[1]s taken", "INFO [worker-%[3]d] order %[1]s packed", "INFO [worker-%[3]d] order %[1]s sent",
		}},
		"sessions of letters": {noise: 1, id: baseID(base26, 12), steps: []string{
			"INFO user logged in session=%[1]s port=%[4]d", "INFO profile shown session=%[1]s port=%[4]d", "INFO basket shown session=%[1]s port=%[4]d", "INFO user logged out session=%[1]s port=%[4]d",
		}},
		"base 36 in a header": {noise: 1, id: baseID(base36, 10), steps: []string{
			`{"level":"info","msg":"request begins","headers":{"X-Request-ID":"%[1]s"},"pid":%[2]d}`, `{"level":"info","msg":"token checked","headers":{"X-Request-ID":"%[1]s"},"pid":%[2]d}`,
			`{"level":"info","msg":"rows fetched","headers":{"X-Request-ID":"%[1]s"},"pid":%[2]d}`, `{"level":"info","msg":"request ends","headers":{"X-Request-ID":"%[1]s"},"pid":%[2]d}`,
		}},
		"an attribute": {noise: 1, id: hexID, attribute: "trace_id", steps: []string{
			"INFO request begins%.[1]s", "INFO token checked%.[1]s", "INFO rows fetched%.[1]s", "INFO request ends%.[1]s",
		}},
		"a short attribute": {noise: 1, id: func(i int) string { return strconv.Itoa(48_213 + i*7) }, attribute: "order_id", steps: []string{
			"INFO order placed%.[1]s", "INFO payment taken%.[1]s", "INFO goods packed%.[1]s", "INFO goods sent%.[1]s",
		}},
	}
}
