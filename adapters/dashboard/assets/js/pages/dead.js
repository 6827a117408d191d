// The dead letters: tasks that failed for good, until they are retried, deleted or removed
// after their retention.
import { h, userText } from '../dom.js';
import { title } from '../format.js';
import { tag } from '../components/badge.js';
import { emptyState } from '../components/states.js';
import { timeAgo } from '../components/time.js';
import { ATTEMPTS_COLUMN, NAME_COLUMNS, TasksPage } from './tasks.js';

const REASONS = ['error', 'permanent', 'timeout', 'panic', 'poison', 'expired', 'corrupt_record'];

const DEAD = {
  title: 'Dead letters',
  fixed: { status: 'FAILED' },
  filters: [{ name: 'reason', label: 'Reason', kind: 'select', options: [['', 'All reasons'], ...REASONS.map((reason) => [reason, title(reason)])] }],
  actions: ['retry', 'delete'],
  columns: () => [
    { label: 'Reason', class: 'nowrap', cell: (task) => tag(title(task.errors.at(-1)?.reason ?? 'error'), 'bad') },
    ...NAME_COLUMNS,
    { label: 'Last error', class: 'wide', cell: (task) => userText(task.last_error, { class: 'error-text', title: task.last_error }) },
    ATTEMPTS_COLUMN,
    { label: 'Failed', class: 'nowrap', cell: (task) => timeAgo(task.completed_at) },
    { label: 'Kept until', class: 'nowrap', cell: (task) => (task.kept_until ? timeAgo(task.kept_until) : h('span', { class: 'muted' }, 'not known')) },
  ],
  empty: () => emptyState({ title: 'There are no dead letters', text: 'A task that failed for good comes here, and is kept so that it can be run again.' }),
};

export function mount(root, ctx) {
  new TasksPage(root, ctx, DEAD).start();
}
