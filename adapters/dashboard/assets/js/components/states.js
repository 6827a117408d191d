// What is shown instead of data: loading, nothing there, and what went wrong.
import { h } from '../dom.js';
import { copyable } from './copy.js';

/** Grey bars of the height of what will come, so that nothing jumps. */
export function skeleton(lines = 6) {
  return h('div', { class: 'skeleton', role: 'status' },
    h('span', { class: 'visually-hidden' }, 'Loading'),
    Array.from({ length: lines }, () => h('span', { class: 'skeleton-line', 'aria-hidden': 'true' })));
}

/**
 * Says that there is nothing, and what to do about it. command is shown as text to copy,
 * action is a node.
 */
export function emptyState({ title, text, command, action }) {
  return h('div', { class: 'empty' },
    h('p', { class: 'empty-title' }, title),
    text && h('p', { class: 'muted' }, text),
    command && copyable(command),
    action);
}

/** An error in words, with the fields that were refused, and a button to try again. */
export function errorState(error, retry) {
  return h('div', { class: 'empty error-state', role: 'alert' },
    h('p', { class: 'empty-title' }, error.title ?? 'Something went wrong in the dashboard'),
    fieldErrors(error) ?? h('p', { class: 'muted' }, explain(error)),
    error.requestId && h('p', { class: 'muted small' }, 'Request id ', h('code', null, error.requestId), ' – the server’s log has more under it.'),
    retry && h('button', { class: 'button', type: 'button', on: { click: () => retry() } }, 'Try again'));
}

/** A line about an error that leaves what is shown in its place. */
export function errorNotice(error) {
  return h('p', { class: 'notice bad', role: 'alert' }, problemText(error));
}

function fieldErrors(error) {
  if (!error.errors?.length) {
    return null;
  }
  return h('ul', { class: 'field-errors' }, error.errors.map((e) => h('li', null, h('code', null, e.field), ' ', h('bdi', null, e.detail))));
}

/** What went wrong and what to do, in a sentence or two. */
function explain(error) {
  if (error.status === 403) {
    return `Your key has no right to do this. ${error.detail ?? ''}`.trim();
  }
  return error.detail || error.message || String(error);
}

/** An error in one line. */
export function problemText(error) {
  const fields = (error.errors ?? []).map((e) => `${e.field}: ${e.detail}`);
  const text = fields.length > 0 ? fields.join('; ') : explain(error);
  return error.title && error.title !== text ? `${error.title}: ${text}` : text;
}
