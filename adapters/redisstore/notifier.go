package redisstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
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
	// telling is held by calls of watches, which must not overlap, and while one is taken
	// away: it is not called then or later. It is taken before mu.
	telling sync.Mutex
	// watches are told of cancelled tasks.
	watches map[*func([]domain.TaskID)]struct{}

	finished sync.WaitGroup
}

func newNotifier(client *server.Client, channels []string) *notifier {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // See notifier.ctx.
	return &notifier{client: client, channels: channels, ctx: ctx, cancel: cancel, notified: make(chan struct{}), watches: map[*func([]domain.TaskID)]struct{}{}}
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
	for message := range messages {
		m, told := message.(*redis.Message)
		ids := cancelledIDs(m)
		if !told || len(ids) > 0 {
			n.tell(ids)
		}
		if len(ids) > 0 {
			continue
		}
		n.mu.Lock()
		close(n.notified)
		n.notified = make(chan struct{})
		n.mu.Unlock()
	}
}

// cancelledIDs returns the ids in a message about cancelled tasks, none for another.
func cancelledIDs(m *redis.Message) []domain.TaskID {
	if m == nil || len(m.Payload)%16 != 0 {
		return nil
	}
	ids := make([]domain.TaskID, len(m.Payload)/16)
	for i := range ids {
		copy(ids[i][:], m.Payload[16*i:])
	}
	return ids
}

// tell tells those who watch of cancelled tasks; without ids, of any.
func (n *notifier) tell(ids []domain.TaskID) {
	n.telling.Lock()
	defer n.telling.Unlock()
	n.mu.Lock()
	watches := slices.Collect(maps.Keys(n.watches))
	n.mu.Unlock()
	for _, cancelled := range watches {
		(*cancelled)(slices.Clone(ids))
	}
}

// watch tells of cancelled tasks until ctx ends or the queue is closed. The confirmation
// of a subscription tells of any: what was sent before it was missed.
func (n *notifier) watch(ctx context.Context, cancelled func([]domain.TaskID)) error {
	n.mu.Lock()
	n.watches[&cancelled] = struct{}{}
	n.mu.Unlock()
	defer func() {
		n.telling.Lock()
		defer n.telling.Unlock()
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.watches, &cancelled)
	}()
	if _, err := n.listen(true); err != nil {
		return err
	}
	n.telling.Lock()
	cancelled(nil) // Others may have subscribed before.
	n.telling.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-n.ctx.Done():
		return domain.ErrClosed
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
