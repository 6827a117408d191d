package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"logsift/domain"
)

// Translate turns an error of go-redis into the errors that the ports document.
// ctx is that of the call: its end is told apart from a slow server.
func (c *Client) Translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) && errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	var reply redis.Error
	if errors.As(err, &reply) {
		msg := reply.Error()
		switch code, _, _ := strings.Cut(msg, " "); strings.TrimPrefix(code, "-") {
		case "OOM":
			return fmt.Errorf("%w: redis is at its maxmemory: free memory or raise the limit", domain.ErrStoreFull)
		case "READONLY":
			return fmt.Errorf("%w: redis is a replica: point the URL at the master", domain.ErrStoreReadOnly)
		case "MISCONF", "NOREPLICAS":
			msg, _, _ = strings.Cut(msg, " script: ") // where in which script it was
			return fmt.Errorf("%w: redis refuses writes: %s", domain.ErrStoreReadOnly, msg)
		case "NOAUTH", "WRONGPASS", "NOPERM":
			return fmt.Errorf("%w: redis at %s refuses this user: %s; check user and password of the URL", domain.ErrStoreUnavailable, c.addr(), strings.TrimRight(msg, "."))
		}
		return fmt.Errorf("%w: redis: %s", domain.ErrStoreUnavailable, msg)
	}
	return fmt.Errorf("%w: redis at %s: %w", domain.ErrStoreUnavailable, c.addr(), err)
}

// addr names the server without its password.
func (c *Client) addr() string {
	if opts, err := parseURL(c.Config.URL); err == nil {
		return strings.Join(opts.Addrs, ",")
	}
	return "the configured address"
}
