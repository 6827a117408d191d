// One schedule: what it enqueues and when, and what became of its last ticks.
import { get } from '../api.js';
import { livePage } from '../components/live-page.js';
import { facts } from '../components/page.js';
import { skeleton } from '../components/states.js';
import { table } from '../components/table.js';
import { timeAgo } from '../components/time.js';
import { h, replace, userText } from '../dom.js';
import { paths } from '../paths.js';
import { actions, next, outcome, when } from './schedules.js';

export function mount(root, ctx) {
  const name = ctx.params.name;
  const about = h('div', { class: 'panel-body' }, skeleton(4));
  const history = h('div', { class: 'panel-body flush' });
  const list = table({
    label: 'Last ticks', key: (row) => row.task_id, href: (row) => paths.task(row.task_id),
    columns: [
      { name: 'task', label: 'Task', link: true, cell: (row) => h('code', null, row.task_id) },
      { name: 'outcome', label: 'Outcome', class: 'nowrap', cell: outcome },
      { name: 'detail', label: 'Why', cell: (row) => userText(row.detail || (row.manual ? 'run by hand' : '')) },
    ],
  });
  const watcher = livePage(root, ctx, {
    title: name, body: about,
    parts: [h('section', { class: 'panel', 'aria-label': 'Schedule' }, about), h('section', { class: 'panel', 'aria-label': 'Last ticks' }, history)],
    async refresh(signal) {
      const row = await get(`/queue/schedules/${encodeURIComponent(name)}`, { signal });
      const then = (row.next_firings ?? []).slice(1);
      replace(about, facts([
        ['When', when(row)], ['Next', next(row)],
        ['Then', then.length > 0 ? h('span', { class: 'chips' }, then.map((at) => h('span', { class: 'chip' }, timeAgo(at)))) : null],
        ['While one is unfinished', row.overlap], ['What was missed', row.missed],
        ['Task', h('code', null, userText(JSON.stringify(row.task)))], ['Action', actions(row, () => watcher.refresh())],
      ]));
      list.setRows(row.firings ?? []);
      replace(history, (row.firings ?? []).length > 0 ? list.element : h('p', { class: 'muted' }, 'No tick has come yet.'));
    },
  });
}
