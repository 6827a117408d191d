// The queues: what waits in them, whether they give out tasks, and the use of the limits.
import { address, get, post, session } from '../api.js';
import { tag } from '../components/badge.js';
import { confirmDialog } from '../components/dialog.js';
import { pageHead } from '../components/page.js';
import { emptyState, errorNotice, errorState, skeleton } from '../components/states.js';
import { table } from '../components/table.js';
import { timeAgo } from '../components/time.js';
import { toast } from '../components/toast.js';
import { h, replace, setText, userText } from '../dom.js';
import { compact, count, duration, number } from '../format.js';
import { icon } from '../icons.js';
import { paths } from '../paths.js';

/** How many types of a queue are named before the rest is only counted. */
const TYPES = 4;

export function mount(root, ctx) {
  const meta = h('span');
  const notice = h('div', { class: 'notices' });
  const body = h('div', { class: 'panel-body flush' }, skeleton(6));
  const list = table({
    label: 'Queues', key: (row) => row.name, href: (row) => paths.list('/ui/tasks', { queue: row.name, status: 'PENDING' }),
    columns: [
      { name: 'name', label: 'Queue', link: true, cell: (row) => userText(row.name) },
      { name: 'state', label: 'State', class: 'nowrap', cell: state },
      { name: 'ready', label: 'Ready', class: 'num', cell: (row) => h('span', { title: number(row.pending_tasks) }, compact(row.pending_tasks)) },
      { name: 'types', label: 'By type', class: 'types-cell', cell: types },
      { name: 'oldest', label: 'Oldest waits', class: 'num nowrap', cell: (row) => (row.pending_tasks > 0 ? duration(row.oldest_pending_seconds * 1000) : '–') },
      { name: 'action', label: 'Action', class: 'num', cell: (row) => action(row, () => watcher.refresh()) },
    ],
  });
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
  root.append(pageHead('Queues', { meta }), notice, h('section', { class: 'panel', 'aria-label': 'Queues' }, body), limitsPanel);

  const watcher = ctx.watch({
    async refresh(signal) {
      const [{ queues }, { limits: uses }] = await Promise.all([get('/queue/queues', { signal }), get('/queue/limits', { signal })]);
      replace(notice);
      limits.setRows(uses);
      limitsPanel.hidden = uses.length === 0;
      if (queues.length === 0) {
        setText(meta, '');
        replace(body, nothing());
        return;
      }
      const paused = queues.filter((queue) => queue.paused).length;
      setText(meta, `${count(queues.length, 'queue')}${paused > 0 ? `, ${number(paused)} paused` : ''}`);
      list.setRows(queues);
      if (!list.element.isConnected) {
        replace(body, list.element);
      }
    },
    onError(error, first) {
      if (first) {
        replace(body, errorState(error, () => watcher.refresh()));
      } else {
        replace(notice, errorNotice(error));
      }
    },
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
  const name = row.paused ? 'resume' : 'pause';
  return h('button', {
    class: 'button small', type: 'button', 'aria-label': `${row.paused ? 'Resume' : 'Pause'} the queue ${row.name}`,
    on: { click: () => ask(row, name, done) },
  }, icon(row.paused ? 'run' : 'pause'), row.paused ? 'Resume' : 'Pause');
}

async function ask(row, name, done) {
  const waiting = count(row.pending_tasks, 'task');
  const result = await confirmDialog({
    title: row.paused ? `Resume ${row.name}?` : `Pause ${row.name}?`,
    body: h('p', null, row.paused
      ? `Workers take its tasks again; ${waiting} wait${row.pending_tasks === 1 ? 's' : ''}.`
      : 'No process takes a task of this queue until somebody resumes it. Tasks that run go on, and new ones are taken in and wait.'),
    confirm: row.paused ? 'Resume' : 'Pause',
    run: ({ signal }) => post(`/queue/queues/${encodeURIComponent(row.name)}:${name}`, undefined, { signal }),
  });
  if (result) {
    toast(`The queue ${row.name} ${result.paused ? 'is paused' : 'gives out tasks again'}`);
    await done();
  }
}

function nothing() {
  return emptyState({
    title: 'No queues yet',
    text: 'A queue comes into being with its first task. Logs that are sent make tasks in the queue “default”.',
    command: `curl --data-binary @app.log -H 'Content-Type: text/plain' '${location.origin}${address('/logs', { source: 'app' })}'`,
  });
}
