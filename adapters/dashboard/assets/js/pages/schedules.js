// The schedules: when they fire next, and what became of their last ticks.
import { get, post, session } from '../api.js';
import { tag } from '../components/badge.js';
import { confirmDialog } from '../components/dialog.js';
import { pageHead } from '../components/page.js';
import { emptyState, errorNotice, errorState, skeleton } from '../components/states.js';
import { table } from '../components/table.js';
import { timeAgo } from '../components/time.js';
import { toast } from '../components/toast.js';
import { h, replace, setText, userText } from '../dom.js';
import { count, duration, number } from '../format.js';
import { icon } from '../icons.js';
import { paths } from '../paths.js';

const TONES = { fired: 'good', skipped: 'warn', missed: 'warn', failed: 'failed' };

export function mount(root, ctx) {
  const meta = h('span');
  const notice = h('div', { class: 'notices' });
  const body = h('div', { class: 'panel-body flush' }, skeleton(6));
  const list = table({
    label: 'Schedules', key: (row) => row.name, href: (row) => paths.schedule(row.name),
    columns: [
      { name: 'name', label: 'Schedule', link: true, cell: (row) => userText(row.name) },
      { name: 'when', label: 'When', class: 'nowrap', cell: when },
      { name: 'task', label: 'Task', cell: (row) => userText(row.task.type) },
      { name: 'next', label: 'Next', class: 'nowrap', cell: next },
      { name: 'last', label: 'Last', class: 'nowrap', cell: (row) => (row.last_firing ? outcome(row.last_firing) : '–') },
      { name: 'action', label: 'Action', class: 'num', cell: (row) => actions(row, () => watcher.refresh()) },
    ],
  });
  root.append(pageHead('Schedules', { meta }), notice, h('section', { class: 'panel', 'aria-label': 'Schedules' }, body));

  const watcher = ctx.watch({
    async refresh(signal) {
      const { schedules, next_cursor: more } = await get('/queue/schedules', { query: { limit: 200 }, signal });
      replace(notice);
      if (schedules.length === 0) {
        setText(meta, '');
        replace(body, nothing());
        return;
      }
      const paused = schedules.filter((each) => each.paused).length;
      setText(meta, `${more ? 'the first ' : ''}${count(schedules.length, 'schedule')}${paused > 0 ? `, ${number(paused)} paused` : ''}`);
      list.setRows(schedules);
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

/** When a schedule fires, in words. */
export function when(row) {
  if (row.every_seconds) {
    return `every ${duration(row.every_seconds * 1000)}`;
  }
  return h('span', null, h('code', null, userText(row.cron)), ' ', h('span', { class: 'muted' }, userText(row.timezone)));
}

export function next(row) {
  if (row.paused) {
    return h('span', { class: 'state' }, tag('Paused', 'warn'), h('span', { class: 'muted' }, timeAgo(row.paused_at)));
  }
  return row.next_firing_at ? timeAgo(row.next_firing_at) : h('span', { class: 'muted' }, 'never');
}

export function outcome(firing) {
  return h('span', { class: 'state' }, tag(firing.outcome, TONES[firing.outcome]), h('span', { class: 'muted' }, timeAgo(firing.tick)));
}

/** The buttons of a schedule, for who may press them. */
export function actions(row, done) {
  if (!session.can('admin')) {
    return null;
  }
  const step = row.paused ? 'resume' : 'pause';
  const label = row.paused ? 'Resume' : 'Pause';
  return h('span', { class: 'chips' },
    h('button', { class: 'button small', type: 'button', 'aria-label': `Run now the schedule ${row.name}`, on: { click: () => ask(row, 'run', 'Run now', done) } }, icon('run'), 'Run now'),
    h('button', { class: 'button small', type: 'button', 'aria-label': `${label} the schedule ${row.name}`, on: { click: () => ask(row, step, label, done) } }, icon(row.paused ? 'run' : 'pause'), label));
}

const QUESTIONS = {
  run: 'Its task is enqueued once more, now, whatever runs.',
  pause: 'No tick fires until somebody resumes it; the ticks until then are gone.',
  resume: 'Its ticks go on from now.',
};

async function ask(row, step, label, done) {
  const result = await confirmDialog({
    title: `${label}: ${row.name}?`, body: h('p', null, QUESTIONS[step]), confirm: label,
    run: ({ signal }) => post(`/queue/schedules/${encodeURIComponent(row.name)}:${step}`, undefined, { signal }),
  });
  if (result) {
    toast(step === 'run' ? `The task of ${row.name} is enqueued` : `The schedule ${row.name} ${result.paused ? 'is paused' : 'goes on'}`);
    await done();
  }
}

function nothing() {
  return emptyState({
    title: 'No schedules yet',
    text: 'A schedule enqueues a task again and again, by a cron line or at fixed intervals.',
    command: "logsift schedule set nightly --cron '0 3 * * *' --task '{\"type\":\"report\"}'",
  });
}
