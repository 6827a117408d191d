//go:build !unix

package chaostest

import (
	"errors"
	"os"
	"syscall"
)

var errNoSignals = errors.New("this system has no SIGSTOP and SIGTERM")

func suspend(*os.Process) error { return errNoSignals }

func resume(*os.Process) error { return errNoSignals }

func terminate(*os.Process) error { return errNoSignals }

func ownGroup() *syscall.SysProcAttr { return nil }
