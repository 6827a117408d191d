package redisstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"logsift/adapters/redisstore/internal/server"
	"logsift/domain"
)

// notifier hears the wake-up messages of other processes and passes them to the calls
// that wait in this one: claims, or those who read events. It subscribes with the
// first of them.
type notifier struct {
	client   *server.Client
	channels []string
	// ctx lives from newNotifier to close: the subscription outlives the call that
	// begins it.
	ctx    context.Context //nolint:containedctx // It is the life of the notifier, not of a call.
	cancel context.CancelFunc

	// mu guards the fields below. notified is closed and replaced at each wake-up;
	// without the lock a waiter could take the channel of a past one.
	mu       sync.Mutex
	notified chan struct{}
	sub      *redis.PubSub
	stopped  bool

	finished sync.WaitGroup
}

func newNotifier(client *server.Client, channels []string) *notifier {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // See notifier.ctx.
	return &notifier{client: client, channels: channels, ctx: ctx, cancel: cancel, notified: make(chan struct{})}
}

// listen returns a channel that the next wake-up closes. If it is to be waited
// on, the subscription is begun.
func (n *notifier) listen(subscribe bool) (<-chan struct{}, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stopped {
		return nil, fmt.Errorf("task queue: %w", domain.ErrClosed)
	}
	if subscribe && n.sub == nil {
		n.sub = n.client.Redis.Subscribe(n.ctx, n.channels...)
		messages := n.sub.ChannelWithSubscriptions(redis.WithChannelHealthCheckInterval(15 * time.Second))
		n.finished.Go(func() { n.forward(messages) })
	}
	return n.notified, nil
}

// forward turns messages into notices until the subscription is closed. The
// confirmation of a subscription wakes too: what was sent before it was missed.
func (n *notifier) forward(messages <-chan any) {
	for range messages {
		n.mu.Lock()
		close(n.notified)
		n.notified = make(chan struct{})
		n.mu.Unlock()
	}
}

// wait returns when notified is closed, after d, or with an error when ctx ends or
// the queue is closed.
func (n *notifier) wait(ctx context.Context, notified <-chan struct{}, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-notified:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-n.ctx.Done():
		return fmt.Errorf("task queue: %w", domain.ErrClosed)
	}
}

func (n *notifier) close() {
	n.mu.Lock()
	if !n.stopped {
		n.stopped = true
		n.cancel()
		if n.sub != nil {
			_ = n.sub.Close()
		}
	}
	n.mu.Unlock()
	n.finished.Wait()
}
