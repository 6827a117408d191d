package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"logsift/adapters/httpapi/problem"
	"logsift/adapters/httpapi/request"
	"logsift/adapters/httpapi/wire"
	"logsift/domain"
	"logsift/ports"
)

// Streams of events are server-sent events, as the HTML standard defines them:
// https://html.spec.whatwg.org/multipage/server-sent-events.html
//
// Each stream pulls from the store at its own pace, and holds one page of events at
// most. So a client that is slow misses what the store forgets meanwhile, which it
// is told, and costs neither the queue nor another client anything.

const (
	// eventGather is how long a stream lets events gather after it has sent some, so
	// that a busy queue costs the store no more than ten reads a second for each.
	eventGather = 100 * time.Millisecond
	// eventPage is how many events a stream reads at once.
	eventPage = 500
	// eventRetry is after how long a client should come back.
	eventRetry = 2 * time.Second
	// eventPause is how long a stream waits when the store cannot be read.
	eventPause = time.Second
	// eventTagged bounds the tasks whose tags a stream remembers; then it looks anew.
	eventTagged = 10_000
	// eventGrace is how long a stream may still write when it is to end.
	eventGrace = time.Second
)

// streams are the streams, or other long requests, that are open.
type streams struct {
	places request.Pool

	mu    sync.Mutex // guards the fields below; without it one could begin after the end
	open  map[*stream]struct{}
	ended bool
}

func newStreams(what, name string, limit int) streams {
	return streams{
		places: request.Pool{What: what, Name: name, Full: problem.ErrTooManyStreams, Limit: int64(limit), Share: int64(limit+1) / 2},
		open:   make(map[*stream]struct{}),
	}
}

// begin counts a stream of a caller in, unless there are too many. Its context ends with the
// request, or when all streams are to end; done counts it out.
func (s *streams) begin(ctx context.Context, caller string, one *stream) (context.Context, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, nil, fmt.Errorf("begin a stream: %w", domain.ErrClosed)
	}
	if err := s.places.Take(caller, 1, false); err != nil {
		return nil, nil, err
	}
	ctx, one.cancel = context.WithCancel(ctx)
	s.open[one] = struct{}{}
	return ctx, func() {
		one.cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, one)
		s.places.Give(caller, 1)
	}, nil
}

// Close ends all streams of events and all that waits for tasks, and has further ones
// refused: a server that shuts down would wait for them for ever. It tells the audit log of
// the refusals that it has counted. It returns at once, and may be called more than once.
func (a *API) Close() {
	a.audit.Close()
	a.streams.end()
	a.waits.end()
	a.claims.end()
}

func (s *streams) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for one := range s.open {
		one.end()
	}
}

// eventFilter selects events; its zero values select all.
type eventFilter struct {
	status domain.TaskStatus
	typ    domain.TaskType
	queue  string
	tag    string
	id     domain.TaskID
}

func (f *eventFilter) matches(e *domain.TaskEvent) bool {
	return (f.status == 0 || e.To == f.status) && (f.typ == "" || e.Type == f.typ) &&
		(f.queue == "" || e.Queue == f.queue) && (f.id == uuid.Nil || e.TaskID == f.id)
}

func eventFilterOf(r *http.Request) (eventFilter, error) {
	q := request.NewQuery(r)
	f := eventFilter{
		status: request.Named(q, "status", domain.ParseTaskStatus),
		typ:    domain.TaskType(request.Named(q, "type", nameOf("type"))),
		queue:  request.Named(q, "queue", nameOf("queue")),
		tag:    request.Named(q, "tag", nameOf("tag")),
		id:     request.Named(q, "task_id", func(text string) (uuid.UUID, error) { return parseID("task_id", text) }),
	}
	return f, q.Err()
}

// nameOf is a parser of names.
func nameOf(field string) func(string) (string, error) {
	return func(text string) (string, error) { return text, domain.ValidateName(field, text) }
}

// streamEvents answers with the steps of all tasks, as they happen.
func (a *API) streamEvents(w http.ResponseWriter, r *http.Request) error {
	filter, err := eventFilterOf(r)
	if err != nil {
		return err
	}
	s := &stream{w: w, control: http.NewResponseController(w), filter: filter, cfg: &a.cfg}
	ctx, done, err := a.streams.begin(r.Context(), request.Caller(r), s)
	if err != nil {
		return err
	}
	defer done()
	// Before the head, so that a store that is away is a problem of its own.
	page, err := a.events.ReadTaskEvents(ctx, ports.EventRequest{After: r.Header.Get("Last-Event-ID"), Max: eventPage})
	if errors.Is(err, domain.ErrInvalidCursor) {
		// The id is of another store. A browser would never come back after a
		// refusal, so it is told to begin anew.
		page, err = a.events.ReadTaskEvents(ctx, ports.EventRequest{Max: eventPage})
		page.Lost = true
	}
	if err != nil {
		return err
	}
	s.head()
	if r.Method != http.MethodHead {
		a.follow(ctx, s, page, func() bool { return a.permits(r) })
	}
	return nil
}

// follow sends pages until the client has gone, is no longer permitted to have them,
// or the stream is to end. It asks for the permission before each page, and so at the
// latest when the stream was silent for its time.
func (a *API) follow(ctx context.Context, s *stream, page domain.TaskEventPage, permitted func() bool) {
	for permitted() {
		if err := a.dropUntagged(ctx, s, &page); err != nil {
			if errors.Is(err, domain.ErrClosed) || !sleep(ctx, eventPause) {
				return
			}
			continue
		}
		s.add(page)
		if s.send() != nil {
			return
		}
		if n := s.read; n > 0 && n < eventPage && !sleep(ctx, eventGather) {
			return
		}
		var err error
		page, err = a.events.ReadTaskEvents(ctx, ports.EventRequest{After: s.at, Max: eventPage, Wait: s.untilKeepAlive()})
		if err == nil {
			continue
		}
		// While the store is away, the stream is kept, and goes on where it was.
		if errors.Is(err, domain.ErrClosed) || !sleep(ctx, eventPause) {
			return
		}
		page = domain.TaskEventPage{Next: s.at}
	}
}

// dropUntagged leaves those events in the page that the filter selects, if it has a tag: events
// have none, so that each task is looked up when the stream first meets it. A task that
// is removed before that has no tags any more.
func (a *API) dropUntagged(ctx context.Context, s *stream, page *domain.TaskEventPage) error {
	s.read = len(page.Events)
	if s.filter.tag == "" {
		return nil
	}
	if s.tagged == nil || len(s.tagged)+len(page.Events) > eventTagged {
		s.tagged = map[domain.TaskID]bool{}
	}
	for _, e := range page.Events {
		if _, known := s.tagged[e.TaskID]; known || !s.filter.matches(&e) {
			continue
		}
		task, err := a.queue.GetTask(ctx, e.TaskID)
		if err != nil && !errors.Is(err, domain.ErrTaskNotFound) && !errors.Is(err, domain.ErrCorruptRecord) {
			return err
		}
		s.tagged[e.TaskID] = err == nil && slices.Contains(task.Tags, s.filter.tag)
	}
	page.Events = slices.DeleteFunc(page.Events, func(e domain.TaskEvent) bool { return !s.tagged[e.TaskID] })
	return nil
}

// permits reports whether the caller may still have what the request asks for, which
// it was let in for: meanwhile the key may have expired or been revoked.
func (a *API) permits(r *http.Request) bool {
	holder, err := a.auth.Caller(r)
	return err == nil && holder.Role.Includes(a.rowOf(r).role)
}

// sleep returns after d, or false at once when ctx ends.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// stream writes events to one client.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	filter  eventFilter
	cfg     *Config
	cancel  context.CancelFunc

	at   string // the cursor of what was read
	read int    // events of the newest page
	// tagged is whether a task has the tag of the filter, of those that were looked up.
	tagged map[domain.TaskID]bool

	buf  bytes.Buffer
	sent time.Time // when something was sent last

	mu    sync.Mutex // guards ended, and with it the deadline that end sets
	ended bool
}

// end has the stream end soon, also while it writes to a client that takes nothing.
func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.cancel()
	_ = s.setDeadline(eventGrace) // a connection that is gone has ended too
}

// setDeadline bounds the next write. Writers that have no deadlines are those of
// requests within the process; their context ends them.
func (s *stream) setDeadline(d time.Duration) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(d)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// head begins the answer.
func (s *stream) head() {
	// The time that a request may take to arrive would end the stream too.
	_ = s.control.SetReadDeadline(time.Time{})
	s.w.Header().Set("Content-Type", "text/event-stream")
	s.w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	s.w.WriteHeader(http.StatusOK)
	fmt.Fprintf(&s.buf, "retry: %d\n", eventRetry.Milliseconds())
}

// untilKeepAlive is how long the stream may be silent yet.
func (s *stream) untilKeepAlive() time.Duration {
	return max(0, s.cfg.StreamKeepAlive-time.Since(s.sent))
}

// add writes a page to the buffer. Where the stream would be silent for too long
// it tells its place alone: a client may come back there, and no proxy gives up.
func (s *stream) add(page domain.TaskEventPage) {
	s.at = page.Next
	if page.Lost {
		s.event(s.at, wire.EventReset, struct{}{})
		return
	}
	before := s.buf.Len()
	for i := range page.Events {
		if e := &page.Events[i]; s.filter.matches(e) {
			s.event(e.Cursor, wire.EventTask, eventView(e))
		}
	}
	if s.buf.Len() == before && s.untilKeepAlive() == 0 {
		fmt.Fprintf(&s.buf, ":\nid: %s\n\n", s.at)
	}
}

// event writes one event to the buffer. JSON has no raw line ends, nor has a cursor.
func (s *stream) event(id, name string, data any) {
	body, err := wire.Encode(data)
	if err != nil {
		// Strings and numbers always marshal.
		panic(fmt.Sprintf("marshal event: %v", err))
	}
	fmt.Fprintf(&s.buf, "id: %s\nevent: %s\ndata: %s\n", id, name, body)
}

// send writes out the buffer. A client that does not take it in time is cut off.
func (s *stream) send() error {
	if s.buf.Len() == 0 {
		return nil
	}
	s.mu.Lock()
	var err error
	if !s.ended {
		err = s.setDeadline(s.cfg.StreamWriteTimeout)
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if _, err := s.buf.WriteTo(s.w); err != nil {
		return err
	}
	s.sent = time.Now()
	return s.control.Flush()
}

func eventView(e *domain.TaskEvent) wire.TaskEvent {
	return wire.TaskEvent{
		TaskID: e.TaskID.String(), Type: string(e.Type), Queue: e.Queue, From: statusView(e.From), To: statusView(e.To),
		Attempt: e.Attempt, Reason: string(e.Reason), At: e.At,
	}
}

func statusView(s domain.TaskStatus) *string {
	if s == 0 {
		return nil
	}
	name := s.String()
	return &name
}
