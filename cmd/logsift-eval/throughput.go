package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"time"

	"github.com/google/uuid"

	"logsift/adapters/builtin"
	"logsift/adapters/builtin/mining"
	"logsift/domain"
	"logsift/domain/logline"
)

// Goals of the throughput on one core, in lines for each second.
const (
	goalShortLines = 300_000
	goalLongLines  = 150_000
	// longLine is the mean length, in bytes, from which lines are long.
	longLine = 250
)

// Goals and size of the run with many templates.
const (
	manyTemplates = 1_000_000
	goalHeap      = 128 << 20
	goalGrowth    = 1.1
)

// rounds is how often each run is repeated; the fastest counts.
const rounds = 3

// evalThroughput measures how many lines one core analyses in a second, and how
// much memory that takes, the lines themselves included. Each folder of data with
// *.log files is one log.
func evalThroughput(ctx context.Context, w *report, data string) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	files, err := filepath.Glob(filepath.Join(data, "*", "*.log"))
	if err != nil {
		return fmt.Errorf("find logs: %w", err)
	}
	folders := map[string][]string{}
	var names []string
	for _, file := range files {
		folder := filepath.Base(filepath.Dir(file))
		if folders[folder] == nil {
			names = append(names, folder)
		}
		folders[folder] = append(folders[folder], file)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := measureLog(ctx, w, name, folders[name]); err != nil {
			return err
		}
	}
	measureManyTemplates(w)
	return nil
}

// minMeasured and maxMeasured bound the lines of one log: fewer take no time that
// could be measured.
const (
	minMeasured = 5_000
	maxMeasured = 200_000
)

// measureLog measures the lines of the files.
func measureLog(ctx context.Context, w *report, name string, files []string) error {
	var lines []string
	size := 0
	for _, file := range files {
		read, err := readLines(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, line := range read {
			if line != "" && len(lines) < maxMeasured {
				lines = append(lines, line)
				size += len(line)
			}
		}
	}
	if len(lines) < minMeasured {
		return nil
	}
	goal := goalShortLines
	if size/len(lines) >= longLine {
		goal = goalLongLines
	}
	templates := 0
	mined := measure(len(lines), func() error {
		m := mining.New(mining.Config{})
		for _, line := range lines {
			h := logline.Parser{}.Header(line, arrival)
			m.Learn(line[h.TextBegin:h.TextEnd])
		}
		templates = len(m.Templates())
		return nil
	})
	analysed := measure(len(lines), func() error {
		_, err := builtin.New(builtin.Config{}).Analyze(ctx, domain.AnalysisRequest{TaskID: uuid.Max, Logs: entries(name, lines)})
		return err
	})
	if analysed.err != nil {
		return fmt.Errorf("analyse %s: %w", name, analysed.err)
	}
	const section = "throughput on one core"
	w.add(section, name, fmt.Sprintf("%d lines of %d bytes, %d templates", len(lines), size/len(lines), templates))
	w.add(section, name+", header and template", mined.String())
	w.check(section, name+", line to anomalies", analysed.String(), fmt.Sprintf("≥ %dk lines/s", goal/1000), analysed.lines >= float64(goal))
	return nil
}

// cost is what a run took.
type cost struct {
	lines, allocs, bytes float64 // lines each second; the others for each line
	peak                 uint64
	err                  error
}

func (c cost) String() string {
	return fmt.Sprintf("%.0fk lines/s, %.2f allocations of %.0f bytes a line, heap ≤ %d MiB", c.lines/1000, c.allocs, c.bytes, c.peak>>20)
}

// measure runs f, which works on n lines, and returns the cost of its fastest
// run, by the processor's time where the system tells it.
func measure(n int, f func() error) cost {
	var best cost
	for range rounds {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		peak := watchHeap()
		begin := processorTime()
		err := f()
		took := processorTime() - begin
		c := cost{peak: peak(), err: err}
		runtime.ReadMemStats(&after)
		c.lines = float64(n) / max(took.Seconds(), 1e-9)
		c.allocs = float64(after.Mallocs-before.Mallocs) / float64(n)
		c.bytes = float64(after.TotalAlloc-before.TotalAlloc) / float64(n)
		if err != nil {
			return c
		}
		if c.lines > best.lines {
			best = c
		}
	}
	return best
}

// watchHeap looks at the heap every few milliseconds; the function that it
// returns ends that and returns the most that was seen.
func watchHeap() func() uint64 {
	stop, done := make(chan struct{}), make(chan uint64)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		var peak uint64
		for {
			peak = max(peak, heap())
			select {
			case <-tick.C:
			case <-stop:
				done <- max(peak, heap())
				return
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-done
	}
}

// heap is how much memory objects take, with those that are garbage.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// measureManyTemplates learns lines that are all unlike each other, and looks at
// the memory that is held after a tenth of them and after all.
func measureManyTemplates(w *report) {
	const section = "a million templates"
	runtime.GC()
	empty := heap()
	m := mining.New(mining.Config{})
	random := rand.New(rand.NewPCG(1, 2))
	var early, late uint64
	var line []byte
	begin := processorTime()
	for i := range manyTemplates {
		line = strangeLine(random, line[:0])
		m.Learn(string(line))
		if i+1 == manyTemplates/10 {
			early = held(empty)
		}
	}
	took := processorTime() - begin
	late = held(empty)
	growth := float64(late) / float64(max(1, early))
	w.check(section, "memory held", fmt.Sprintf("%.1f MiB, %.2f times that after a tenth", float64(late)/(1<<20), growth),
		fmt.Sprintf("≤ %d MiB, ≤ %.1f times", goalHeap>>20, goalGrowth), late <= goalHeap && growth <= goalGrowth)
	rest := 0
	for _, t := range m.Templates() {
		if t.Rest() {
			rest = t.Count()
		}
	}
	w.add(section, "templates", fmt.Sprintf("%d, %d lines in the rest", len(m.Templates()), rest))
	w.add(section, "speed", fmt.Sprintf("%.0fk lines/s", manyTemplates/took.Seconds()/1000))
	w.add(section, "snapshot", fmt.Sprintf("%.1f KiB", float64(len(m.Snapshot(domain.MaxDocumentData)))/1024))
	runtime.KeepAlive(m)
}

// held is the memory that is held beyond what was.
func held(before uint64) uint64 {
	runtime.GC()
	return max(heap(), before) - before
}

// strangeLine appends a line of 3 to 12 words of random letters.
func strangeLine(random *rand.Rand, line []byte) []byte {
	for i := range 3 + random.IntN(10) {
		if i > 0 {
			line = append(line, ' ')
		}
		for range 4 + random.IntN(6) {
			line = append(line, byte('g'+random.IntN(20)))
		}
	}
	return line
}
