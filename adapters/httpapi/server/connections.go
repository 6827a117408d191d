package server

import (
	"container/list"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"logsift/adapters/httpapi/request"
)

// connections is a listener that bounds how many connections are open at once. Where
// there is no room, the connection goes that has waited longest for a request; if all are at
// work, the new one waits. No address gets
// more than three quarters of the room.
type connections struct {
	net.Listener

	limit int

	mu        sync.Mutex // guards the others
	changed   *sync.Cond // when one ends or falls idle, or the listener is closed
	closed    bool
	open      int
	idle      *list.List // of *connection, the one that is idle longest first
	addresses map[netip.Prefix]int
}

// connection is one that is open.
type connection struct {
	net.Conn

	of      *connections
	address netip.Prefix
	idle    *list.Element // nil while it is at work
	gone    bool
}

func newConnections(inner net.Listener, limit int) *connections {
	c := &connections{Listener: inner, limit: limit, idle: list.New(), addresses: map[netip.Prefix]int{}}
	c.changed = sync.NewCond(&c.mu)
	return c
}

// Accept returns the next connection that there is room for.
func (c *connections) Accept() (net.Conn, error) {
	for {
		inner, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		conn := &connection{Conn: inner, of: c, address: request.NetworkOf(inner.RemoteAddr().String())}
		if c.admit(conn) {
			return conn, nil
		}
		_ = inner.Close() // the client is told so by that
	}
}

// admit makes room for a connection. It reports false if its address has too many, or
// the listener is closed.
func (c *connections) admit(conn *connection) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	share := c.limit - c.limit/4
	own := func(other *connection) bool { return other.address == conn.address }
	if share < c.limit && c.addresses[conn.address] >= share && !c.drop(own) {
		return false
	}
	for c.open >= c.limit && !c.drop(func(*connection) bool { return true }) {
		if c.closed {
			return false
		}
		c.changed.Wait()
	}
	c.open++
	c.addresses[conn.address]++
	conn.idle = c.idle.PushBack(conn)
	return true
}

// drop closes the connection that is idle longest of those that match.
func (c *connections) drop(matches func(*connection) bool) bool {
	for e := c.idle.Front(); e != nil; e = e.Next() {
		if conn := e.Value.(*connection); matches(conn) {
			c.remove(conn)
			_ = conn.Conn.Close() // it is idle, so that nothing is lost
			return true
		}
	}
	return false
}

// remove forgets a connection.
func (c *connections) remove(conn *connection) {
	if conn.gone {
		return
	}
	conn.gone = true
	c.rest(conn, false)
	c.open--
	if c.addresses[conn.address]--; c.addresses[conn.address] == 0 {
		delete(c.addresses, conn.address)
	}
	c.changed.Signal()
}

// rest notes whether a connection waits for a request.
func (c *connections) rest(conn *connection, idle bool) {
	switch {
	case idle && conn.idle == nil:
		conn.idle = c.idle.PushBack(conn)
		c.changed.Signal()
	case !idle && conn.idle != nil:
		c.idle.Remove(conn.idle)
		conn.idle = nil
	}
}

// state is told by the server what a connection does. A new one counts as idle until
// its first request has begun.
func (c *connections) state(of net.Conn, state http.ConnState) {
	if secured, ok := of.(interface{ NetConn() net.Conn }); ok {
		of = secured.NetConn()
	}
	conn, ok := of.(*connection)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !conn.gone {
		c.rest(conn, state == http.StateNew || state == http.StateIdle)
	}
}

// working is how many connections have a request that is not answered.
func (c *connections) working() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open - c.idle.Len()
}

// Close has nobody wait for room any longer.
func (c *connections) Close() error {
	c.mu.Lock()
	c.closed = true
	c.changed.Broadcast()
	c.mu.Unlock()
	return c.Listener.Close()
}

// Close closes the connection and gives its room to others.
func (conn *connection) Close() error {
	conn.of.mu.Lock()
	conn.of.remove(conn)
	conn.of.mu.Unlock()
	return conn.Conn.Close()
}
