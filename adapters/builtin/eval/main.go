// Command eval measures the built-in analyser on labelled logs and prints every
// figure beside its goal. The data is no part of the project:
//
//	go run ./adapters/builtin/eval -data FOLDER
//
// What the folder holds is found by its form: sub-folders with NAME.log and
// NAME.labels.csv (sessions by id), with sessions.csv (sequences of events), with
// faults.json and the logs that it names, and loghub_2k with one folder for each
// system. The exit status is 1 if a goal is not met.
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
	data := flag.String("data", "", "folder of labelled logs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) //nolint:forbidigo // This is main.
	missed, err := run(ctx, os.Stdout, *data)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "eval:", err)
		os.Exit(1)
	}
	if missed > 0 {
		fmt.Fprintf(os.Stderr, "eval: %d goals were not met\n", missed)
		os.Exit(1)
	}
}

// run prints the report and returns how many goals were not met.
func run(ctx context.Context, out io.Writer, data string) (missed int, err error) {
	if info, err := os.Stat(data); err != nil || !info.IsDir() {
		return 0, fmt.Errorf("-data must name the folder of the labelled logs, and %q is none", data)
	}
	var w report
	for _, section := range []func(context.Context, *report, string) error{
		withoutContext(evalTemplates), evalSessions, evalLines, evalNormal, evalFaults, evalOrder, withoutContext(evalThroughput),
	} {
		if err := section(ctx, &w, data); err != nil {
			return 0, err
		}
	}
	return w.missed(), w.print(out)
}

// withoutContext makes a section of one that does not wait for anything.
func withoutContext(section func(*report, string) error) func(context.Context, *report, string) error {
	return func(_ context.Context, w *report, data string) error { return section(w, data) }
}
