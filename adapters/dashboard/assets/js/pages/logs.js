// The log entries, with filters and a live tail.
import { address, get, getPage, isAbort } from '../api.js';
import { filterBar } from '../components/filters.js';
import { logList } from '../components/loglist.js';
import { pageHead } from '../components/page.js';
import { pager } from '../components/pager.js';
import { emptyState, errorNotice, errorState, skeleton } from '../components/states.js';
import { announce, h, replace, setAttr } from '../dom.js';
import { count } from '../format.js';
import { icon } from '../icons.js';
import { watch } from '../live.js';
import { showSpan, spanFields, spanQuery } from '../timespan.js';

const PAGE = 100;
/** How many lines a tail keeps in view. */
const TAIL_LINES = 500;
const TAIL_EVERY = 2000;

const LEVELS = [['', 'Any'], ['debug', 'Debug and above'], ['info', 'Info and above'], ['warn', 'Warn and above'], ['error', 'Error and above'], ['fatal', 'Fatal']];

const FIELDS = [
  ...spanFields(),
  { name: 'level', label: 'Level', kind: 'select', options: LEVELS },
  { name: 'source', label: 'Source', kind: 'text', placeholder: 'Exact name', suggestions: [] },
  { name: 'text', label: 'Text', kind: 'text', placeholder: 'In the message' },
];

export function mount(root, ctx) {
  new Explorer(root, ctx).show();
}

class Explorer {
  #ctx;
  #root;
  #notice = h('div', { class: 'notices' });
  #body = h('div', { class: 'panel-body flush' }, skeleton(10));
  #list = logList({ label: 'Log lines' });
  #filters;
  #pages;
  #content;
  #tail;
  #refresh;
  #entries = [];
  #sources = new Set();
  /** Ends the tail, or the request under way. */
  #stop = new AbortController();

  constructor(root, ctx) {
    this.#root = root;
    this.#ctx = ctx;
    this.#filters = filterBar(ctx, FIELDS, (values) => {
      showSpan(this.#filters, values);
      this.#begin();
    });
    showSpan(this.#filters, this.#filters.values);
    this.#pages = pager(ctx, () => this.#load());
    this.#content = h('div', null, this.#list.element, this.#pages.element);
    this.#refresh = h('button', { class: 'button', type: 'button', on: { click: () => this.#load() } }, icon('retry'), 'Refresh');
    this.#tail = h('button', { class: 'button tail', type: 'button', 'aria-pressed': 'false', title: 'Ask for new lines every two seconds', on: { click: () => this.#toggleTail() } }, icon('run'), 'Live tail');
    ctx.signal.addEventListener('abort', () => this.#stop.abort(), { once: true });
  }

  show() {
    this.#root.append(
      pageHead('Logs', { meta: h('span', null, 'Newest first, by the time in the line'), actions: [this.#refresh, this.#tail] }),
      this.#filters.element, this.#notice, h('section', { class: 'panel', 'aria-label': 'Log lines' }, this.#body));
    if (this.#ctx.query.get('tail')) {
      this.#toggleTail();
    } else {
      this.#load();
    }
  }

  get #tailing() {
    return this.#tail.getAttribute('aria-pressed') === 'true';
  }

  #toggleTail() {
    const on = !this.#tailing;
    setAttr(this.#tail, 'aria-pressed', on ? 'true' : 'false');
    this.#refresh.disabled = on;
    this.#ctx.setQuery({ tail: on ? '1' : null, cursor: null });
    announce(on ? 'The tail runs' : 'The tail stands still');
    this.#begin();
  }

  /** Starts anew, with other filters or another mode. */
  #begin() {
    this.#entries = [];
    this.#pages.element.hidden = this.#tailing;
    if (!this.#tailing) {
      this.#load();
      return;
    }
    const signal = this.#renew();
    let first = true;
    watch(signal, {
      events: false,
      every: TAIL_EVERY,
      refresh: async () => {
        await this.#follow(signal, first);
        first = false;
      },
      onError: (error) => this.#failed(error, signal),
    });
  }

  /** Ends what runs, and returns the signal of what begins. */
  #renew() {
    this.#stop.abort();
    this.#stop = new AbortController();
    return this.#stop.signal;
  }

  #query() {
    const { since, from, to, ...query } = this.#filters.values;
    return { ...query, ...spanQuery({ since, from, to }, Date.now()), limit: PAGE };
  }

  /** Shows the page that the cursor names. */
  async #load() {
    const signal = this.#renew();
    try {
      const page = await getPage('/logs', 'logs', { query: { ...this.#query(), cursor: this.#pages.cursor }, signal });
      this.#show(page.logs, page.next_cursor);
      this.#pages.update({ next: page.next_cursor, shown: page.logs.length === 0 && page.next_cursor ? 'None so far' : count(page.logs.length, 'line') });
    } catch (error) {
      this.#failed(error, signal);
    }
  }

  /** Adds the lines that came since the newest in view. */
  async #follow(signal, first) {
    const query = this.#query();
    const newest = this.#entries[0]?.timestamp;
    if (newest && !(Date.parse(query.from ?? '') > Date.parse(newest))) {
      query.from = newest;
    }
    const page = await get('/logs', { query, signal });
    const known = new Set(this.#entries.map((entry) => entry.id));
    const fresh = page.logs.filter((entry) => !known.has(entry.id));
    // If a whole page is new, there may be more between it and what is in view.
    const gap = !first && page.next_cursor && fresh.length === page.logs.length;
    this.#show(gap ? fresh : [...fresh, ...this.#entries].slice(0, TAIL_LINES));
    replace(this.#notice, gap && h('p', { class: 'notice' }, icon('warning'), 'More lines came than a page holds; only the newest are shown.'));
  }

  #show(entries, next) {
    this.#entries = entries;
    for (const { source } of entries) {
      if (source) {
        this.#sources.add(source);
      }
    }
    this.#filters.setSuggestions('source', [...this.#sources].sort());
    this.#filters.setError();
    replace(this.#notice);
    if (entries.length === 0 && !this.#pages.cursor && !next) {
      replace(this.#body, this.#nothing());
      return;
    }
    this.#list.setRows(entries);
    if (!this.#content.isConnected) {
      replace(this.#body, this.#content);
    }
  }

  #failed(error, signal) {
    if (isAbort(error) || signal.aborted) {
      return;
    }
    this.#filters.setError(error.errors);
    if (this.#content.isConnected) {
      replace(this.#notice, errorNotice(error));
    } else {
      replace(this.#body, errorState(error, () => this.#begin()));
    }
  }

  #nothing() {
    if (this.#tailing) {
      return emptyState({ title: 'No line yet', text: 'Lines that match the filters are shown as they come.' });
    }
    if (Object.keys(this.#filters.values).length > 0) {
      return emptyState({
        title: 'No line matches the filters',
        action: h('button', { class: 'button', type: 'button', on: { click: () => this.#filters.reset() } }, 'Clear filters'),
      });
    }
    return emptyState({
      title: 'No logs yet',
      text: 'Send a file, or point a shipper at this server: it takes OTLP, Loki and Elasticsearch bulk requests.',
      command: `curl --data-binary @app.log -H 'Content-Type: text/plain' '${location.origin}${address('/logs', { source: 'app' })}'`,
    });
  }
}
