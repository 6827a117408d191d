// What the analyses found.
import { address, get, getPage, isAbort } from '../api.js';
import { severityBadge } from '../components/badge.js';
import { sparkline } from '../components/chart.js';
import { filterBar } from '../components/filters.js';
import { pageHead } from '../components/page.js';
import { pager } from '../components/pager.js';
import { emptyState, errorNotice, errorState, skeleton } from '../components/states.js';
import { table } from '../components/table.js';
import { templateText } from '../components/template.js';
import { timeAgo } from '../components/time.js';
import { h, replace, userText } from '../dom.js';
import { compact, count, dateTime, number, title } from '../format.js';
import { gather, histogram } from '../occurrences.js';
import { paths } from '../paths.js';
import { showSpan, spanFields, spanQuery } from '../timespan.js';

const PAGE = 50;
/** The analyses name so many lines of an anomaly at most; so many are counted. */
const SAMPLE = 100;
/** How many sparklines are fetched at the same time. */
const AT_ONCE = 2;

const KINDS = [
  'new_template', 'rare_template', 'frequency_spike', 'frequency_drop', 'missing_event',
  'error_burst', 'recurring_error', 'severity_shift', 'numeric_outlier', 'count_vector',
];

const FIELDS = [
  { name: 'severity', label: 'Severity', kind: 'select', options: [['', 'Any'], ['low', 'Low and above'], ['medium', 'Medium and above'], ['high', 'High and above'], ['critical', 'Critical']] },
  { name: 'kind', label: 'Kind', kind: 'select', options: [['', 'Any'], ...KINDS.map((kind) => [kind, title(kind)])] },
  { name: 'source', label: 'Source', kind: 'text', placeholder: 'Exact name', suggestions: [] },
  { name: 'text', label: 'Text', kind: 'text', placeholder: 'In template or sample lines' },
  ...spanFields('Last seen'),
];

export function mount(root, ctx) {
  const sparks = new Sparks(ctx.signal);
  const notice = h('div', { class: 'notices' });
  const body = h('div', { class: 'panel-body flush' }, skeleton(8));
  const filters = filterBar(ctx, FIELDS, (values) => {
    showSpan(filters, values);
    watcher.refresh();
  });
  showSpan(filters, filters.values);
  const pages = pager(ctx, () => watcher.refresh());
  const list = table({
    label: 'Anomalies', columns: columns(sparks), key: (row) => row.id, href: (row) => paths.anomaly(row.id),
  });
  const content = h('div', null, list.element, pages.element);
  root.append(pageHead('Anomalies', { meta: h('span', null, 'What is unusual in the logs, newest analysis first') }),
    filters.element, notice, h('section', { class: 'panel', 'aria-label': 'Anomalies' }, body));

  const sources = new Set();
  const watcher = ctx.watch({
    query: { type: 'log_analysis' },
    every: 5000,
    async refresh(signal) {
      const { since, from, to, ...query } = filters.values;
      const page = await getPage('/anomalies', 'anomalies', {
        query: { ...query, ...spanQuery({ since, from, to }, Date.now()), limit: PAGE, cursor: pages.cursor }, signal,
      });
      const rows = gather(page.anomalies);
      for (const row of rows) {
        row.services.forEach((name) => sources.add(name));
      }
      filters.setSuggestions('source', [...sources].sort());
      filters.setError();
      replace(notice);
      if (rows.length === 0 && !pages.cursor && !page.next_cursor) {
        replace(body, nothing(filters));
        return;
      }
      list.setRows(rows);
      pages.update({ next: page.next_cursor, shown: rows.length === 0 && page.next_cursor ? 'None so far' : count(rows.length, 'anomaly', 'anomalies') });
      if (!content.isConnected) {
        replace(body, content);
      }
    },
    onError(error, first) {
      filters.setError(error.errors);
      if (first) {
        replace(body, errorState(error, () => watcher.refresh()));
      } else {
        replace(notice, errorNotice(error));
      }
    },
  });
}

function columns(sparks) {
  return [
    { name: 'severity', label: 'Severity', cell: (row) => severityBadge(row.severity) },
    { name: 'template', label: 'Template', class: 'wide', link: true, cell: (row) => (row.template ? templateText(row.template) : row.evidence || title(row.kind)) },
    { name: 'kind', label: 'Kind', class: 'nowrap', cell: (row) => title(row.kind) },
    { name: 'source', label: 'Source', class: 'source-cell', cell: (row) => services(row.services) },
    { name: 'count', label: 'Lines', class: 'num', cell: (row) => h('span', { title: number(row.count) }, compact(row.count)) },
    { name: 'spark', label: 'Over time', class: 'spark-cell', cell: (row) => sparks.cell(row) },
    { name: 'seen', label: 'Last seen', class: 'nowrap', cell: (row) => timeAgo(row.last_seen) },
  ];
}

function services(names) {
  const [first, ...rest] = names;
  if (!first) {
    return h('span', { class: 'muted' }, '–');
  }
  return h('span', { class: 'clip', title: names.join(', ') }, userText(first), rest.length > 0 && h('span', { class: 'muted' }, ` +${rest.length}`));
}

function nothing(filters) {
  if (Object.keys(filters.values).length > 0) {
    return emptyState({
      title: 'No anomaly matches the filters',
      action: h('button', { class: 'button', type: 'button', on: { click: () => filters.reset() } }, 'Clear filters'),
    });
  }
  return emptyState({
    title: 'No anomalies yet',
    text: 'Logs that come in are analysed by themselves. Send some, and what is unusual in them is shown here.',
    command: `curl --data-binary @app.log -H 'Content-Type: text/plain' '${location.origin}${address('/logs', { source: 'app' })}'`,
  });
}

/** Fetches when the lines of anomalies were, for the rows that are seen. */
class Sparks {
  #signal;
  #known = new Map();
  #queue = [];
  #running = 0;
  #observer;

  constructor(signal) {
    this.#signal = signal;
    this.#observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting) {
          this.#observer.unobserve(entry.target);
          this.#queue.push(entry.target);
        }
      }
      this.#work();
    });
    signal.addEventListener('abort', () => this.#observer.disconnect(), { once: true });
  }

  cell(row) {
    const box = h('span', { class: 'spark-box' });
    box.row = row;
    if (row.log_ids.length === 0) {
      replace(box, h('span', { class: 'muted' }, '–'));
    } else if (this.#known.get(row.id)?.count === row.count) {
      this.#show(box);
    } else {
      this.#observer.observe(box);
    }
    return box;
  }

  #work() {
    while (this.#running < AT_ONCE && this.#queue.length > 0) {
      this.#running += 1;
      this.#fetch(this.#queue.shift()).finally(() => {
        this.#running -= 1;
        this.#work();
      });
    }
  }

  async #fetch(box) {
    if (!box.isConnected || this.#signal.aborted) {
      return;
    }
    const { id, count: lines } = box.row;
    try {
      const page = await get(`/anomalies/${encodeURIComponent(id)}/logs`, { query: { limit: SAMPLE }, signal: this.#signal });
      this.#known.set(id, { count: lines, histogram: histogram(page.logs.map((entry) => entry.timestamp)) });
      this.#show(box);
    } catch (error) {
      if (!isAbort(error)) {
        replace(box, h('span', { class: 'muted', title: error.message }, '–'));
      }
    }
  }

  #show(box) {
    const { histogram: found } = this.#known.get(box.row.id);
    if (!found) {
      replace(box, h('span', { class: 'muted', title: 'The lines are no longer stored' }, '–'));
      return;
    }
    const lines = found.counts.reduce((sum, n) => sum + n);
    const label = `${count(lines, 'line')} from ${dateTime(new Date(found.from).toISOString())} to ${dateTime(new Date(found.to).toISOString())}, at most ${Math.max(...found.counts)} in one ${found.counts.length}th of it`;
    replace(box, sparkline(found.counts, { label, tone: 'failed', bars: true }));
  }
}
