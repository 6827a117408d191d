// Changes of many tasks at once: those of a list of ids, or all that a filter selects.
import { post } from './api.js';
import { h, userText } from './dom.js';
import { count, number } from './format.js';
import { confirmDialog } from './components/dialog.js';
import { toast } from './components/toast.js';

const REFUSALS_SHOWN = 5;

/** What can be done to tasks; past is how it is told afterwards. */
export const ACTIONS = {
  retry: { label: 'Retry', past: 'retried', icon: 'retry', what: 'They run again with their attempts counted from 0.' },
  run: { label: 'Run now', past: 'made ready', icon: 'run', what: 'They become ready at once instead of at their time.' },
  cancel: { label: 'Cancel', past: 'cancelled', icon: 'cancel', what: 'They will not run. Those that run now are told to stop.', danger: true },
  delete: { label: 'Delete', past: 'deleted', icon: 'trash', what: 'They are removed with their results. This cannot be undone.', danger: true },
};

/**
 * Asks with the count that a dry run tells, and does it. target is {ids} or {filter}, where
 * an empty filter is all tasks. Resolves to whether something was changed.
 */
export async function bulk(action, target) {
  const { label, past, what, danger } = ACTIONS[action];
  const body = 'ids' in target ? { ids: target.ids } : { filter: target.filter, all: Object.keys(target.filter).length === 0 ? true : undefined };
  const subject = 'ids' in target ? count(target.ids.length, 'selected task') : 'all tasks that match the filter';
  const result = await confirmDialog({
    title: `${label} ${subject}?`,
    body: [h('p', { class: 'muted' }, 'Counting…')],
    confirm: label,
    danger,
    prepare: async ({ signal }) => preview(await post(`/queue/tasks:${action}`, { ...body, dry_run: true }, { signal, timeout: 60_000 }), label, what),
    run: ({ signal, progress }) => apply(action, body, signal, (done) => progress(`${number(done)} ${past} so far…`)),
  });
  if (!result) {
    return false;
  }
  const refused = result.refused > 0 ? `; ${number(result.refused)} refused` : '';
  const stopped = result.stopped ? `; then it stopped: ${userText(result.stopped.detail || result.stopped.title)}` : '';
  toast(`${count(result.changed, 'task')} ${past}${refused}${stopped}`, { kind: result.changed > 0 && !stopped ? 'good' : 'bad' });
  return result.changed > 0;
}

/** What the dialog says after the dry run. */
function preview(dry, label, what) {
  const least = dry.more ? 'at least ' : '';
  if (dry.changed === 0) {
    return { body: [h('p', null, dry.matched === 0 ? 'No task matches any more.' : `None of ${least}${count(dry.matched, 'task')} is in a state that allows this.`), refusals(dry)], disabled: true };
  }
  return {
    body: [h('p', null, h('strong', null, `${least}${count(dry.changed, 'task')}`), ` of ${least}${number(dry.matched)} would be changed. `, what), refusals(dry)],
    confirm: `${label} ${least}${count(dry.changed, 'task')}`,
  };
}

function refusals(dry) {
  if (dry.refused === 0) {
    return null;
  }
  return [
    h('p', { class: 'muted' }, `${count(dry.refused, 'task')} would be refused, such as:`),
    h('ul', { class: 'plain-list small' }, dry.refusals.slice(0, REFUSALS_SHOWN).map(({ id, problem }) => h('li', null, h('code', null, id), ' ', userText(problem.detail || problem.title)))),
  ];
}

/** Goes on from cursor to cursor until every task that matches was looked at. */
async function apply(action, body, signal, progress) {
  const total = { changed: 0, refused: 0 };
  let cursor;
  do {
    const part = await post(`/queue/tasks:${action}`, { ...body, cursor }, { signal, timeout: 120_000 });
    total.changed += part.changed;
    total.refused += part.refused;
    total.stopped = part.stopped;
    cursor = part.more ? part.next_cursor : null;
    progress(total.changed);
  } while (cursor && !total.stopped);
  return total;
}
