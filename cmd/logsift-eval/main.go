// Command logsift-eval measures logsift on labelled logs and prints every figure beside
// its goal. The data is no part of the project:
//
//	go run ./cmd/logsift-eval -product FOLDER
//
// measures the product as users run it: logsift analyze and logsift serve, as processes,
// of this module or at -binary PATH.
//
//	go run ./cmd/logsift-eval -data FOLDER
//
// measures the engine, the built-in analyser, by a library call.
//
// What the folder holds is found by its form: sub-folders with NAME.log and
// NAME.labels.csv (sessions by id), with sessions.csv (sequences of events), with
// faults.json and the logs that it names, and loghub_2k with one folder for each
// system. The exit status is 1 if a goal is not met.
//
//	go run ./cmd/logsift-eval -leave-one-out FOLDER/loghub_2k
//
// chooses the constants of the miner for all systems but one, and measures that one.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	var o options
	flag.StringVar(&o.product, "product", "", "folder of labelled logs: measure logsift analyze and logsift serve, run as processes")
	flag.StringVar(&o.binary, "binary", "", "the logsift that -product measures (default built from ./cmd/logsift)")
	flag.StringVar(&o.data, "data", "", "folder of labelled logs: measure the engine, by a library call")
	flag.StringVar(&o.without, "leave-one-out", "", "only measure templates, of a folder with one folder for each system")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) //nolint:forbidigo // This is main.
	missed, err := run(ctx, os.Stdout, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "logsift-eval:", err)
		os.Exit(1)
	}
	if missed > 0 {
		fmt.Fprintf(os.Stderr, "logsift-eval: %d goals were not met\n", missed)
		os.Exit(1)
	}
}

// options are the flags.
type options struct{ product, binary, data, without string }

// run prints the report and returns how many goals were not met.
func run(ctx context.Context, out io.Writer, o options) (missed int, err error) {
	var w report
	if o.without != "" {
		if err := leaveOneOut(ctx, &w, o.without); err != nil {
			return 0, err
		}
		return w.missed(), w.print(out, "engine, by a library call")
	}
	if o.product != "" {
		version, err := evalProduct(ctx, &w, o.product, o.binary)
		if err != nil {
			return 0, err
		}
		return w.missed(), w.print(out, "product, run as processes: "+version)
	}
	if info, err := os.Stat(o.data); err != nil || !info.IsDir() {
		return 0, fmt.Errorf("-data must name the folder of the labelled logs, and %q is none", o.data)
	}
	for _, section := range []func(context.Context, *report, string) error{
		evalTemplates, evalSessions, evalLines, evalNormal, evalFaults, evalOrder, evalThroughput,
	} {
		if err := section(ctx, &w, o.data); err != nil {
			return 0, err
		}
	}
	return w.missed(), w.print(out, "engine, by a library call")
}
