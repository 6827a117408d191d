package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// TestMain makes this binary a logsift that the scripts run, each call in a
// process of its own.
func TestMain(m *testing.M) {
	testscript.Main(leakTests{m}, map[string]func(){"logsift": func() { os.Exit(run()) }})
}

// leakTests are tests that fail if goroutines are left after them.
type leakTests struct{ testscript.TestingM }

func (m leakTests) Run() int {
	code := m.TestingM.Run()
	if code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintf(os.Stderr, "goroutines are left after the tests: %v\n", err)
		return 1
	}
	return 0
}

// TestScripts runs the command line as users type it. The scripts are in
// testdata/script.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Condition: func(cond string) (bool, error) {
			if cond == "root" { // Root may read what others may not.
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_DATA_HOME", env.WorkDir+"/data")
			env.Setenv("TMPDIR", env.WorkDir)
			return nil
		},
	})
}
