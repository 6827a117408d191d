// The workflows: graphs of tasks, and how far they have come.
import { get, session } from '../api.js';
import { listPage } from '../components/live-page.js';
import { emptyState } from '../components/states.js';
import { stepButton } from '../components/step.js';
import { timeAgo } from '../components/time.js';
import { h, userText } from '../dom.js';
import { count, number } from '../format.js';
import { paths } from '../paths.js';

export function mount(root, ctx) {
  const watcher = listPage(root, ctx, {
    title: 'Workflows', key: (row) => row.id, href: (row) => paths.workflow(row.id), empty: nothing,
    columns: [
      { name: 'name', label: 'Workflow', link: true, cell: (row) => (row.name ? userText(row.name) : h('code', null, row.id)) },
      { name: 'progress', label: 'Finished', class: 'num nowrap', cell: progress },
      { name: 'counts', label: 'Tasks', cell: counts },
      { name: 'created', label: 'Created', class: 'nowrap', cell: (row) => timeAgo(row.created_at) },
      { name: 'finished', label: 'Ended', class: 'nowrap', cell: (row) => (row.finished_at ? timeAgo(row.finished_at) : '–') },
      { name: 'action', label: 'Action', class: 'num', cell: (row) => actions(row, () => watcher.refresh()) },
    ],
    async read(signal) {
      const { workflows, next_cursor: more } = await get('/queue/workflows', { query: { limit: 200 }, signal });
      return { rows: workflows, more };
    },
    summary: (rows, more) => `${more ? 'the newest ' : ''}${count(rows.length, 'workflow')}`,
  });
}

/** How many tasks have finished, of how many. */
export function progress(row) {
  const { completed, failed, cancelled } = row.counts;
  return `${number(completed + failed + cancelled)} of ${number(row.total)}`;
}

/** How many tasks are in each state, without the states that none is in. */
export function counts(row) {
  return h('span', { class: 'chips' }, Object.entries(row.counts).filter(([, n]) => n > 0)
    .map(([name, n]) => h('span', { class: 'chip' }, `${name} `, h('strong', null, number(n)))));
}

/** The buttons of a workflow, for who may press them. */
export function actions(row, done) {
  if (!session.can('write')) {
    return null;
  }
  const again = row.counts.failed + row.counts.cancelled > 0;
  return h('span', { class: 'chips' },
    !row.finished_at && step(row, 'cancel', 'Cancel', 'The workflow is cancelled', done),
    again && step(row, 'retry', 'Retry', 'The tasks run again', done));
}

function step(row, name, label, told, done) {
  return stepButton({
    label, sign: name, what: `workflow ${row.name || row.id}`, title: `${label}: ${row.name || row.id}?`, text: QUESTIONS[name],
    path: `/queue/workflows/${encodeURIComponent(row.id)}:${name}`, told: () => told,
  }, done);
}

const QUESTIONS = {
  cancel: 'All its tasks that have not finished are cancelled.',
  retry: 'Its failed and cancelled tasks run again, and what waits for them waits again.',
};

function nothing() {
  return emptyState({
    title: 'No workflows yet',
    text: 'A workflow is a graph of tasks that wait for each other: a chain, a fan-out, a batch with a callback.',
    command: 'logsift workflow submit graph.json',
  });
}
