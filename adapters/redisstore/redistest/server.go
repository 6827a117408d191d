package redistest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	startTimeout = 10 * time.Second // for a server to answer, loading its data included
	pingTimeout  = time.Second      // for one try to find out whether it answers
	stopTimeout  = 5 * time.Second  // for a server to obey SIGTERM before it is killed
	callTimeout  = 5 * time.Second  // for a command of Flush
	pollInterval = 5 * time.Millisecond
	startTries   = 10
	// maxPort leaves room for the port of the cluster bus, 10000 above.
	maxPort = 55535
)

// errPortTaken tells that another process listens on the server's port.
var errPortTaken = errors.New("address already in use")

// Server is a running redis-server. Its methods may be called at the same time;
// those that take a testing.TB from the goroutine of that test only, since they
// end it when they fail.
type Server struct {
	program string
	dir     string // its log and its data
	args    []string
	port    int
	shared  bool

	// mu makes each of kill, restart and stop one step.
	mu  sync.Mutex
	cmd *exec.Cmd
	// exited is closed when the process of cmd was waited for.
	exited chan struct{}
}

// newServer starts a server that has its log and its data in dir.
func newServer(dir string, args []string) (*Server, error) {
	return startServer(dir, slices.Concat([]string{"--save", "", "--appendonly", "no", "--dir", dir}, args))
}

// startServer starts a server that has its log in dir, with these arguments and
// no others but address and port.
func startServer(dir string, args []string) (*Server, error) {
	path, err := program()
	if err != nil {
		return nil, err
	}
	s := &Server{program: path, dir: dir, args: args}
	for range startTries {
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
		if err = s.start(); !errors.Is(err, errPortTaken) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// freePort returns a loopback port that was free a moment ago. Another process
// may take it before the server does, so the caller has to be ready to retry.
func freePort() (int, error) {
	for range 100 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return 0, fmt.Errorf("find a free port: %w", err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			return 0, fmt.Errorf("find a free port: %w", err)
		}
		if port <= maxPort {
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port: the system offers none up to %d", maxPort)
}

// Addr returns the address of the server, such as "127.0.0.1:41234". It is the
// same after a restart.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL returns the address as go-redis and logsift read it, such as
// "redis://127.0.0.1:41234/0".
func (s *Server) URL() string { return "redis://" + s.Addr() + "/0" }

// Kill ends the server at once by SIGKILL, as a crash does, and returns when it
// is gone. Killing a server that does not run does nothing.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.refuseShared(t, "Kill")
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.kill(); err != nil {
		t.Fatalf("redistest: kill the server: %v", err)
	}
}

// Restart starts the server again on the same port, with the same options and
// folder, and returns once it answers and has loaded its data. If it still runs,
// it is stopped by SIGTERM first; for a crash, call [Server.Kill] before.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.refuseShared(t, "Restart")
	if err := s.restart(); err != nil {
		t.Fatalf("redistest: restart the server: %v", err)
	}
}

// Pause stops the server from running by SIGSTOP: its connections stay open
// and nothing answers, until [Server.Resume].
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	s.refuseShared(t, "Pause")
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := suspend(s.cmd.Process); err != nil {
		t.Fatalf("redistest: pause the server: %v", err)
	}
}

// Resume lets a paused server run again by SIGCONT.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	s.refuseShared(t, "Resume")
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := resume(s.cmd.Process); err != nil {
		t.Fatalf("redistest: resume the server: %v", err)
	}
}

// Flush removes all keys of all databases. The server must not ask for a
// password.
func (s *Server) Flush(t testing.TB) {
	t.Helper()
	s.refuseShared(t, "Flush")
	if _, err := s.call("FLUSHALL", time.Now().Add(callTimeout)); err != nil {
		t.Fatalf("redistest: flush the server: %v", err)
	}
}

// Backup copies the data folder of the server while it runs, as a backup does, and
// returns where the copy is. Only a server that writes an append-only file has
// something to copy.
func (s *Server) Backup(t testing.TB) string {
	t.Helper()
	s.refuseShared(t, "Backup")
	backup := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(backup, os.DirFS(s.dir)); err != nil {
		t.Fatalf("redistest: copy the data: %v", err)
	}
	return backup
}

// Restore kills the server and starts it again on the data of a backup, which it
// takes for its own.
func (s *Server) Restore(t testing.TB, backup string) {
	t.Helper()
	t.Helper()
	s.refuseShared(t, "Restore")
	s.Kill(t)
	if err := errors.Join(os.RemoveAll(s.dir), os.Rename(backup, s.dir)); err != nil {
		t.Fatalf("redistest: restore the data: %v", err)
	}
	s.Restart(t)
}

func (s *Server) logPath() string { return filepath.Join(s.dir, "redis-server.log") }

func (s *Server) refuseShared(t testing.TB, method string) {
	t.Helper()
	if s.shared {
		t.Fatalf("redistest: %s would break the other tests on the shared server; use Start", method)
	}
}

func (s *Server) restart() error {
	if err := s.stop(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	// A client that keeps dialing the dead server may be given its port as the
	// local one for a moment.
	for deadline := time.Now().Add(startTimeout); ; <-tick.C {
		err := s.start()
		if !errors.Is(err, errPortTaken) || time.Now().After(deadline) {
			return err
		}
	}
}

// start runs the program on s.port and waits until it answers. If it does not,
// no process is left.
func (s *Server) start() error {
	log, err := os.Create(s.logPath())
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // The server has its own handle.
	cmd := exec.Command(s.program, slices.Concat(s.args, []string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(s.port), "--daemonize", "no",
	})...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = dieWithParent()

	started, exited := make(chan error, 1), make(chan struct{})
	go func() {
		// The kernel takes the death of the thread that forked for the death of
		// the parent, so that thread has to live as long as the server.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // A server that is killed has no other status to tell.
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", s.program, err)
	}
	s.cmd, s.exited = cmd, exited
	if err := s.awaitReady(); err != nil {
		return errors.Join(err, s.kill())
	}
	return nil
}

// awaitReady waits until the server answers.
func (s *Server) awaitReady() error {
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		// What took the port before the server did may accept connections and say nothing.
		err := s.ping(time.Now().Add(pingTimeout))
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.exited:
			log := s.log()
			if bytes.Contains(log, []byte("Address already in use")) {
				return fmt.Errorf("server on %s: %w", s.Addr(), errPortTaken)
			}
			return fmt.Errorf("the server ended before it was ready; its log:\n%s", log)
		case <-timeout.C:
			return fmt.Errorf("the server on %s is not ready after %v: %w; its log:\n%s", s.Addr(), startTimeout, err, s.log())
		}
	}
}

// ping reports whether this server, not another process that was quicker to
// take its port, is ready to serve.
func (s *Server) ping(deadline time.Time) error {
	_, err := s.call("PING", deadline)
	var refused replyError
	if errors.As(err, &refused) && strings.HasPrefix(string(refused), "NOAUTH") {
		return nil // Ready for those who know the password.
	}
	if err != nil {
		return err
	}
	info, err := s.call("INFO server", deadline)
	if err != nil {
		return err
	}
	if !strings.Contains(info, fmt.Sprintf("process_id:%d\r\n", s.cmd.Process.Pid)) {
		return fmt.Errorf("another server answers on %s", s.Addr())
	}
	return nil
}

// stop ends the server, gently at first, and returns when it is gone.
func (s *Server) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := terminate(s.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the server: %w", err)
	}
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case <-s.exited:
		return nil
	case <-timeout.C:
		return s.kill()
	}
}

// kill ends the process and waits for its end. The caller holds mu, or is the
// only one to know s.
func (s *Server) kill() error {
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-s.exited
	return nil
}

// log returns the end of what the server wrote, for error messages.
func (s *Server) log() []byte {
	log, err := os.ReadFile(s.logPath())
	if err != nil {
		return []byte(err.Error())
	}
	const most = 4 << 10
	return bytes.TrimSpace(log[max(0, len(log)-most):])
}

// replyError is an error that the server answered with.
type replyError string

func (e replyError) Error() string { return "the server answers " + string(e) }

// call sends one command on a connection of its own and returns the reply,
// which must be a simple or a bulk string.
func (s *Server) call(command string, deadline time.Time) (string, error) {
	conn, err := (&net.Dialer{Deadline: deadline}).Dial("tcp4", s.Addr())
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }() // The answer was read.
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
		return "", err
	}
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("read the reply to %s: %w", command, err)
	}
	kind, text := line[0], strings.TrimSpace(line[1:])
	switch kind {
	case '+':
		return text, nil
	case '-':
		return "", replyError(text)
	case '$':
		size, err := strconv.Atoi(text)
		if err != nil || size < 0 {
			return "", fmt.Errorf("reply to %s has length %q", command, text)
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(r, body); err != nil {
			return "", fmt.Errorf("read the reply to %s: %w", command, err)
		}
		return string(body), nil
	default:
		return "", fmt.Errorf("reply to %s begins with %q", command, kind)
	}
}
