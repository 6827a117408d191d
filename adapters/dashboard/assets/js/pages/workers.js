// The processes that work on tasks, and what each of them runs now.
import { send } from '../api.js';
import { tag } from '../components/badge.js';
import { livePage } from '../components/live-page.js';
import { facts } from '../components/page.js';
import { emptyState, skeleton } from '../components/states.js';
import { table } from '../components/table.js';
import { timeAgo } from '../components/time.js';
import { h, replace, s, setText, userText } from '../dom.js';
import { count, duration, number, shortId } from '../format.js';
import { paths } from '../paths.js';

const TICK = 1000;

export function mount(root, ctx) {
  const meta = h('span');
  const body = h('div', { class: 'stack' }, skeleton(8));
  const cards = new Map();
  livePage(root, ctx, {
    title: 'Workers', meta, body,
    async refresh(signal) {
      const { data, headers } = await send('GET', '/queue/workers', { signal });
      // How far the server's clock is ahead of this one, to the second.
      const ahead = Date.parse(headers.get('Date') ?? '') - Date.now() || 0;
      const schedulers = data.schedulers.toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
      const processes = schedulers.filter((each) => !each.worker);
      const others = schedulers.length - processes.length;
      const busy = sum(processes, (each) => each.scheduler.busy_workers);
      const all = sum(processes, (each) => each.scheduler.workers_count);
      setText(meta, schedulers.length === 0 ? '' : `${count(processes.length, 'process', 'processes')}, ${number(busy)} of ${count(all, 'worker')} busy${others > 0 ? `, and ${count(others, 'worker')} over HTTP` : ''}`);
      if (schedulers.length === 0) {
        cards.clear();
        replace(body, nothing());
        return;
      }
      showCards(body, cards, schedulers, ahead);
    },
  });
  const timer = setInterval(() => cards.forEach((card) => card.tick()), TICK);
  return () => clearInterval(timer);
}

/** Processes come before the workers that they serve. */
function orderOf(each) {
  return (each.worker ? '1' : '0') + each.worker + each.host + each.pid;
}

function sum(list, of) {
  return list.reduce((total, each) => total + of(each), 0);
}

function nothing() {
  return h('section', { class: 'panel' }, emptyState({
    title: 'No process works on tasks',
    text: 'Tasks wait until one does. Start a worker on the same store, or the server with --workers above 0.',
    command: 'logsift worker',
  }));
}

/** Keeps a card for each scheduler, in their order. */
function showCards(body, cards, schedulers, ahead) {
  const wanted = new Set(schedulers.map((each) => each.id));
  for (const [id, card] of cards) {
    if (!wanted.has(id)) {
      card.element.remove();
      cards.delete(id);
    }
  }
  if (cards.size === 0) {
    replace(body);
  }
  for (const scheduler of schedulers) {
    let card = cards.get(scheduler.id);
    if (!card) {
      card = new Card();
      cards.set(scheduler.id, card);
    }
    card.update(scheduler, ahead);
    if (!card.element.isConnected) {
      body.append(card.element);
    }
  }
}

/** One scheduler. */
class Card {
  #name = h('h2');
  #end = h('div', { class: 'panel-end' });
  #load = h('div', { class: 'load' });
  #facts = h('div');
  #more = h('p', { class: 'muted small list-note' });
  #idle = h('p', { class: 'muted list-note' }, 'Nothing runs now.');
  #ahead = 0;
  #running = table({
    label: 'Running tasks', key: (row) => row.task_id, href: (row) => paths.task(row.task_id),
    columns: [
      { name: 'task', label: 'Task', link: true, class: 'mono', cell: (row) => h('span', { title: row.task_id }, shortId(row.task_id)) },
      { name: 'type', label: 'Type', cell: (row) => userText(row.type) },
      { name: 'queue', label: 'Queue', cell: (row) => userText(row.queue) },
      { name: 'attempt', label: 'Attempt', class: 'num', cell: (row) => number(row.attempt) },
      { name: 'elapsed', label: 'Runs for', class: 'num nowrap', cell: (row) => h('span', { dataset: { since: row.started_at ?? '' } }, this.#elapsed(row.started_at)) },
    ],
  });

  constructor() {
    this.element = h('section', { class: 'panel worker' },
      h('header', { class: 'panel-head' }, this.#name, this.#end),
      h('div', { class: 'panel-body' }, this.#load, this.#facts),
      this.#running.element, this.#idle, this.#more);
  }

  update(each, ahead) {
    this.#ahead = ahead;
    const stats = each.scheduler;
    const process = `${each.host}, process ${each.pid}`;
    replace(this.#name, userText(each.worker || each.host), ' ', h('span', { class: 'muted' }, each.worker ? 'over HTTP' : `process ${each.pid}`));
    this.element.setAttribute('aria-label', each.worker ? `${each.worker}, over HTTP` : process);
    replace(this.#end, state(stats), h('span', null, 'seen ', timeAgo(each.seen_at)));
    replace(this.#load, each.worker ? h('span', { class: 'load-text' }, `${count(stats.busy_workers, 'lease')} held`) : bar(stats));
    replace(this.#facts, facts([
      ...(each.worker ? [['Served by', userText(process)]] : []),
      ['Version', userText(each.version)],
      ['Queues', each.queues.length > 0 ? userText(each.queues.join(', ')) : 'All'],
      ['Task types', userText(stats.task_types.join(', ') || '–')],
      ['Started', timeAgo(stats.started_at)],
      ['Processed', number(stats.processed_tasks)],
      ['Failed', number(stats.failed_tasks)],
      ['Retried', number(stats.retried_tasks)],
      ['Recovered from others', number(stats.recovered_tasks)],
      ['Leases lost', number(stats.leases_lost)],
      ['Timed out', number(stats.timed_out_tasks)],
      ['Panicked', number(stats.panicked_tasks)],
    ]));
    this.#running.setRows(each.running);
    this.#running.element.hidden = each.running.length === 0;
    this.#idle.hidden = each.running.length > 0;
    const more = stats.busy_workers - each.running.length;
    this.#more.hidden = more <= 0 || each.running.length === 0;
    setText(this.#more, `and ${number(more)} more`);
  }

  /** Lets the durations go on. */
  tick() {
    for (const element of this.element.querySelectorAll('[data-since]')) {
      setText(element, this.#elapsed(element.dataset.since));
    }
  }

  #elapsed(iso) {
    const started = Date.parse(iso ?? '');
    return Number.isNaN(started) ? '–' : duration(Math.max(0, Math.floor((Date.now() + this.#ahead - started) / 1000) * 1000));
  }
}

function state(stats) {
  if (stats.draining) {
    return tag('Draining', 'warn');
  }
  return stats.running ? tag('Running', 'good') : tag('Stopped', 'neutral');
}

function bar(stats) {
  const share = stats.workers_count > 0 ? Math.min(1, stats.busy_workers / stats.workers_count) : 0;
  return [
    h('span', { class: 'load-text' }, `${number(stats.busy_workers)} of ${count(stats.workers_count, 'worker')} busy`),
    s('svg', { class: 'load-bar', 'aria-hidden': 'true' },
      s('rect', { class: 'load-ground', width: '100%', height: '100%', rx: 4 }),
      s('rect', { class: 'load-busy', width: `${(share * 100).toFixed(1)}%`, height: '100%', rx: 4 })),
  ];
}
