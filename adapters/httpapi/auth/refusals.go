package auth

import (
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"logsift/adapters/httpapi/apikey"
	"logsift/adapters/httpapi/request"
)

// Bounds of what the audit log gets of requests that were refused.
const (
	// refusalWindow is how long those of a caller are counted after the first.
	refusalWindow = time.Minute
	// maxRefused is how many callers are told apart; the others count as one.
	maxRefused = 1024
	// refusalSweep is the least time between two looks for windows that are over.
	refusalSweep = time.Second
)

// refused is whose refusals are counted together: the holder of a key, or nobody that is
// known, at an address.
type refused struct {
	network netip.Prefix // zero for all beyond maxRefused
	keyID   string
}

// refusalCount counts the refusals of a window.
type refusalCount struct {
	holder apikey.Holder
	begun  time.Time
	more   int // beyond the first
}

// refusals counts requests that were refused, so that a caller cannot fill the audit log
// by them. The zero value works.
type refusals struct {
	mu      sync.Mutex // guards the others
	windows map[refused]*refusalCount
	swept   time.Time
}

// gathers reports whether a request is counted with others: one whose sender is not
// known, or may not do what it asks for.
func gathers(holder apikey.Holder, status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMisdirectedRequest, http.StatusTooManyRequests:
		return true
	default:
		return holder.Role == 0
	}
}

// count counts a refusal, and reports whether it is the first of a window.
func (c *refusals) count(holder apikey.Holder, remote string, now time.Time) (first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	who := refused{request.NetworkOf(remote), holder.ID}
	if _, known := c.windows[who]; !known && len(c.windows) >= maxRefused {
		who, holder = refused{}, apikey.Holder{}
	}
	if window, known := c.windows[who]; known {
		window.more++
		return false
	}
	if c.windows == nil {
		c.windows = map[refused]*refusalCount{}
	}
	c.windows[who] = &refusalCount{holder: holder, begun: now}
	return true
}

// end ends the windows that are over, or all, and returns those that counted more than
// their first refusal.
func (c *refusals) end(now time.Time, all bool) map[refused]*refusalCount {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !all && now.Sub(c.swept) < refusalSweep {
		return nil
	}
	c.swept = now
	out := map[refused]*refusalCount{}
	for who, window := range c.windows {
		if !all && now.Sub(window.begun) < refusalWindow {
			continue
		}
		delete(c.windows, who)
		if window.more > 0 {
			out[who] = window
		}
	}
	return out
}

// writeRefusals writes a line for each caller whose refusals were counted in a window
// that is over.
func (a *Audit) writeRefusals(all bool) {
	ended := a.refusals.end(a.Now(), all)
	if len(ended) == 0 {
		return
	}
	order := make([]refused, 0, len(ended))
	for who := range ended {
		order = append(order, who)
	}
	slices.SortFunc(order, func(x, y refused) int { return ended[x].begun.Compare(ended[y].begun) })
	for _, who := range order {
		window, remote := ended[who], "others"
		if who.network.IsValid() {
			remote = who.network.String()
			if who.network.IsSingleIP() {
				remote = who.network.Addr().String()
			}
		}
		a.Log.Info("requests.refused",
			zap.String("key_id", window.holder.ID), zap.String("key_name", window.holder.Name), zap.Stringer("role", window.holder.Role),
			zap.String("remote", remote), zap.Int("refused", window.more), zap.Time("since", window.begun))
	}
}
