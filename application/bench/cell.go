package bench

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"logsift/domain"
)

// Cell is one measurement: a workload and its sizes. What a workload does not
// use is zero.
type Cell struct {
	// Work names the workload, such as "w3".
	Work string
	// N is how many tasks are measured.
	N int
	// Rate is how many tasks are offered in a second.
	Rate int
	// C is how many tasks are worked on at once; 0 is 10.
	C int
	// Scheduled is whether the Depth other tasks are due in a day, and so not
	// run; else they are ready, behind which the measured ones wait.
	Scheduled bool
	Depth     int
	// Producers is how many goroutines enqueue.
	Producers int
	// Batch is how many tasks travel in one enqueue.
	Batch int
	// Cap bounds the measured part. What is left then is run unmeasured.
	Cap time.Duration
}

// plan lists the cells in their order.
var plan = []Cell{
	{Work: "w1", N: 20_000, Producers: 1, Cap: 8 * time.Second},
	{Work: "w1", N: 20_000, Producers: 16, Cap: 8 * time.Second},
	{Work: "w2", N: 200_000, Batch: 1000},
	{Work: "w3", N: 100_000, C: 10, Cap: 20 * time.Second},
	{Work: "w3", N: 100_000, C: 100, Cap: 20 * time.Second},
	{Work: "w4", N: 100, C: 10},
	{Work: "w5", N: 30_000, Rate: 2000, C: 100, Producers: 64},
	{Work: "w7", N: 20_000, C: 100, Scheduled: true, Depth: 1000, Cap: 40 * time.Second},
	{Work: "w7", N: 20_000, C: 100, Scheduled: true, Depth: 100_000, Cap: 40 * time.Second},
	{Work: "w7", N: 20_000, C: 100, Depth: 1000, Cap: 40 * time.Second},
	{Work: "w7", N: 20_000, C: 100, Depth: 100_000, Cap: 40 * time.Second},
	{Work: "w7m", N: 20_000, C: 100, Scheduled: true, Depth: 1_000_000, Cap: 40 * time.Second},
	{Work: "w8", C: 10, Cap: 240 * time.Second},
	{Work: "w9", N: 500, C: 100},
}

// DefaultWorks are the workloads that are measured unless others are named: all
// but w7m, which takes minutes and gigabytes.
const DefaultWorks = "w1,w2,w3,w4,w5,w7,w8,w9"

// Plan returns the cells of the named workloads. The error is a
// *domain.ValidationError that tells the names.
func Plan(works ...string) ([]Cell, error) {
	var out []Cell
	for _, work := range works {
		before := len(out)
		for _, c := range plan {
			if c.Work == work {
				out = append(out, c)
			}
		}
		if len(out) == before {
			return nil, &domain.ValidationError{Field: "work", Value: work, Rule: "must be some of " + DefaultWorks + ",w7m"}
		}
	}
	return out, nil
}

// Args returns the sizes as the peers' harness writes them, such as
// "-n 100000 -c 10 -cap 20s".
func (c Cell) Args() string {
	var out []string
	number := func(name string, n int) {
		if n != 0 {
			out = append(out, name, strconv.Itoa(n))
		}
	}
	number("-n", c.N)
	number("-rate", c.Rate)
	number("-c", c.C)
	if c.Scheduled {
		out = append(out, "-scheduled")
	}
	number("-depth", c.Depth)
	number("-producers", c.Producers)
	number("-batch", c.Batch)
	if c.Cap != 0 {
		out = append(out, "-cap", strconv.FormatFloat(c.Cap.Seconds(), 'f', -1, 64)+"s")
	}
	return strings.Join(out, " ")
}

// Workers is how many tasks are worked on at once.
func (c Cell) Workers() int {
	if c.C == 0 {
		return 10
	}
	return c.C
}

// Limits of a [Cell].
const (
	maxTasks     = 100_000_000
	maxProducers = 10_000
	maxBatch     = 10_000
)

// Validate checks the sizes. The error is a *domain.ValidationError.
func (c Cell) Validate() error {
	if _, ok := works[c.Work]; !ok {
		return &domain.ValidationError{Field: "work", Value: c.Work, Rule: "is none that there is"}
	}
	for _, s := range []struct {
		field     string
		value, to int
		used      bool
	}{
		{"tasks", c.N, maxTasks, c.Work != "w8"},
		{"rate", c.Rate, 1_000_000, c.Work == "w5"},
		{"workers", c.Workers(), 10_000, true},
		{"depth", c.Depth, maxTasks, c.Work == "w7" || c.Work == "w7m"},
		{"producers", c.Producers, maxProducers, c.Work == "w1" || c.Work == "w5"},
		{"batch", c.Batch, maxBatch, c.Work == "w2"},
	} {
		if s.used && (s.value < 1 || s.value > s.to) {
			return &domain.ValidationError{Field: s.field, Value: strconv.Itoa(s.value), Rule: fmt.Sprintf("must be between 1 and %d", s.to)}
		}
	}
	if c.Cap < 0 {
		return &domain.ValidationError{Field: "cap", Value: c.Cap.String(), Rule: "must not be negative"}
	}
	return nil
}
