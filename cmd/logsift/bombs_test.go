//go:build linux && !race

// The race detector multiplies the time and the memory that are measured here.

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// What a request of bombBytes may cost, as it is sent, and what any mix of them.
const (
	bombBytes = 150_000
	// bombWork is in units of [work], so that it holds on a slow machine too.
	bombWork   = 12
	bombMemory = 400 // MiB
	mixMemory  = 1000
)

// bomb is a body that is made to cost more than its bytes.
type bomb struct {
	name, media, encoding, query string
	body                         []byte
}

// noise returns bytes that no compression makes fewer, so that a body has as much of
// its limits as its bytes buy.
func noise(n int) string {
	random := rand.New(rand.NewPCG(1, 2))
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"
	var b strings.Builder
	for range n {
		b.WriteByte(letters[random.IntN(len(letters))])
	}
	return b.String()
}

// repeated returns text with as many repetitions of part as a body may be decoded to.
func repeated(before, part, after string) string {
	const decoded = 13 << 20
	return before + strings.Repeat(part, (decoded-len(before)-len(after))/len(part)) + after
}

// listOf is repeated, for elements of a few bytes: as they are compressed, they buy less.
func listOf(before, part, after string) string {
	const decoded = 8 << 20
	return before + strings.Repeat(part, (decoded-len(before)-len(after))/len(part)) + after
}

// message returns a field of protobuf that is a message, text or bytes.
func message(num protowire.Number, parts ...string) string {
	return string(protowire.AppendString(protowire.AppendTag(nil, num, protowire.BytesType), strings.Join(parts, "")))
}

func pair(key, value string) string { return message(1, key) + message(2, value) }

// bombs returns bodies of every kind; each is sent to every route.
func bombs(t *testing.T) []bomb {
	t.Helper()
	const (
		jsonMedia, ndjson, plain, protobuf = "application/json", "application/x-ndjson", "text/plain", "application/x-protobuf"

		pad = 60_000
	)
	rnd := noise(pad)
	padJSON := `{"message":"` + rnd + `"}`
	padProto := message(15, rnd) // a field that nobody knows
	ids := `"payload":{"log_ids":["0198c5a2-0000-7000-8000-000000000001"]`
	// attributes are so many attributes of OTLP, as fields of the number.
	attributes := func(num protowire.Number, count int, value string) string {
		var b strings.Builder
		for i := range count {
			b.WriteString(message(num, pair("k"+strconv.Itoa(i), message(1, value))))
		}
		return b.String()
	}
	object := func(members int, name func(int) string) string {
		var b strings.Builder
		for i := range members {
			fmt.Fprintf(&b, `,"%s":1`, name(i))
		}
		return b.String()[1:]
	}
	numbered := func(i int) string { return "k" + strconv.Itoa(i) }
	record := message(2, message(5, message(1, "x")))
	nested := message(1, strings.Repeat("\x01", 4<<20))
	for range 5 {
		nested = message(6, message(1, pair("q", nested)))
	}
	labels := `{"streams":[{"stream":{` + object(1000, numbered)[0:]
	labels = strings.ReplaceAll(labels, ":1", `:"v"`)

	texts := []bomb{
		{name: "lines of a byte", media: plain, body: []byte(repeated(rnd+"\n", "x\n", ""))},
		{name: "as many lines as may be", media: plain, body: []byte(rnd + strings.Repeat("\nx y", 20_000))},
		{name: "blank lines", media: plain, body: []byte(repeated(rnd, "\n", ""))},
		{name: "one line", media: plain, body: []byte(repeated(rnd, "x", ""))},
		{name: "lines of a megabyte", media: plain, body: []byte(repeated(rnd+"\n", strings.Repeat("x", 1<<20-1)+"\n", ""))},
		{name: "times and brackets", media: plain, body: []byte(repeated(rnd+"\n", strings.Repeat("[2026-01-01 00:00:00,000 {\"a\":", 30_000)+"\n", ""))},
		{name: "colours", media: plain, body: []byte(repeated(rnd+"\n", strings.Repeat("\x1b[31m", 1000)+"\n", ""))},
		{name: "invalid UTF-8", media: plain, body: []byte(repeated(rnd+"\n", strings.Repeat("\xff", 100_000)+"\n", ""))},
		{name: "pairs", media: plain, body: []byte(repeated(rnd+"\n", strings.Repeat("a=b c=\"d\" ", 60)+"\n", ""))},

		{name: "empty objects", media: ndjson, body: []byte(repeated(padJSON+"\n", "{}\n", ""))},
		{name: "objects of many members", media: ndjson, body: []byte(repeated(padJSON+"\n", `{"message":"m",`+object(999, numbered)+"}\n", ""))},
		{name: "long names within each other", media: ndjson, body: []byte(repeated(padJSON+"\n", `{"message":"m",`+strings.Repeat(`"`+strings.Repeat("n", 250)+`":{`, 3)+object(990, func(int) string { return "a" })+"}}}}\n", ""))},
		{name: "deep objects", media: ndjson, body: []byte(repeated(padJSON+"\n", strings.Repeat(`{"a":`, 31)+"1"+strings.Repeat("}", 31)+"\n", ""))},
		{name: "too deep objects", media: ndjson, body: []byte(repeated(padJSON+"\n", strings.Repeat(`[`, 500_000)+"\n", ""))},
		{name: "names of the request", media: ndjson, query: "?_msg_field=" + strings.Repeat("n,", 6000), body: []byte(repeated(padJSON+"\n", `{`+object(999, numbered)+"}\n", ""))},
		{name: "deletions", media: ndjson, body: []byte(repeated(`{"create":{}}`+"\n"+padJSON+"\n", "{\"delete\":{}}\n", ""))},
		{name: "documents", media: ndjson, body: []byte(`{"create":{}}` + "\n" + padJSON + "\n" + strings.Repeat("{\"create\":{}}\n{\"message\":\"m\"}\n", 20_000))},
		{name: "documents with long ids", media: ndjson, body: []byte(repeated(`{"create":{}}`+"\n"+padJSON+"\n", `{"create":{"_id":"`+strings.Repeat("i", 100_000)+"\"}}\n{\"message\":\"m\"}\n", ""))},
		{name: "tasks", media: ndjson, body: []byte(strings.Repeat(`{"type":"log_analysis",`+ids+"}}\n", 10_000))},
		{name: "tasks that are none", media: ndjson, body: []byte(repeated(padJSON+"\n", "{}\n", ""))},
		{name: "tasks of a megabyte", media: ndjson, body: []byte(repeated(padJSON+"\n", `{"type":"log_analysis",`+ids+`,"x":"`+strings.Repeat("x", 900_000)+"\"}}\n", ""))},

		{name: "a task", media: jsonMedia, body: []byte(`{"type":"log_analysis",` + ids + `,"x":"` + rnd + strings.Repeat("x", 1<<20) + `"}}`)},
		{name: "a task of many members", media: jsonMedia, body: []byte(`{"type":"log_analysis",` + ids + "," + object(50_000, numbered) + `}}`)},
		{name: "a task of brackets", media: jsonMedia, body: []byte(`{"type":"log_analysis","payload":` + strings.Repeat("[", 1_000_000))},
		{name: "an array of numbers", media: jsonMedia, body: []byte(repeated("["+padJSON, ",0", "]"))},
		{name: "an array of tasks", media: jsonMedia, body: []byte(`[` + strings.Repeat(`{"type":"log_analysis",`+ids+"}},", 9999) + `{}]`)},
		{name: "one string", media: jsonMedia, body: []byte(repeated(`{"message":"`+rnd, `\u0001`, `"}`))},
		{name: "ids", media: jsonMedia, body: []byte(`{"ids":["` + rnd + `"` + strings.Repeat(`,"x"`, 400_000) + `]}`)},
		{name: "empty ids", media: jsonMedia, body: []byte(listOf(`{"ids":["`+rnd+`"`, `,""`, `]}`))},
		{name: "empty tasks of a workflow", media: jsonMedia, body: []byte(listOf(`{"name":"`+rnd+`","tasks":[{}`, ",{}", `]}`))},
		{name: "a task of a workflow after many", media: jsonMedia, body: []byte(listOf(`{"name":"`+rnd+`","tasks":[{"after":[""`, `,""`, `]}]}`))},
		{name: "tags of a task of a workflow", media: jsonMedia, body: []byte(listOf(`{"name":"`+rnd+`","tasks":[{"tags":[""`, `,""`, `]}]}`))},
		{name: "empty reports", media: jsonMedia, body: []byte(listOf(`{"reports":[{"lease":"`+rnd+`"}`, ",{}", `]}`))},
		{name: "empty lines of a heartbeat", media: jsonMedia, body: []byte(`{"leases":["` + rnd + `"],"log":[{}` + strings.Repeat(",{}", 600_000) + `]}`)},

		{name: "a resource of many scopes", media: protobuf, body: []byte(message(1, message(1, padProto, message(1, pair("k", message(1, strings.Repeat("a", 10<<20))))), strings.Repeat(message(2, record), 15_000)))},
		{name: "attributes of a resource for each record", media: protobuf, body: []byte(padProto + message(1, message(1, attributes(1, 1000, "vvvv")), message(2, strings.Repeat(record, 20_000))))},
		{name: "large attributes of a resource for each record", media: protobuf, body: []byte(padProto + message(1, message(1, attributes(1, 64, strings.Repeat("v", 4096))), message(2, strings.Repeat(record, 20_000))))},
		{name: "attributes of the scopes of records", media: protobuf, body: []byte(padProto + message(1, strings.Repeat(message(2, message(1, attributes(3, 64, "v")), record), 3_500)))},
		{name: "large values of control characters", media: protobuf, body: []byte(padProto + message(1, message(1, attributes(1, 64, strings.Repeat("\x01", 4096))), message(2, strings.Repeat(record, 40))))},
		{name: "control characters within lists", media: protobuf, body: []byte(padProto + message(1, message(2, message(2, message(5, message(1, "x")), message(6, pair("k", nested)), message(6, pair("l", nested))))))},
		{name: "a body of control characters", media: protobuf, body: []byte(padProto + message(1, message(2, message(2, message(5, nested)))))},
		{name: "empty records", media: protobuf, body: []byte(padProto + message(1, message(2, strings.Repeat("\x12\x00", 5<<20))))},
		{name: "empty fields", media: protobuf, body: []byte(padProto + message(1, message(1, strings.Repeat("\x10\x00", 5<<20)), message(2, strings.Repeat("\x10\x00", 1<<20))))},
		{name: "attributes of a record", media: protobuf, body: []byte(padProto + message(1, message(2, message(2, message(5, message(1, "x")), strings.Repeat(message(6, pair("k", message(1, ""))), 1<<20)))))},
		{name: "records of OTLP in JSON", media: jsonMedia, body: []byte(repeated(`{"x":"`+rnd+`","resourceLogs":[{"scopeLogs":[{"logRecords":[{}`, ",{}", `]}]}]}`))},
		{name: "scopes of OTLP in JSON", media: jsonMedia, body: []byte(`{"resourceLogs":[{"resource":{"x":"` + rnd + strings.Repeat("a", 9<<20) + `"},"scopeLogs":[{}` + strings.Repeat(`,{"logRecords":[{"body":{"stringValue":"x"}}]}`, 20_000) + `]}]}`)},
		{name: "an attribute of OTLP in JSON", media: jsonMedia, body: []byte(repeated(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"`+rnd+`"},"attributes":[{"key":"a","value":{"stringValue":"`, `\u0001`, `"}}]}]}]}]}`))},
		{name: "a label for each line", media: jsonMedia, body: []byte(`{"streams":[{"stream":{"a":"` + rnd + strings.Repeat("x", 8<<20) + `"},"values":[["1","x"]` + strings.Repeat(`,["1","x"]`, 20_000) + `]}]}`)},
		{name: "labels for each line", media: jsonMedia, body: []byte(labels + `,"a":"` + rnd + `"},"values":[["1","x"]` + strings.Repeat(`,["1","x"]`, 20_000) + `]}]}`)},
		{name: "streams", media: jsonMedia, body: []byte(repeated(`{"x":"`+rnd+`","streams":[{"stream":{}}`, `,{"stream":{}}`, `]}`))},
	}
	var out []bomb
	for _, b := range texts {
		b.name, b.encoding, b.body = b.name+", gzip", "gzip", gzipped(t, b.body)
		require.LessOrEqual(t, len(b.body), bombBytes, b.name)
		out = append(out, b)
	}
	z, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	for _, b := range texts[:1] {
		out = append(out,
			bomb{name: b.name + ", zstd", media: b.media, encoding: "zstd", body: z.EncodeAll(b.body, nil)},
			bomb{name: b.name + ", as it is", media: b.media, body: b.body[len(b.body)-bombBytes:]})
	}
	block := snappy.Encode(nil, []byte(strings.Repeat("\x12\x00", 1<<20)))
	return append(out,
		bomb{name: "zeros, gzip", media: plain, encoding: "gzip", body: gzipped(t, make([]byte, 60<<20))},
		bomb{name: "a block of snappy", media: protobuf, encoding: "snappy", body: block[:min(len(block), bombBytes)]},
		bomb{name: "a block of snappy that says 4 GB", media: protobuf, body: []byte("\xff\xff\xff\xff\x0faaaaaaaaaa")},
		bomb{name: "a frame of zstd with a window of 2 GiB", media: plain, encoding: "zstd", body: []byte("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00")})
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	require.NoError(t, err)
	_, err = z.Write(data)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return buf.Bytes()
}

// writes returns the methods and paths of all operations that may have a body, by the
// contract that the process serves, which has exactly the routes of the router.
func writes(t *testing.T, url string) [][2]string {
	t.Helper()
	res, err := http.Get(url + "/openapi.json")
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }() // only read from
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	require.NoError(t, json.NewDecoder(res.Body).Decode(&doc))
	fill := strings.NewReplacer("{id}", "0198c5a2-0000-7000-8000-000000000001", "{name}", "x", "{index}", "x", "{path}", "x")
	var out [][2]string
	for path, operations := range doc.Paths {
		for method := range operations {
			if method = strings.ToUpper(method); slices.Contains([]string{"POST", "PUT", "PATCH", "DELETE"}, method) {
				out = append(out, [2]string{method, fill.Replace(path)})
			}
		}
	}
	require.Greater(t, len(out), 20)
	return out
}

// drop sends a bomb, reads the answer to its end, and returns its status.
func drop(t *testing.T, client *http.Client, url, method, path string, b *bomb) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url+path+b.query, bytes.NewReader(b.body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", b.media)
	if b.encoding != "" {
		req.Header.Set("Content-Encoding", b.encoding)
	}
	res, err := client.Do(req)
	require.NoError(t, err, "%s %s: %s", method, path, b.name)
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}

// cpuTime is what a process has used of the processors.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	const tick = 10 * time.Millisecond
	var sum time.Duration
	for _, field := range strings.Fields(string(rest))[11:13] {
		n, err := strconv.Atoi(field)
		require.NoError(t, err)
		sum += time.Duration(n) * tick
	}
	return sum
}

// peakMemory is the most memory that a process had, in MiB.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(t, err)
	return kib >> 10
}

// work is what this machine needs just now to look once at as many bytes of JSON as a body
// may be decoded to, with Go's own scanner: about 60 ms of a processor of 2024.
func work(t *testing.T) time.Duration {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	used := func() time.Duration {
		const thisThread = 1 // RUSAGE_THREAD
		var usage syscall.Rusage
		require.NoError(t, syscall.Getrusage(thisThread, &usage))
		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	before := used()
	require.True(t, json.Valid(plainJSON()))
	return used() - before
}

var plainJSON = sync.OnceValue(func() []byte {
	return []byte(repeated("[0", `,{"message":"a request was served","status":200}`, "]"))
})

func TestNoBodyCostsMoreThanItsBytesMayCost(t *testing.T) {
	t.Parallel()
	all := bombs(t)
	begin := func(t *testing.T) (url string, pid int) {
		t.Helper()
		p := start(t, "serve", "--addr", "127.0.0.1:0", "--workers", "0", "--store", "sqlite:"+t.TempDir()+"/bombs.db", "--max-pending", "0")
		return strings.TrimPrefix(p.awaitReady(t), "listening on "), p.cmd.Process.Pid
	}
	client := &http.Client{Timeout: time.Minute}
	t.Cleanup(client.CloseIdleConnections)

	t.Run("one after the other", func(t *testing.T) {
		t.Parallel()
		url, pid := begin(t)
		before, leastWork := peakMemory(t, pid), work(t)
		var dearest, tooDear []string
		var most time.Duration
		for _, route := range writes(t, url) {
			for i := range all {
				var used, bound time.Duration
				var status int
				// What else the machine does may slow one of the two.
				for tries := 0; tries == 0 || used > bound && tries < 3; tries++ {
					used = cpuTime(t, pid)
					status = drop(t, client, url, route[0], route[1], &all[i])
					used = cpuTime(t, pid) - used
					if bound = bombWork * leastWork; used > bound {
						bound = bombWork * work(t)
					}
				}
				what := fmt.Sprintf("%s %s: %s: status %d, %v, peak %d MiB", route[0], route[1], all[i].name, status, used, peakMemory(t, pid)-before)
				if status >= http.StatusInternalServerError || used > bound || peakMemory(t, pid)-before > bombMemory {
					tooDear = append(tooDear, what)
				}
				if used >= most {
					dearest, most = append(dearest, what), used
				}
			}
		}
		t.Logf("the dearest bodies:\n%s", strings.Join(dearest[max(0, len(dearest)-5):], "\n"))
		require.Empty(t, tooDear)
	})

	t.Run("all at once", func(t *testing.T) {
		t.Parallel()
		url, pid := begin(t)
		before := peakMemory(t, pid)
		var senders sync.WaitGroup
		for _, path := range []string{"/api/v1/logs", "/v1/logs", "/loki/api/v1/push", "/_bulk", "/api/v1/queue/tasks:batch"} {
			for first := range 2 {
				senders.Go(func() {
					for i := first; i < len(all); i += 2 {
						drop(t, client, url, http.MethodPost, path, &all[i])
					}
				})
			}
		}
		senders.Wait()
		t.Logf("peak memory: %d MiB more than at the start", peakMemory(t, pid)-before)
		require.LessOrEqual(t, peakMemory(t, pid)-before, mixMemory)
	})
}
