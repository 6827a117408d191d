package request

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"logsift/adapters/httpapi/apikey"
)

type holderKey struct{}

// WithHolder returns the context of a request from the holder of a key.
func WithHolder(ctx context.Context, holder apikey.Holder) context.Context {
	return context.WithValue(ctx, holderKey{}, holder)
}

// HolderOf returns who sent a request, once that is known.
func HolderOf(ctx context.Context) apikey.Holder {
	holder, _ := ctx.Value(holderKey{}).(apikey.Holder)
	return holder
}

// CallerID returns the id of the API key that a request came with, "" where none is
// asked for.
func CallerID(ctx context.Context) string { return HolderOf(ctx).ID }

// Caller names who sent the request: by key, or by address.
func Caller(r *http.Request) string {
	if id := CallerID(r.Context()); id != "" {
		return "key " + id
	}
	return "address " + NetworkOf(r.RemoteAddr).String()
}

// Worker names the worker that sent the request, for people to read: by the name and the id
// of its key, or by its address.
func Worker(r *http.Request) string {
	switch holder := HolderOf(r.Context()); {
	case holder.ID == "":
		return addressOf(r.RemoteAddr).String()
	case holder.Name == "":
		return holder.ID
	default:
		return holder.Name + " (" + holder.ID + ")"
	}
}

// NetworkOf returns the address of host:port, or for IPv6 the network of 64 bits that
// one client may have all of. It is zero if remote is none.
func NetworkOf(remote string) netip.Prefix {
	addr := addressOf(remote)
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

// addressOf returns the address of host:port, [host]:port, [host] or host. It is zero if
// there is none.
func addressOf(text string) netip.Addr {
	host, _, err := net.SplitHostPort(text)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}
