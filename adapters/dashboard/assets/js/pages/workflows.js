// The workflows: graphs of tasks, and how far they have come.
import { get, post, session } from '../api.js';
import { confirmDialog } from '../components/dialog.js';
import { pageHead } from '../components/page.js';
import { emptyState, errorNotice, errorState, skeleton } from '../components/states.js';
import { table } from '../components/table.js';
import { timeAgo } from '../components/time.js';
import { toast } from '../components/toast.js';
import { h, replace, setText, userText } from '../dom.js';
import { count, number } from '../format.js';
import { icon } from '../icons.js';
import { paths } from '../paths.js';

export function mount(root, ctx) {
  const meta = h('span');
  const notice = h('div', { class: 'notices' });
  const body = h('div', { class: 'panel-body flush' }, skeleton(6));
  const list = table({
    label: 'Workflows', key: (row) => row.id, href: (row) => paths.workflow(row.id),
    columns: [
      { name: 'name', label: 'Workflow', link: true, cell: (row) => (row.name ? userText(row.name) : h('code', null, row.id)) },
      { name: 'progress', label: 'Finished', class: 'num nowrap', cell: progress },
      { name: 'counts', label: 'Tasks', cell: counts },
      { name: 'created', label: 'Created', class: 'nowrap', cell: (row) => timeAgo(row.created_at) },
      { name: 'finished', label: 'Ended', class: 'nowrap', cell: (row) => (row.finished_at ? timeAgo(row.finished_at) : '–') },
      { name: 'action', label: 'Action', class: 'num', cell: (row) => actions(row, () => watcher.refresh()) },
    ],
  });
  root.append(pageHead('Workflows', { meta }), notice, h('section', { class: 'panel', 'aria-label': 'Workflows' }, body));

  const watcher = ctx.watch({
    async refresh(signal) {
      const { workflows, next_cursor: more } = await get('/queue/workflows', { query: { limit: 200 }, signal });
      replace(notice);
      if (workflows.length === 0) {
        setText(meta, '');
        replace(body, nothing());
        return;
      }
      setText(meta, `${more ? 'the newest ' : ''}${count(workflows.length, 'workflow')}`);
      list.setRows(workflows);
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
    !row.finished_at && button(row, 'cancel', 'Cancel', done),
    again && button(row, 'retry', 'Retry', done));
}

function button(row, step, label, done) {
  return h('button', { class: 'button small', type: 'button', 'aria-label': `${label} the workflow ${row.name || row.id}`, on: { click: () => ask(row, step, label, done) } }, icon(step), label);
}

const QUESTIONS = {
  cancel: 'All its tasks that have not finished are cancelled.',
  retry: 'Its failed and cancelled tasks run again, and what waits for them waits again.',
};

async function ask(row, step, label, done) {
  const result = await confirmDialog({
    title: `${label}: ${row.name || row.id}?`, body: h('p', null, QUESTIONS[step]), confirm: label,
    run: ({ signal }) => post(`/queue/workflows/${encodeURIComponent(row.id)}:${step}`, undefined, { signal }),
  });
  if (result) {
    toast(step === 'cancel' ? 'The workflow is cancelled' : 'The tasks run again');
    await done();
  }
}

function nothing() {
  return emptyState({
    title: 'No workflows yet',
    text: 'A workflow is a graph of tasks that wait for each other: a chain, a fan-out, a batch with a callback.',
    command: 'logsift workflow submit graph.json',
  });
}
