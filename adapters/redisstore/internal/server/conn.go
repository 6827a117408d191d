package server

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"logsift/ports"
)

// conn is a connection whose reads and writes may take as long as bytes come and go:
// each step of one may take ioTimeout, and all of it as long as its deadline says,
// which is that of the call. go-redis knows one time limit for a whole answer, in which
// a large one does not come through a slow line, and by which a dead connection is
// noticed.
type conn struct {
	*net.TCPConn

	all       *conns
	ioTimeout time.Duration
	// readUntil and writtenUntil are the deadlines in nanoseconds since 1970, 0 for none.
	// TLS sets one of them when a connection is closed that is in use.
	readUntil, writtenUntil atomic.Int64
	// sent is how many bytes went since one came: they may be under way still.
	sent atomic.Int64
}

var _ syscall.Conn = (*conn)(nil) // go-redis asks an idle connection whether it lives.

func (c *conn) SetDeadline(t time.Time) error {
	c.readUntil.Store(nanos(t))
	c.writtenUntil.Store(nanos(t))
	return c.TCPConn.SetDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.readUntil.Store(nanos(t))
	return c.TCPConn.SetReadDeadline(t)
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.writtenUntil.Store(nanos(t))
	return c.TCPConn.SetWriteDeadline(t)
}

func (c *conn) Read(b []byte) (int, error) {
	patience := c.ioTimeout + ports.TransferTime(int(c.sent.Load()))
	if err := step(c.TCPConn.SetReadDeadline, c.readUntil.Load(), patience); err != nil {
		return 0, err
	}
	n, err := c.TCPConn.Read(b)
	if n > 0 {
		c.sent.Store(0)
	}
	return n, err
}

// writeStep is how many bytes of a write have ioTimeout to go.
const writeStep = 64 << 10

func (c *conn) Write(b []byte) (written int, err error) {
	for err == nil && len(b) > 0 {
		if err = step(c.TCPConn.SetWriteDeadline, c.writtenUntil.Load(), c.ioTimeout); err != nil {
			break
		}
		var n int
		n, err = c.TCPConn.Write(b[:min(len(b), writeStep)])
		c.sent.Add(int64(n))
		written, b = written+n, b[n:]
	}
	return written, err
}

// step sets the deadline of a step, unless nothing bounds what it is part of: who
// waits for messages does so for as long as it takes.
func step(set func(time.Time) error, until int64, patience time.Duration) error {
	if until == 0 {
		return nil
	}
	t := time.Now().Add(patience)
	if t.UnixNano() > until {
		t = time.Unix(0, until)
	}
	return set(t)
}

// nanos is a deadline as it is kept.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// conns are the open connections of a Client, so that closing it ends the calls under
// way: go-redis lets those end by themselves that travel together, as late as that may be
// at a server that does not answer. It is safe for concurrent use.
type conns struct {
	mu     sync.Mutex // guards the fields below
	open   map[*conn]struct{}
	closed bool
}

// add notes a new connection, or closes it if all are closed.
func (cs *conns) add(c *conn) error {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.closed {
		_ = c.TCPConn.Close() // It was not used.
		return net.ErrClosed
	}
	if cs.open == nil {
		cs.open = map[*conn]struct{}{}
	}
	cs.open[c] = struct{}{}
	return nil
}

// close ends all connections, and those that are still to come.
func (cs *conns) close() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.closed = true
	for c := range cs.open {
		_ = c.TCPConn.Close() // Who reads from it is told.
	}
}

func (c *conn) Close() error {
	c.all.mu.Lock()
	delete(c.all.open, c)
	c.all.mu.Unlock()
	return c.TCPConn.Close()
}

// dialer returns a function that connects as go-redis does, by a conn.
func (cs *conns) dialer(ioTimeout time.Duration, secure *tls.Config) func(context.Context, string, string) (net.Conn, error) {
	d := &net.Dialer{Timeout: ioTimeout, KeepAlive: 30 * time.Second}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialed, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		tcp, ok := dialed.(*net.TCPConn)
		if !ok {
			return dialed, nil
		}
		c := &conn{TCPConn: tcp, all: cs, ioTimeout: ioTimeout}
		if err := cs.add(c); err != nil {
			return nil, err
		}
		if secure == nil {
			return c, nil
		}
		config := secure.Clone()
		if config.ServerName == "" {
			// An address that was dialed has a host.
			config.ServerName, _, _ = net.SplitHostPort(addr)
		}
		shaken, cancel := context.WithTimeout(ctx, ioTimeout)
		defer cancel()
		over := tls.Client(c, config)
		if err := over.HandshakeContext(shaken); err != nil {
			_ = c.Close()
			return nil, err
		}
		return over, nil
	}
}
