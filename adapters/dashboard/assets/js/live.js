// Keeps a page up to date: by events of the queue where the server sends them, else
// by asking again. Nothing is sent while the tab is hidden.

const EVENTS = '/api/v1/queue/events';

/** How often to ask in milliseconds, at best and at worst. */
const AFTER_EVENTS = 1000;
const WITHOUT_EVENTS = 2000;
const WITH_EVENTS = 10_000;
const LONGEST_WAIT = 30_000;
/** Events are handed on together, so that thousands a second are a few calls. */
const GATHER = 200;
/** When to try for events again after the server refused them. */
const RETRY_EVENTS = 30_000;

/**
 * What the page in view knows of the server: "live" (events come), "polling",
 * "paused" (the tab is hidden), "offline", or "idle" where the page does not watch. It
 * dispatches "change".
 */
class Status extends EventTarget {
  value = 'idle';

  set(value) {
    if (value !== this.value) {
      this.value = value;
      this.dispatchEvent(new Event('change'));
    }
  }
}

export const status = new Status();

/**
 * Watches until the signal ends. options:
 *
 * refresh(signal): reads what the page shows. It is called at once, after events, and
 *   from time to time; never twice at the same time, never while the tab is hidden. If
 *   it throws, it is called again after a while, and onError gets the error. After an
 *   answer that says that the request is wrong, it is called only when refresh() is.
 * query: filter of the events: {status, type, queue, task_id}.
 * events: false asks for none, for pages that the queue does not change.
 * onEvents(list): gets the events as they come, before the refresh.
 * onError(error, first): gets the errors of refresh; first is whether none succeeded yet.
 * every: milliseconds between refreshes without events; 2000 by default.
 *
 * Returns {refresh(), setQuery(query)}: refresh reads again at once and resolves when
 * that is done, setQuery filters the events otherwise.
 */
export function watch(signal, options) {
  const watcher = new Watcher(signal, options);
  watcher.start();
  return { refresh: () => watcher.now(), setQuery: (query) => watcher.filter(query) };
}

class Watcher {
  #signal;
  #options;
  #source = null;
  #connected = false;
  #events = [];
  #gather = 0;
  #timer = 0;
  #retry = 0;
  #running = null;
  #again = false;
  /** Whether events came since the last refresh began, and when that was. */
  #dirty = false;
  #begun = 0;
  #failures = 0;
  /** Whether the server refused the request as it is: it will do so again. */
  #refused = false;
  #succeeded = false;

  constructor(signal, options) {
    this.#signal = signal;
    this.#options = options;
  }

  start() {
    if (this.#signal.aborted) {
      return;
    }
    const visibility = () => (document.hidden ? this.#pause() : this.#resume());
    document.addEventListener('visibilitychange', visibility);
    window.addEventListener('online', visibility);
    this.#signal.addEventListener('abort', () => {
      document.removeEventListener('visibilitychange', visibility);
      window.removeEventListener('online', visibility);
      this.#close();
      status.set('idle');
    }, { once: true });
    visibility();
  }

  /** Refreshes now, after a refresh that runs already. */
  async now() {
    if (this.#running) {
      this.#again = true;
      return this.#running;
    }
    this.#running = this.#run();
    return this.#running;
  }

  filter(query) {
    this.#options.query = query;
    if (this.#source) {
      this.#disconnect();
      this.#connect();
    }
  }

  async #run() {
    try {
      do {
        clearTimeout(this.#timer);
        this.#again = false;
        this.#dirty = false;
        this.#begun = performance.now();
        await this.#options.refresh(this.#signal);
      } while (this.#again && !this.#signal.aborted);
      this.#failures = 0;
      this.#refused = false;
      this.#succeeded = true;
    } catch (error) {
      if (!this.#signal.aborted) {
        this.#failures += 1;
        this.#refused = refused(error);
        this.#options.onError?.(error, !this.#succeeded);
      }
    } finally {
      this.#running = null;
    }
    this.#report();
    this.#schedule();
  }

  /** Sets when the next refresh is, if none runs. */
  #schedule() {
    clearTimeout(this.#timer);
    if (this.#running || this.#signal.aborted || document.hidden || this.#refused) {
      return;
    }
    const every = this.#options.every ?? WITHOUT_EVENTS;
    let wait = this.#connected ? Math.max(every, WITH_EVENTS) : every;
    if (this.#failures > 0) {
      wait = Math.min(every * 2 ** Math.min(this.#failures, 5), LONGEST_WAIT);
    } else if (this.#dirty) {
      wait = Math.max(0, this.#begun + AFTER_EVENTS - performance.now());
    }
    this.#timer = setTimeout(() => this.now(), wait);
  }

  #pause() {
    this.#close();
    status.set('paused');
  }

  #resume() {
    if (this.#signal.aborted || document.hidden) {
      return;
    }
    if (!this.#source) {
      this.#connect();
    }
    this.now();
  }

  #close() {
    clearTimeout(this.#timer);
    clearTimeout(this.#retry);
    this.#disconnect();
  }

  #disconnect() {
    clearTimeout(this.#gather);
    this.#gather = 0;
    this.#events = [];
    this.#source?.close();
    this.#source = null;
    this.#connected = false;
  }

  #connect() {
    if (this.#options.events === false) {
      return;
    }
    const params = new URLSearchParams();
    for (const [name, value] of Object.entries(this.#options.query ?? {})) {
      if (value) {
        params.set(name, value);
      }
    }
    const text = params.toString();
    const source = new EventSource(text ? `${EVENTS}?${text}` : EVENTS);
    this.#source = source;
    source.addEventListener('open', () => {
      this.#connected = true;
      this.#report();
    });
    source.addEventListener('task', (event) => this.#take(JSON.parse(event.data)));
    source.addEventListener('reset', () => this.now());
    source.addEventListener('error', () => this.#lostEvents(source));
  }

  /** The browser tries again by itself, unless the server refused. */
  #lostEvents(source) {
    this.#connected = false;
    this.#report();
    this.#schedule();
    if (source.readyState === EventSource.CLOSED) {
      this.#source = null;
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => {
        if (!this.#source && !document.hidden) {
          this.#connect();
        }
      }, RETRY_EVENTS);
    }
  }

  #take(event) {
    this.#events.push(event);
    this.#gather ||= setTimeout(() => this.#flush(), GATHER);
  }

  #flush() {
    this.#gather = 0;
    const events = this.#events;
    this.#events = [];
    this.#options.onEvents?.(events);
    this.#dirty = true;
    this.#schedule();
  }

  #report() {
    if (this.#signal.aborted) {
      return;
    }
    if (document.hidden) {
      status.set('paused');
    } else if (this.#failures > 0 && !this.#refused) {
      status.set('offline');
    } else {
      status.set(this.#connected ? 'live' : 'polling');
    }
  }
}

/** Whether an error says that the same request will fail again. */
function refused({ status: code }) {
  return code >= 400 && code < 500 && code !== 408 && code !== 429;
}
