// What the queue does now and has done, what failed and what was found.
import { get, getPage, readiness } from '../api.js';
import { h, replace, setText, userText } from '../dom.js';
import { compact, duration, number } from '../format.js';
import { icon } from '../icons.js';
import { pref, setPref } from '../prefs.js';
import { paths } from '../paths.js';
import { bucket, greatest, last, mean } from '../series.js';
import { severityBadge, tag } from '../components/badge.js';
import { timeChart } from '../components/chart.js';
import { pageHead, panel, segmented } from '../components/page.js';
import { errorNotice, errorState, skeleton } from '../components/states.js';
import { table } from '../components/table.js';
import { timeAgo } from '../components/time.js';
import { gettingStarted } from './getting-started.js';

const RANGES = [['60', '1 h'], ['360', '6 h'], ['1440', '24 h']];
/** How many points a chart has at most; more are put together. */
const POINTS = 120;
const LISTED = 7;
/** Anomalies are ranked among the newest so many. */
const RANKED = 40;
const SEVERITIES = ['info', 'low', 'medium', 'high', 'critical'];
/** How often history and readiness are read at most, in milliseconds. */
const SLOWLY = 5000;
const MINUTE = 60_000;

const TILES = [
  ['Pending', 'PENDING', 'pending_tasks', 'pending', (s) => (s.oldest_pending_seconds > 0 ? `oldest waits ${duration(s.oldest_pending_seconds * 1000)}` : 'none waits')],
  ['Scheduled', 'PENDING', 'scheduled_tasks', 'scheduled', () => 'for a later time'],
  ['Processing', 'PROCESSING', 'processing_tasks', 'processing', (s) => `${number(s.scheduler.busy_workers)} of ${number(s.scheduler.workers_count)} busy here`],
  ['Retrying', 'RETRYING', 'retrying_tasks', 'retrying', () => 'after a failure'],
  ['Completed', 'COMPLETED', 'completed_tasks', 'completed', () => 'still kept'],
  ['Failed', 'FAILED', 'failed_tasks', 'failed', (s) => (s.failed_tasks > 0 ? 'need a look' : 'none failed')],
  ['Cancelled', 'CANCELLED', 'cancelled_tasks', 'cancelled', () => 'by a person'],
];

export function mount(root, ctx) {
  new Overview(root, ctx).start();
}

class Overview {
  #root;
  #ctx;
  #minutes;
  #body = h('div', { class: 'stack' }, skeleton(14));
  #notices = h('div', { class: 'notices' });
  #built = null;
  #watch;
  /** What was read last, to know what must be read again. */
  #seen = { failed: NaN, completed: NaN, history: 0, minutes: '' };

  constructor(root, ctx) {
    this.#root = root;
    this.#ctx = ctx;
    const wanted = ctx.query.get('minutes') ?? pref('overview.minutes', '60');
    this.#minutes = RANGES.some(([minutes]) => minutes === wanted) ? wanted : '60';
  }

  start() {
    const range = segmented('Range of the charts', RANGES, this.#minutes, (minutes) => this.#setRange(minutes));
    this.#root.append(pageHead('Overview', { actions: range }), this.#notices, this.#body);
    this.#watch = this.#ctx.watch({
      refresh: (signal) => this.#refresh(signal),
      onError: (error, first) => this.#fail(error, first),
    });
  }

  #setRange(minutes) {
    this.#minutes = minutes;
    setPref('overview.minutes', minutes);
    this.#ctx.setQuery({ minutes: minutes === '60' ? null : minutes });
    this.#watch.refresh();
  }

  #fail(error, first) {
    if (first) {
      replace(this.#body, errorState(error, () => this.#watch.refresh()));
    } else {
      replace(this.#notices, errorNotice(error));
    }
  }

  async #refresh(signal) {
    const stats = await get('/queue/stats', { signal });
    if (!this.#built && stats.total_tasks === 0 && await this.#nothingYet(signal)) {
      replace(this.#body, gettingStarted());
      this.#showNotices(stats);
      return;
    }
    if (!this.#built) {
      this.#build();
    }
    this.#showStats(stats);
    await Promise.all([this.#readHistory(signal), this.#readFailures(stats, signal), this.#readAnomalies(stats, signal)]);
  }

  async #nothingYet(signal) {
    const { logs } = await get('/logs', { query: { limit: 1 }, signal });
    return logs.length === 0;
  }

  #build() {
    const tiles = TILES.map(([label, status, , tone]) => tile(label, paths.list('/ui/tasks', { status }), tone));
    const charts = makeCharts();
    const failures = failureTable();
    const anomalies = anomalyTable();
    const health = h('div', null, skeleton(3));
    const scheduler = h('div');
    const boxes = { failures: h('div', null, skeleton(5)), anomalies: h('div', null, skeleton(5)), charts: h('div', { class: 'panels' }) };
    replace(boxes.charts, charts.map(chartPanel));
    replace(this.#body,
      h('nav', { class: 'tiles', 'aria-label': 'Tasks by state' }, tiles.map((each) => each.element)),
      boxes.charts,
      h('div', { class: 'panels' },
        panel('Newest anomalies by severity', boxes.anomalies, { className: 'flush', end: h('a', { href: '/ui/anomalies' }, 'All anomalies') }),
        panel('Latest failed tasks', boxes.failures, { className: 'flush', end: h('a', { href: '/ui/tasks?status=FAILED' }, 'All failed tasks') })),
      h('div', { class: 'panels' }, panel('Health', health), panel('This process', scheduler)));
    this.#built = { tiles, charts, failures, anomalies, health, scheduler, boxes };
  }

  #showStats(stats) {
    const { tiles, scheduler } = this.#built;
    TILES.forEach(([, , field, , hint], i) => tiles[i].show(stats[field], hint(stats)));
    replace(scheduler, schedulerFacts(stats.scheduler));
    this.#showNotices(stats);
  }

  #showNotices(stats) {
    replace(this.#notices, stats.warnings.map((text) => h('p', { class: 'notice warn' }, icon('warning'), userText(text))));
  }

  async #readHistory(signal) {
    const due = performance.now() - this.#seen.history >= SLOWLY || this.#seen.minutes !== this.#minutes;
    if (!due) {
      return;
    }
    const minutes = this.#minutes;
    this.#seen.history = performance.now();
    this.#seen.minutes = minutes;
    const { charts, boxes, health } = this.#built;
    const [history, ready] = await Promise.all([
      get('/queue/history', { query: { minutes }, signal }).catch((error) => rethrowAborted(error, signal)),
      readiness({ signal }).catch((error) => rethrowAborted(error, signal)),
    ]);
    replace(health, ready instanceof Error ? errorNotice(ready) : components(ready));
    if (history instanceof Error) {
      replace(boxes.charts, panel('History', errorState(history, () => this.#again()), { className: 'whole' }));
      return;
    }
    if (!boxes.charts.contains(charts[0].chart.element)) {
      replace(boxes.charts, charts.map(chartPanel));
    }
    for (const each of charts) {
      each.chart.setData(each.data(history.points));
    }
  }

  #again() {
    this.#seen.history = 0;
    this.#watch.refresh();
  }

  async #readFailures(stats, signal) {
    if (stats.failed_tasks === this.#seen.failed) {
      return;
    }
    const { tasks } = await getPage('/queue/tasks', 'tasks', { query: { status: 'FAILED', limit: LISTED }, signal });
    this.#seen.failed = stats.failed_tasks;
    const { failures, boxes } = this.#built;
    failures.setRows(tasks);
    show(boxes.failures, tasks.length > 0 ? failures.element : quiet('No task has failed.'));
  }

  async #readAnomalies(stats, signal) {
    if (stats.completed_tasks === this.#seen.completed) {
      return;
    }
    const found = await get('/anomalies', { query: { limit: RANKED }, signal });
    this.#seen.completed = stats.completed_tasks;
    const { anomalies, boxes } = this.#built;
    const rows = rank(found.anomalies).slice(0, LISTED);
    anomalies.setRows(rows);
    show(boxes.anomalies, rows.length > 0 ? anomalies.element : quiet('Nothing unusual was found in the logs so far.'));
  }
}

/** An error of one part is shown in its place; the end of the page ends them all. */
function rethrowAborted(error, signal) {
  if (signal.aborted) {
    throw error;
  }
  return error;
}

function show(box, element) {
  if (box.firstElementChild !== element || box.children.length !== 1) {
    replace(box, element);
  }
}

function quiet(text) {
  return h('p', { class: 'quiet' }, icon('check'), text);
}

function tile(label, href, tone) {
  const value = h('span', { class: 'tile-value' }, '–');
  const hint = h('span', { class: 'tile-hint' });
  const element = h('a', { class: 'tile', href, dataset: { tone } }, h('span', { class: 'tile-label' }, h('span', { class: 'tile-mark', 'aria-hidden': 'true' }), label), value, hint);
  return {
    element,
    show(n, text) {
      setText(value, compact(n));
      value.title = number(n);
      setText(hint, text);
      element.classList.toggle('zero', n === 0);
    },
  };
}

/** The charts: each takes the points of the history, put together where they are many. */
function makeCharts() {
  const rates = [['Enqueued', 'pending', 'enqueued'], ['Completed', 'completed', 'completed'], ['Failed', 'failed', 'failed']];
  const depths = [['Pending', 'pending', 'pending'], ['Processing', 'processing', 'processing']];
  return [
    chartOf('Throughput', 'Tasks per minute', rates, (list) => mean(list), { format: compact }),
    chartOf('Depth', 'Tasks that wait or run', depths, (list) => last(list), { format: compact, whole: true }),
    latencyChart('Waiting', 'How long tasks waited before they ran', 'wait_ms'),
    latencyChart('Running', 'How long attempts ran', 'run_ms'),
  ];
}

function chartOf(title, label, fields, reduce, options) {
  const chart = timeChart({ label, series: fields.map(([name, tone], i) => ({ name, tone, area: i === 0 })), ...options });
  return {
    title,
    label,
    chart,
    data: (points) => gather(points, fields.map(([, , field]) => (list) => reduce(list.map((point) => point[field])))),
  };
}

/** What a chart shows of the points: a value of each reducer for each bucket of minutes. */
function gather(points, reducers) {
  const first = points.length > 0 ? Math.floor(Date.parse(points[0].at) / MINUTE) : 0;
  const each = (reduce) => bucket(points, POINTS, reduce, first);
  return { times: each((list) => list[0].at), values: reducers.map(each) };
}

function chartPanel({ title, label, chart }) {
  return panel(title, chart.element, { note: label });
}

/** Percentiles of several minutes cannot be put together: the worst minute is shown. */
function latencyChart(title, label, field) {
  const names = ['p50', 'p95', 'p99'];
  const chart = timeChart({ label, format: duration, series: names.map((name) => ({ name, tone: name })) });
  return {
    title,
    label,
    chart,
    data: (points) => gather(points, names.map((name) => (list) => greatest(list.map((point) => point[field]?.[name] ?? NaN)))),
  };
}

function failureTable() {
  return table({
    label: 'Latest failed tasks',
    key: (task) => task.id,
    href: (task) => paths.task(task.id),
    columns: [
      { label: 'Task', link: true, class: 'nowrap', cell: (task) => userText(task.type) },
      { label: 'Error', class: 'wide', cell: (task) => userText(task.last_error || '–', { title: task.last_error }) },
      { label: 'Attempts', class: 'num', cell: (task) => number(task.attempt) },
      { label: 'Failed', class: 'nowrap', cell: (task) => timeAgo(task.completed_at) },
    ],
  });
}

function anomalyTable() {
  return table({
    label: 'Newest anomalies by severity',
    key: (anomaly) => anomaly.id,
    href: (anomaly) => paths.anomaly(anomaly.id),
    columns: [
      { label: 'Severity', cell: (anomaly) => severityBadge(anomaly.severity) },
      { label: 'What', link: true, class: 'wide', cell: (anomaly) => userText(anomaly.template || anomaly.evidence || anomaly.kind, { title: anomaly.template || anomaly.evidence }) },
      { label: 'Lines', class: 'num', cell: (anomaly) => compact(anomaly.count) },
      { label: 'Found', class: 'nowrap', cell: (anomaly) => timeAgo(anomaly.found_at) },
    ],
  });
}

/** The newest finding of each anomaly, the worst first, and the newest of these first. */
function rank(anomalies) {
  const newest = new Map();
  for (const anomaly of anomalies) {
    if (!newest.has(anomaly.id)) {
      newest.set(anomaly.id, anomaly);
    }
  }
  return [...newest.values()].sort((x, y) => SEVERITIES.indexOf(y.severity) - SEVERITIES.indexOf(x.severity) || Date.parse(y.found_at) - Date.parse(x.found_at));
}

function components({ components: parts }) {
  return h('ul', { class: 'lines' }, Object.entries(parts).map(([name, part]) => h('li', null,
    h('span', null, name),
    part.reason && userText(part.reason, { class: 'muted' }),
    componentTag(part))));
}

function componentTag(part) {
  if (!part.ready) {
    return tag('Not ready', 'bad');
  }
  return part.degraded ? tag('Degraded', 'warn') : tag('Ready', 'good');
}

function schedulerFacts(scheduler) {
  const state = scheduler.draining ? tag('Draining', 'warn') : scheduler.running ? tag('Running', 'good') : tag('Stopped', 'neutral');
  const counts = [
    ['Processed', scheduler.processed_tasks], ['Failed', scheduler.failed_tasks], ['Retried', scheduler.retried_tasks],
    ['Recovered', scheduler.recovered_tasks], ['Leases lost', scheduler.leases_lost], ['Timed out', scheduler.timed_out_tasks], ['Panicked', scheduler.panicked_tasks],
  ];
  return h('dl', { class: 'facts narrow' },
    fact('Scheduler', state),
    fact('Started', timeAgo(scheduler.started_at)),
    fact('Workers busy', `${number(scheduler.busy_workers)} of ${number(scheduler.workers_count)}`),
    counts.map(([name, n]) => fact(name, number(n))));
}

function fact(name, value) {
  return h('div', null, h('dt', null, name), h('dd', null, value));
}
