// Templates of log lines: the text with its variable parts marked.
import { h } from '../dom.js';

const WILDCARD = '<*>';

/** A template as nodes; each part that varies is a mark. */
export function templateText(template) {
  const parts = template.split(WILDCARD);
  return h('bdi', { class: 'template' }, parts.flatMap((part, i) => (i === 0
    ? [part]
    : [h('mark', { class: 'wildcard', title: 'This part differs from line to line' }, WILDCARD), part])));
}
