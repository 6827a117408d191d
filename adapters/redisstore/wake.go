package redisstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"logsift/domain"
)

// waker hears the wake-up messages of other processes and passes them to the calls
// that wait in this one: claims, or those who read events. It subscribes with the
// first of them.
type waker struct {
	client   *Client
	channels []string
	// ctx lives from newWaker to close: the subscription outlives the call that
	// begins it.
	ctx    context.Context //nolint:containedctx // It is the life of the waker, not of a call.
	cancel context.CancelFunc

	// mu guards the fields below. woken is closed and replaced at each wake-up;
	// without the lock a waiter could take the channel of a past one.
	mu      sync.Mutex
	woken   chan struct{}
	sub     *redis.PubSub
	stopped bool

	finished sync.WaitGroup
}

func newWaker(client *Client, channels []string) *waker {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // See waker.ctx.
	return &waker{client: client, channels: channels, ctx: ctx, cancel: cancel, woken: make(chan struct{})}
}

// listen returns a channel that the next wake-up closes. If it is to be waited
// on, the subscription is begun.
func (w *waker) listen(subscribe bool) (<-chan struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return nil, fmt.Errorf("task queue: %w", domain.ErrClosed)
	}
	if subscribe && w.sub == nil {
		w.sub = w.client.rdb.Subscribe(w.ctx, w.channels...)
		messages := w.sub.ChannelWithSubscriptions(redis.WithChannelHealthCheckInterval(15 * time.Second))
		w.finished.Go(func() { w.forward(messages) })
	}
	return w.woken, nil
}

// forward turns messages into wake-ups until the subscription is closed. The
// confirmation of a subscription wakes too: what was sent before it was missed.
func (w *waker) forward(messages <-chan any) {
	for range messages {
		w.mu.Lock()
		close(w.woken)
		w.woken = make(chan struct{})
		w.mu.Unlock()
	}
}

// wait returns when woken is closed, after d, or with an error when ctx ends or
// the queue is closed.
func (w *waker) wait(ctx context.Context, woken <-chan struct{}, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-woken:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-w.ctx.Done():
		return fmt.Errorf("task queue: %w", domain.ErrClosed)
	}
}

func (w *waker) close() {
	w.mu.Lock()
	if !w.stopped {
		w.stopped = true
		w.cancel()
		if w.sub != nil {
			_ = w.sub.Close()
		}
	}
	w.mu.Unlock()
	w.finished.Wait()
}
