package auth

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/request"
	"logsift/adapters/httpapi/wire"
)

// The cookie that holds the session of a browser, see package apikey. Where the browser
// speaks TLS, its name has a prefix by which browsers take it from this host alone, over
// TLS (RFC 6265bis, section 4.1.3.2).
const (
	sessionCookie       = "logsift_session"
	secureSessionCookie = "__Host-" + sessionCookie
)

// cookieName returns the name of the session's cookie for the client.
func (a *Authenticator) cookieName(r *http.Request) string {
	if a.Secure(r) {
		return secureSessionCookie
	}
	return sessionCookie
}

// maxSignInBytes bounds the body of a sign-in.
const maxSignInBytes = 4 << 10

// GetSession tells who the caller is.
func (a *Authenticator) GetSession(w http.ResponseWriter, r *http.Request) error {
	holder, err := a.Caller(r)
	if err != nil {
		holder = apikey.Holder{}
	}
	return a.showSession(w, holder)
}

func (a *Authenticator) showSession(w http.ResponseWriter, holder apikey.Holder) error {
	return wire.Write(w, http.StatusOK, wire.Session{AuthRequired: a.Keys != nil, Name: holder.Name, Role: holder.Role.String()})
}

// SignIn gives a browser a session for a key. Where no keys are asked for, there is
// nothing to give.
func (a *Authenticator) SignIn(w http.ResponseWriter, r *http.Request) error {
	data, free, err := a.Bodies.Read(w, r, maxSignInBytes)
	if err != nil {
		return err
	}
	defer free()
	var in wire.SignIn
	if err := request.Decode(data, &in); err != nil {
		return err
	}
	if a.Keys == nil {
		return a.showSession(w, everybody)
	}
	now := a.Now()
	holder, session, ends, err := a.Keys().SignIn(in.Key, now)
	if err != nil {
		// A right key is never refused: others behind the same address may have wrong ones.
		if !a.tries.failed(r.RemoteAddr, now) {
			return problem.ErrTooManyTries
		}
		challenge(w)
		return unauthorized(err)
	}
	RecordOf(r.Context()).By(holder)
	http.SetCookie(w, a.cookie(r, session, int(ends.Sub(now)/time.Second)))
	return a.showSession(w, holder)
}

// SignOut ends the session, and takes it from the browser: nobody who kept a copy can use
// it any more. The browser keeps it if it cannot be ended, so that it can try again.
func (a *Authenticator) SignOut(w http.ResponseWriter, r *http.Request) error {
	if holder, err := a.Caller(r); err == nil {
		RecordOf(r.Context()).By(holder)
	}
	if cookie, err := r.Cookie(a.cookieName(r)); err == nil && a.Keys != nil {
		if holder, err := a.Keys().Session(cookie.Value, a.Now()); err == nil {
			if err := a.SignedOut.Add(r.Context(), holder, cookie.Value); err != nil {
				return err
			}
		}
	}
	http.SetCookie(w, a.cookie(r, "", -1))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// cookie returns the session's cookie: no script reads it, no other site has it sent
// along, and where the browser speaks TLS, it is never sent without.
func (a *Authenticator) cookie(r *http.Request, value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure is set wherever the client speaks TLS
		Name: a.cookieName(r), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: a.Secure(r),
	}
}

// Secure reports whether the client speaks TLS, to this server or to a proxy before
// it.
func (a *Authenticator) Secure(r *http.Request) bool { return r.TLS != nil || a.BehindTLS }

// Limits of sign-ins.
const (
	// maxTries is how many sign-ins of an address may fail in each triesWindow.
	maxTries    = 10
	triesWindow = time.Minute
	// maxTriers is how many addresses are counted in a window; those beyond are not.
	maxTriers = 4096
)

// tries counts failed sign-ins by address. The zero value works.
type tries struct {
	mu     sync.Mutex // guards the others
	begun  time.Time
	counts map[netip.Prefix]int
}

// failed counts a failed sign-in. It reports whether the address may have one yet.
func (t *tries) failed(remote string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil || now.Sub(t.begun) >= triesWindow {
		t.begun, t.counts = now, map[netip.Prefix]int{}
	}
	network := request.NetworkOf(remote)
	n, counted := t.counts[network]
	if counted || len(t.counts) < maxTriers {
		t.counts[network] = n + 1
	}
	return n < maxTries
}
