package fault_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"logsift/adapters/redisstore/redistest"
	"logsift/bootstrap/systemtest/proc"
)

// TestMain runs the tests, or what a child process of them is to do. It fails if
// a goroutine is left after the tests.
func TestMain(m *testing.M) {
	if code, child := proc.ChildMain(childMain); child {
		os.Exit(code)
	}
	flag.Parse()
	// The tests wait for most of their time, so more of them run at once than there
	// are processors, unless the command line says otherwise.
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "6"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	os.Exit(redistest.Main(m))
}

// abilities are what a machine may lack, each with a check that tells why. The
// table of doc.go names them as [needs NAME].
var abilities = map[string]func() error{
	"tmpfs": sync.OnceValue(checkTmpfs),
	"netns": sync.OnceValue(checkNetns),
}

// needs skips a test that cannot run on this machine. Where CI=true says that the
// machine is to be able to run all, it fails.
func needs(t *testing.T, ability string) {
	t.Helper()
	err := abilities[ability]()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("not run: %v; with CI=true that is a failure", err)
	default:
		t.Skipf("not run: %v", err)
	}
}

// command runs a program to its end.
func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %v: %w: %s", name, args, err, out)
	}
	return nil
}

// checkTmpfs tells why a small file system cannot be mounted.
func checkTmpfs() error {
	dir, err := os.MkdirTemp("", "fault")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(dir) }()
	if err := command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir); err != nil {
		return err
	}
	return command("umount", dir)
}

// checkNetns tells why a network namespace cannot be made.
func checkNetns() error {
	name := "fault-check-" + filepath.Base(os.Args[0]) + strconv.Itoa(os.Getpid())
	if err := command("ip", "netns", "add", name); err != nil {
		return err
	}
	return command("ip", "netns", "del", name)
}
