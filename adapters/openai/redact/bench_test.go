package redact_test

import (
	"fmt"
	"testing"

	"logsift/adapters/openai/redact"
	"logsift/adapters/openai/redact/redacttest"
)

// BenchmarkRedact redacts ordinary lines, of which one in twenty has a secret, and
// long ones with nested objects.
func BenchmarkRedact(b *testing.B) {
	ordinary, planted := redacttest.Ordinary(seed), redacttest.Corpus(seed)
	var mixed, long []string
	for i, line := range ordinary {
		mixed = append(mixed, line)
		if i%20 == 0 {
			mixed = append(mixed, planted[i*7%len(planted)].Text)
		}
		long = append(long, fmt.Sprintf("2026-05-01 12:00:00.%03d INFO [svc-%d] Order(id=%d, items=[Item(name=Seat A%d, price=129.90, class=2), Item(name=Meal, price=8.50)], "+
			`route={"from":"ber","to":"muc","stations":["ber","hal","erf","nue","muc"],"via":%q}, contact=null, created=Fri May 01 12:00:00 UTC 2026, state=PAID)`, i, i, i*7919, i, line[:min(len(line), 200)]))
	}
	for _, c := range []struct {
		name  string
		lines []string
	}{{"mixed", mixed}, {"long", long}} {
		b.Run(c.name, func(b *testing.B) {
			size := 0
			for _, line := range c.lines {
				size += len(line)
			}
			b.ReportAllocs()
			b.SetBytes(int64(size / len(c.lines)))
			s := redact.New(redact.Config{}).Session()
			i := 0
			for b.Loop() {
				s.Redact(c.lines[i%len(c.lines)])
				i++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}
