package chaos

import (
	"context"
	"sync"
)

// The processes of an upgrade.
const (
	older = "older"
	newer = "newer"
)

// Upgrade has two builds of the whole program, each API and workers, work on one
// Redis: the older one, both, and then the newer one alone, each for a third of the
// length. It returns what there is to judge. The older one may fail in its way as
// soon as the newer one has begun.
func Upgrade(ctx context.Context, dir string, redis Redis, programs [2]string, options Options) (*Observation, error) {
	procs := map[string]*Process{}
	start := func(name, program string) error { //nolint:contextcheck // A process ends by an order, not with a context.
		procs[name] = NewProcess(ChildConfig{Name: name, Dir: dir, Program: program, Args: []string{
			"serve", "--store", redis.URL, "--addr", "127.0.0.1:0", "--workers", "8", "--lease", options.Settings.Lease.String(),
			"--batch-age", batchAge.String(), "--log-format", "json", "--log-level", "warn",
		}})
		return procs[name].AwaitReady()
	}
	defer func() {
		for _, p := range procs {
			p.Close()
		}
	}()
	history, err := NewRecorder(dir, "client")
	if err != nil {
		return nil, err
	}
	defer func() { _ = history.Close() }() // It was read, or nobody will.
	// The same load is asked of each part of the time, by another seed.
	load := func(seed uint64, asked ...*Process) {
		loading, stop := context.WithTimeout(ctx, options.Length/3)
		defer stop()
		NewClient(history, options.Load, options.Seed+seed, asked...).Run(loading)
	}
	if err := start(older, programs[0]); err != nil {
		return nil, err
	}
	load(1, procs[older])
	o := &Observation{Settings: options.Settings, Foreign: true}
	if err := start(newer, programs[1]); err != nil {
		return nil, err
	}
	probe, err := NewProbe(dir, options.Seed, procs[newer])
	if err != nil {
		return nil, err
	}
	defer func() { _ = probe.client.recorder.Close() }() // As above.
	probing, stopProbe := context.WithCancel(ctx)
	defer stopProbe()
	var asking sync.WaitGroup
	asking.Go(func() { probe.Run(probing) })
	load(2, procs[older], procs[newer])
	procs[older].Close()
	load(3, procs[newer])
	stopProbe()
	asking.Wait()
	err = o.read(ctx, redis, dir, options.DrainLimit, func() { _ = procs[newer].Stop() })
	return o, err
}
