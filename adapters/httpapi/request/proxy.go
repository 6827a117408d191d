package request

import (
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the networks of the proxies that are trusted to name the client.
type Proxies []netip.Prefix

// Handler gives a request that came through trusted proxies the address of its client,
// for all that goes by addresses: limits, the audit log and the program's own.
func (p Proxies) Handler(next http.Handler) http.Handler {
	if len(p) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if peer := addressOf(r.RemoteAddr); p.trusts(peer) {
			if client := p.client(peer, r.Header); client != peer {
				r = r.WithContext(r.Context()) // a copy, since handlers do not change a request
				r.RemoteAddr = netip.AddrPortFrom(client, 0).String()
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (p Proxies) trusts(addr netip.Addr) bool {
	for _, network := range p {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// client returns the client of a request that came from a trusted peer. A proxy adds
// who it got the request from at the end of one of the two headers and passes the other
// on as it came: where they name different clients, the peer is believed alone.
func (p Proxies) client(peer netip.Addr, header http.Header) netip.Addr {
	var old, standard []string
	for _, hop := range splitList(header.Values("X-Forwarded-For")) {
		old = append(old, strings.TrimSpace(hop))
	}
	for _, hop := range splitList(header.Values("Forwarded")) {
		standard = append(standard, forwardedFor(hop))
	}
	client := p.walk(peer, old)
	switch {
	case len(standard) == 0:
		return client
	case len(old) == 0:
		return p.walk(peer, standard)
	case client != p.walk(peer, standard):
		return peer
	}
	return client
}

// walk goes from the peer through the hops, the last one first, for as long as those
// are trusted proxies, and returns the first that is none: what stands before it, anybody
// may have written.
func (p Proxies) walk(peer netip.Addr, hops []string) netip.Addr {
	at := peer
	for i := len(hops) - 1; i >= 0 && p.trusts(at); i-- {
		next := addressOf(hops[i])
		if !next.IsValid() {
			break
		}
		at = next
	}
	return at
}

// splitList returns the elements of a header of lists. No element that is of use has a
// comma in quotes.
func splitList(values []string) []string {
	if len(values) == 0 {
		return nil
	}
	return strings.Split(strings.Join(values, ","), ",")
}

// forwardedFor returns what an element of Forwarded (RFC 7239) says after "for=", ""
// for nothing.
func forwardedFor(element string) string {
	for pair := range strings.SplitSeq(element, ";") {
		if name, value, ok := strings.Cut(strings.TrimSpace(pair), "="); ok && strings.EqualFold(name, "for") {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}
