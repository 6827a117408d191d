// Parts of which pages are made.
import { h } from '../dom.js';

/**
 * The head of a page: its heading, which focus goes to, what is said beside it, and the
 * buttons for the whole page. The heading's text may be nodes.
 */
export function pageHead(text, { meta, actions } = {}) {
  return h('header', { class: 'page-head' },
    h('div', { class: 'page-heading' }, h('h1', { class: 'page-title', tabindex: '-1' }, text), meta && h('div', { class: 'page-meta' }, meta)),
    actions && h('div', { class: 'page-actions' }, actions));
}

/**
 * A panel with a heading. note is said beside it, end is shown at the other side. The
 * className "flush" gives the body no margins, for tables.
 */
export function panel(title, body, { note, end, className, id } = {}) {
  return h('section', { class: ['panel', className], id, 'aria-label': title },
    h('header', { class: 'panel-head' }, h('h2', null, title, note && h('span', { class: 'panel-note' }, note)), end && h('div', { class: 'panel-end' }, end)),
    h('div', { class: 'panel-body' }, body));
}

/** Names and values: [[name, value, className]]; null values are left out. The className "long" gives a value more room. */
export function facts(list) {
  return h('dl', { class: 'facts' }, list.filter(([, value]) => value !== null && value !== undefined).map(([name, value, className]) => h('div', { class: className }, h('dt', null, name), h('dd', null, value))));
}

/** Buttons of which one is pressed: options [[value, label]]. onChange gets the value. */
export function segmented(label, options, value, onChange) {
  const buttons = options.map(([each, text]) => h('button', {
    type: 'button', class: 'segment', 'aria-pressed': each === value ? 'true' : 'false',
    on: {
      click() {
        for (const [i, button] of buttons.entries()) {
          button.setAttribute('aria-pressed', options[i][0] === each ? 'true' : 'false');
        }
        onChange(each);
      },
    },
  }, text));
  return h('div', { class: 'segments', role: 'group', 'aria-label': label }, buttons);
}
