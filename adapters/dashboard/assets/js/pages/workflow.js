// One workflow: its graph, and its tasks.
import { get } from '../api.js';
import { statusBadge } from '../components/badge.js';
import { livePage } from '../components/live-page.js';
import { facts } from '../components/page.js';
import { skeleton } from '../components/states.js';
import { table } from '../components/table.js';
import { timeAgo } from '../components/time.js';
import { h, replace, s, setText, userText } from '../dom.js';
import { number } from '../format.js';
import { places } from '../graph.js';
import { paths } from '../paths.js';
import { actions, counts, progress } from './workflows.js';

/** How many tasks the page reads, and how many it draws as a graph. */
const READ = 2000;
const DRAWN = 60;
const BOX = { width: 150, height: 34, right: 56, below: 14 };

export function mount(root, ctx) {
  const id = ctx.params.id;
  const head = h('span');
  const about = h('div', { class: 'panel-body' }, skeleton(4));
  const graph = h('div', { class: 'panel-body graph-box' });
  const graphPanel = h('section', { class: 'panel', 'aria-label': 'Graph' }, graph);
  const list = table({
    label: 'Tasks', key: (row) => row.task_id, href: (row) => paths.task(row.task_id),
    columns: [
      { name: 'ref', label: 'Task', link: true, cell: (row) => userText(row.ref) },
      { name: 'status', label: 'Status', class: 'nowrap', cell: (row) => h('span', { class: 'state' }, statusBadge(row.status), row.waiting && h('span', { class: 'muted' }, 'waits')) },
      { name: 'type', label: 'Type', cell: (row) => userText(row.type) },
      { name: 'after', label: 'After', cell: after },
    ],
  });
  const watcher = livePage(root, ctx, {
    title: 'Workflow', meta: head, body: about,
    parts: [h('section', { class: 'panel', 'aria-label': 'Workflow' }, about), graphPanel,
      h('section', { class: 'panel', 'aria-label': 'Tasks' }, h('div', { class: 'panel-body flush' }, list.element))],
    async refresh(signal) {
      const row = await read(id, signal);
      setText(head, row.name || row.id);
      const rest = row.total - row.tasks.length;
      replace(about, facts([
        ['Finished', progress(row)], ['Tasks', counts(row)], ['Created', timeAgo(row.created_at)],
        ['Ended', row.finished_at ? timeAgo(row.finished_at) : null],
        ['Not shown', rest > 0 ? `${number(rest)} tasks` : null], ['Action', actions(row, () => watcher.refresh())],
      ]));
      graphPanel.hidden = row.total > DRAWN;
      if (!graphPanel.hidden) {
        replace(graph, draw(row.tasks));
      }
      list.setRows(row.tasks);
    },
  });
}

/** The workflow with its first tasks. */
async function read(id, signal) {
  let row = null;
  for (let cursor = null; ;) {
    const page = await get(`/queue/workflows/${encodeURIComponent(id)}`, { query: { limit: 200, cursor }, signal });
    page.tasks = [...(row?.tasks ?? []), ...(page.tasks ?? [])];
    row = page;
    cursor = page.next_cursor;
    if (!cursor || row.tasks.length >= READ) {
      return row;
    }
  }
}

function after(row) {
  const most = 4;
  if (row.after.length === 0) {
    return '–';
  }
  return h('span', { class: 'chips' }, row.after.slice(0, most).map((ref) => h('span', { class: 'chip' }, userText(ref))),
    row.after.length > most && h('span', { class: 'muted' }, `+${number(row.after.length - most)}`),
    row.when !== 'success' && h('span', { class: 'muted' }, row.when));
}

function draw(tasks) {
  const at = places(tasks);
  const x = (place) => place.column * (BOX.width + BOX.right);
  const y = (place) => place.row * (BOX.height + BOX.below);
  const all = [...at.values()];
  const width = Math.max(...all.map(x)) + BOX.width + 2;
  const height = Math.max(...all.map(y)) + BOX.height + 2;
  const edges = tasks.flatMap((task) => task.after.filter((ref) => at.has(ref)).map((ref) => {
    const from = at.get(ref);
    const to = at.get(task.ref);
    const [x1, y1, x2, y2] = [x(from) + BOX.width, y(from) + BOX.height / 2, x(to), y(to) + BOX.height / 2];
    return s('path', { class: ['graph-edge', task.when !== 'success' && 'other'], d: `M${x1} ${y1}C${x1 + BOX.right / 2} ${y1} ${x2 - BOX.right / 2} ${y2} ${x2} ${y2}` });
  }));
  const nodes = tasks.map((task) => {
    const place = at.get(task.ref);
    const name = task.ref.length > 18 ? `${task.ref.slice(0, 17)}…` : task.ref;
    return s('a', { class: 'graph-node', href: paths.task(task.task_id), 'aria-label': `${task.ref}, ${task.status}${task.waiting ? ', waits' : ''}`, dataset: { tone: task.status.toLowerCase() } },
      s('rect', { x: x(place) + 1, y: y(place) + 1, width: BOX.width, height: BOX.height, rx: 6 }),
      s('text', { x: x(place) + BOX.width / 2, y: y(place) + BOX.height / 2 + 5, 'text-anchor': 'middle' }, name));
  });
  return s('svg', { class: 'graph', width, height, viewBox: `0 0 ${width} ${height}`, role: 'group', 'aria-label': 'Graph of the tasks' }, edges, nodes);
}
