package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"logsift/bootstrap"
	"logsift/domain"
)

func (e *environment) verifyCommand() *cobra.Command {
	config := bootstrap.DefaultConfig()
	cmd := &cobra.Command{
		Use:   "verify --store URL",
		Short: "Check a live store for broken invariants, and mend it",
		Long: `verify checks all tasks and logs of a store against each other, and reports what a bug,
a person or a lost write has broken. It may run while the store is in use.

With --repair it mends a Redis: each task moves to where its state says, nothing that
still has its contents is lost, and a record that cannot be read is set aside and its
task becomes FAILED. In an SQLite file it counts again what limits and workflows know of
their tasks; all else that is broken it only reports. Each finding says what was done.

Exit status: 0 if nothing is broken or all was repaired, 1 if something is still
broken, 2 for wrong use.`,
		Args: cobra.NoArgs,
	}
	config.Flags(cmd.Flags(), bootstrap.GroupStore)
	repair := cmd.Flags().Bool("repair", false, "mend what can be mended")
	e.outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := e.load(cmd, &config); err != nil {
			return err
		}
		return e.verify(cmd, config, *repair)
	}
	return cmd
}

func (e *environment) verify(cmd *cobra.Command, config bootstrap.Config, repair bool) (err error) {
	v, err := bootstrap.OpenVerifier(cmd.Context(), config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	bar := newProgress(e.stderr)
	out := findingsWriter{printer: printer{w: e.stdout}, json: e.output == formatJSON}
	out.begin()
	summary, err := v.Verify(cmd.Context(), repair,
		func(f domain.Finding) {
			bar.clear()
			out.finding(f)
		},
		func(s domain.VerifySummary) { bar.show("checking", s.Tasks+s.Logs+s.Analyses+s.States, 0) })
	bar.clear()
	if err != nil {
		return err
	}
	out.end(summary)
	if out.err != nil {
		return out.err
	}
	if !summary.Clean() {
		if !repair {
			e.note("logsift: --repair mends what can be mended")
		}
		return &exitError{status: exitFailed}
	}
	return nil
}

// findingsWriter writes findings as they come, so that any number fits.
type findingsWriter struct {
	printer
	json  bool
	count int
}

// findingView and summaryView are the forms for programs.
type findingView struct {
	Kind     string     `json:"kind"`
	ID       *uuid.UUID `json:"id,omitempty"`
	Place    string     `json:"place"`
	Detail   string     `json:"detail"`
	Repaired bool       `json:"repaired"`
	Action   string     `json:"action,omitempty"`
}

type summaryView struct {
	Tasks    int64 `json:"tasks"`
	Logs     int64 `json:"logs"`
	Analyses int64 `json:"analyses"`
	States   int64 `json:"states"`
	Findings int64 `json:"findings"`
	Repaired int64 `json:"repaired"`
	Clean    bool  `json:"clean"`
}

func (w *findingsWriter) begin() {
	if w.json {
		w.printf("{\n  \"findings\": [")
	}
}

func (w *findingsWriter) finding(f domain.Finding) {
	w.count++
	if w.json {
		view := findingView{Kind: f.Kind, Place: f.Place, Detail: f.Detail, Repaired: f.Repaired(), Action: f.Action}
		if f.ID != uuid.Nil {
			view.ID = &f.ID
		}
		separator := ","
		if w.count == 1 {
			separator = ""
		}
		w.printf("%s\n    %s", separator, w.encode(view))
		return
	}
	w.printf("%s", f.Kind)
	if f.ID != uuid.Nil {
		w.printf("  %s", f.ID)
	}
	w.printf("  in %s\n   %s\n", printable(f.Place), printable(f.Detail))
	if f.Repaired() {
		w.printf("   repaired: %s\n", printable(f.Action))
	}
}

func (w *findingsWriter) end(s domain.VerifySummary) {
	if w.json {
		if w.count > 0 {
			w.printf("\n  ")
		}
		w.printf("],\n  \"summary\": %s\n}\n", w.encode(summaryView{s.Tasks, s.Logs, s.Analyses, s.States, s.Findings, s.Repaired, s.Clean()}))
		return
	}
	w.printf("checked %s, %s, %s, %s: ", plural(int(s.Tasks), "task"), plural(int(s.Logs), "log entry"), analyses(int(s.Analyses)), plural(int(s.States), "state"))
	switch {
	case s.Findings == 0:
		w.printf("nothing is broken\n")
	case s.Repaired == 0:
		w.printf("%s\n", plural(int(s.Findings), "finding"))
	default:
		w.printf("%s, %d repaired\n", plural(int(s.Findings), "finding"), s.Repaired)
	}
}

func (w *findingsWriter) encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		w.err = errors.Join(w.err, err)
	}
	return string(b)
}

func analyses(n int) string {
	if n == 1 {
		return "1 analysis"
	}
	return fmt.Sprintf("%d analyses", n)
}
