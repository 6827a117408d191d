package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/wire"
)

// sessionCookie holds the session of a browser, see package apikey.
const sessionCookie = "logsift_session"

// maxSignInBytes bounds the body of a sign-in.
const maxSignInBytes = 4 << 10

// getSession tells who the caller is.
func (a *API) getSession(w http.ResponseWriter, r *http.Request) error {
	holder, err := a.caller(r)
	if err != nil {
		holder = apikey.Holder{}
	}
	return a.showSession(w, holder)
}

func (a *API) showSession(w http.ResponseWriter, holder apikey.Holder) error {
	return writeJSON(w, http.StatusOK, wire.Session{AuthRequired: a.keys != nil, Name: holder.Name, Role: holder.Role.String()})
}

// signIn gives a browser a session for a key. Where no keys are asked for, there is
// nothing to give.
func (a *API) signIn(w http.ResponseWriter, r *http.Request) error {
	if _, err := mediaType(r, mediaJSON); err != nil {
		return err
	}
	data, free, err := a.readBody(w, r, maxSignInBytes)
	if err != nil {
		return err
	}
	defer free()
	var in wire.SignIn
	if err := decodeStrict(data, &in); err != nil {
		return err
	}
	if a.keys == nil {
		return a.showSession(w, everybody)
	}
	now := a.now()
	if !a.tries.allow(r.RemoteAddr, now) {
		return errTooManyTries
	}
	holder, session, ends, err := a.keys().SignIn(in.Key, now)
	if err != nil {
		a.tries.failed(r.RemoteAddr, now)
		w.Header().Set("WWW-Authenticate", `Bearer realm="logsift"`)
		return unauthorized(err)
	}
	auditOf(r.Context()).by(holder)
	http.SetCookie(w, a.cookie(r, session, int(ends.Sub(now)/time.Second)))
	return a.showSession(w, holder)
}

// signOut takes the session from the browser.
func (a *API) signOut(w http.ResponseWriter, r *http.Request) error {
	if holder, err := a.caller(r); err == nil {
		auditOf(r.Context()).by(holder)
	}
	http.SetCookie(w, a.cookie(r, "", -1))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// cookie returns the session's cookie: no script reads it, no other site has it sent
// along, and where the browser speaks TLS, it is never sent without.
func (a *API) cookie(r *http.Request, value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure is set wherever the client speaks TLS
		Name: sessionCookie, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: a.secure(r),
	}
}

// secure reports whether the client speaks TLS, to this server or to a proxy before
// it.
func (a *API) secure(r *http.Request) bool { return r.TLS != nil || a.cfg.BehindTLS }

// Limits of sign-ins.
const (
	// maxTries is how many sign-ins of an address may fail in each triesWindow.
	maxTries    = 10
	triesWindow = time.Minute
	// maxTriers is how many addresses are told apart in a window; the others count as
	// one.
	maxTriers = 4096
)

// tries counts failed sign-ins by address. The zero value works.
type tries struct {
	mu     sync.Mutex // guards the others
	begun  time.Time
	counts map[netip.Prefix]int
}

// allow reports whether the address may try now.
func (t *tries) allow(remote string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn(now)
	return t.counts[t.slot(remote)] < maxTries
}

// failed counts a failed sign-in.
func (t *tries) failed(remote string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn(now)
	t.counts[t.slot(remote)]++
}

// turn begins a window if the last is over.
func (t *tries) turn(now time.Time) {
	if t.counts == nil || now.Sub(t.begun) >= triesWindow {
		t.begun, t.counts = now, map[netip.Prefix]int{}
	}
}

// slot returns what an address is counted under.
func (t *tries) slot(remote string) netip.Prefix {
	slot := networkOf(remote)
	if _, known := t.counts[slot]; !known && len(t.counts) >= maxTriers {
		return netip.Prefix{}
	}
	return slot
}

// networkOf returns the address of host:port, or for IPv6 the network of 64 bits that
// one client may have all of. It is zero if remote is none.
func networkOf(remote string) netip.Prefix {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	network, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}
