// The queues: what waits in them, whether they give out tasks, and the use of the limits.
import { address, get, session } from '../api.js';
import { tag } from '../components/badge.js';
import { listPage, pausedOf } from '../components/live-page.js';
import { emptyState } from '../components/states.js';
import { stepButton } from '../components/step.js';
import { table } from '../components/table.js';
import { timeAgo } from '../components/time.js';
import { h, userText } from '../dom.js';
import { compact, count, duration, number } from '../format.js';
import { paths } from '../paths.js';

/** How many types of a queue are named before the rest is only counted. */
const TYPES = 4;

export function mount(root, ctx) {
  const limits = table({
    label: 'Limits', key: (row) => row.name,
    columns: [
      { name: 'name', label: 'Limit', cell: (row) => userText(row.name) },
      { name: 'of', label: 'Of', cell: limited },
      { name: 'concurrency', label: 'Running', class: 'num nowrap', cell: (row) => `${number(row.running)}${row.concurrency ? ` of ${number(row.concurrency)}` : ''}${row.scope === 'key' && !row.key && row.concurrency ? ' each' : ''}` },
      { name: 'rate', label: 'Rate', class: 'nowrap', cell: (row) => (row.rate ? `${number(row.rate.count)} in ${duration(row.rate.per_seconds * 1000)}` : '–') },
      { name: 'waiting', label: 'Held back', class: 'num', cell: (row) => (row.waiting === undefined ? '–' : number(row.waiting)) },
    ],
  });
  const limitsPanel = h('section', { class: 'panel', 'aria-label': 'Limits' }, h('div', { class: 'panel-body flush' }, limits.element));
  limitsPanel.hidden = true;

  const watcher = listPage(root, ctx, {
    title: 'Queues', key: (row) => row.name, href: (row) => paths.list('/ui/tasks', { queue: row.name, status: 'PENDING' }), empty: nothing,
    columns: [
      { name: 'name', label: 'Queue', link: true, cell: (row) => userText(row.name) },
      { name: 'state', label: 'State', class: 'nowrap', cell: state },
      { name: 'ready', label: 'Ready', class: 'num', cell: (row) => h('span', { title: number(row.pending_tasks) }, compact(row.pending_tasks)) },
      { name: 'types', label: 'By type', class: 'types-cell', cell: types },
      { name: 'oldest', label: 'Oldest waits', class: 'num nowrap', cell: (row) => (row.pending_tasks > 0 ? duration(row.oldest_pending_seconds * 1000) : '–') },
      { name: 'action', label: 'Action', class: 'num', cell: (row) => action(row, () => watcher.refresh()) },
    ],
    async read(signal) {
      const [{ queues }, { limits: uses }] = await Promise.all([get('/queue/queues', { signal }), get('/queue/limits', { signal })]);
      limits.setRows(uses);
      limitsPanel.hidden = uses.length === 0;
      return { rows: queues };
    },
    summary: (rows) => `${count(rows.length, 'queue')}${pausedOf(rows)}`,
    below: [limitsPanel],
  });
}

/** The tasks that a limit is of. */
function limited(row) {
  if (row.scope === 'type') {
    return h('span', null, 'type ', userText(row.type));
  }
  if (row.scope === 'queue') {
    return h('span', null, 'queue ', userText(row.queue));
  }
  return h('span', null, row.key ? 'key ' : 'each key', row.key && userText(row.key), ' of ', userText(row.queue));
}

function state(row) {
  return row.paused ? h('span', { class: 'state' }, tag('Paused', 'warn'), h('span', { class: 'muted' }, timeAgo(row.paused_at))) : tag('Active', 'good');
}

function types(row) {
  const waiting = row.types.filter((each) => each.pending_tasks > 0).toSorted((a, b) => b.pending_tasks - a.pending_tasks);
  if (waiting.length === 0) {
    return h('span', { class: 'muted' }, '–');
  }
  const more = waiting.length - TYPES;
  return h('span', { class: 'chips' },
    waiting.slice(0, TYPES).map((each) => h('a', { class: 'chip', href: paths.list('/ui/tasks', { queue: row.name, type: each.type, status: 'PENDING' }) }, userText(each.type), ' ', h('strong', null, compact(each.pending_tasks)))),
    more > 0 && h('span', { class: 'muted' }, `+${more}`));
}

function action(row, done) {
  if (!session.can('admin')) {
    return null;
  }
  const label = row.paused ? 'Resume' : 'Pause';
  const waiting = count(row.pending_tasks, 'task');
  return stepButton({
    label, sign: row.paused ? 'run' : 'pause', what: `queue ${row.name}`, title: `${label} ${row.name}?`,
    text: row.paused
      ? `Workers take its tasks again; ${waiting} wait${row.pending_tasks === 1 ? 's' : ''}.`
      : 'No process takes a task of this queue until somebody resumes it. Tasks that run go on, and new ones are taken in and wait.',
    path: `/queue/queues/${encodeURIComponent(row.name)}:${label.toLowerCase()}`,
    told: (result) => `The queue ${row.name} ${result.paused ? 'is paused' : 'gives out tasks again'}`,
  }, done);
}

function nothing() {
  return emptyState({
    title: 'No queues yet',
    text: 'A queue comes into being with its first task. Logs that are sent make tasks in the queue “default”.',
    command: `curl --data-binary @app.log -H 'Content-Type: text/plain' '${location.origin}${address('/logs', { source: 'app' })}'`,
  });
}
