// Command logsift is a durable task queue and scheduler for log analysis: it
// takes logs in, has them analysed by workers, and tells the anomalies found.
// Run logsift help for its commands.
//
// Exit status: 0 done, 1 failed, 2 wrong use, 3 analyze --fail-on found what it
// was to look for, 130 analyze was interrupted.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // for --timezone, where the system has none
)

func main() {
	os.Exit(run())
}

func run() int {
	spareSmallHeaps(os.Getenv)
	// The first signal asks to stop, the second to stop without waiting for
	// running tasks.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	force := make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		<-signals
		cancel()
		<-signals
		close(force)
		// A third signal ends the program as signals do.
		signal.Reset(os.Interrupt, syscall.SIGTERM)
	}()
	e := &environment{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		getenv: os.Getenv, force: force,
	}
	return e.execute(ctx, os.Args[1:])
}
