// The schedules: when they fire next, and what became of their last ticks.
import { get, session } from '../api.js';
import { tag } from '../components/badge.js';
import { listPage, pausedOf } from '../components/live-page.js';
import { emptyState } from '../components/states.js';
import { stepButton } from '../components/step.js';
import { timeAgo } from '../components/time.js';
import { h, userText } from '../dom.js';
import { count, duration } from '../format.js';
import { paths } from '../paths.js';

const TONES = { fired: 'good', skipped: 'warn', missed: 'warn', failed: 'failed' };

export function mount(root, ctx) {
  const watcher = listPage(root, ctx, {
    title: 'Schedules', key: (row) => row.name, href: (row) => paths.schedule(row.name), empty: nothing,
    columns: [
      { name: 'name', label: 'Schedule', link: true, cell: (row) => userText(row.name) },
      { name: 'when', label: 'When', class: 'nowrap', cell: when },
      { name: 'task', label: 'Task', cell: (row) => userText(row.task.type) },
      { name: 'next', label: 'Next', class: 'nowrap', cell: next },
      { name: 'last', label: 'Last', class: 'nowrap', cell: (row) => (row.last_firing ? outcome(row.last_firing) : '–') },
      { name: 'action', label: 'Action', class: 'num', cell: (row) => actions(row, () => watcher.refresh()) },
    ],
    async read(signal) {
      const { schedules, next_cursor: more } = await get('/queue/schedules', { query: { limit: 200 }, signal });
      return { rows: schedules, more };
    },
    summary: (rows, more) => `${more ? 'the first ' : ''}${count(rows.length, 'schedule')}${pausedOf(rows)}`,
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
  return h('span', { class: 'chips' },
    step(row, 'run', 'Run now', 'run', () => `The task of ${row.name} is enqueued`, done),
    step(row, ...(row.paused ? ['resume', 'Resume', 'run'] : ['pause', 'Pause', 'pause']),
      (result) => `The schedule ${row.name} ${result.paused ? 'is paused' : 'goes on'}`, done));
}

function step(row, name, label, sign, told, done) {
  return stepButton({
    label, sign, what: `schedule ${row.name}`, title: `${label}: ${row.name}?`, text: QUESTIONS[name],
    path: `/queue/schedules/${encodeURIComponent(row.name)}:${name}`, told,
  }, done);
}

const QUESTIONS = {
  run: 'Its task is enqueued once more, now, whatever runs.',
  pause: 'No tick fires until somebody resumes it; the ticks until then are gone.',
  resume: 'Its ticks go on from now.',
};

function nothing() {
  return emptyState({
    title: 'No schedules yet',
    text: 'A schedule enqueues a task again and again, by a cron line or at fixed intervals.',
    command: "logsift schedule set nightly --cron '0 3 * * *' --task '{\"type\":\"report\"}'",
  });
}
