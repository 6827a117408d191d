// Goes from page to page of a list by its cursors. The cursor is in the location, so that
// a page can be linked to and the browser's back works; the cursors of the pages before
// are kept with the entry of the history.
import { h, replace, setAttr } from '../dom.js';
import { icon } from '../icons.js';

/**
 * Makes a pager for ctx. onChange() is called after the location has another cursor.
 * Returns {element, cursor, update({next, shown})}: next is the cursor of the next page
 * or null, shown is what to say of this page.
 */
export function pager(ctx, onChange) {
  return new Pager(ctx, onChange);
}

class Pager {
  #ctx;
  #onChange;
  #next = null;
  #text = h('span', { class: 'pager-text', role: 'status' });
  #buttons;

  constructor(ctx, onChange) {
    this.#ctx = ctx;
    this.#onChange = onChange;
    const button = (name, label, click) => h('button', { class: 'button small', type: 'button', disabled: true, on: { click } }, name !== 'next' && icon(name), h('span', null, label), name === 'next' && icon(name));
    this.#buttons = {
      first: button('first', 'Newest', () => this.#go('', [])),
      previous: button('previous', 'Newer', () => this.#back()),
      next: button('next', 'Older', () => this.#go(this.#next, [...this.#trail, this.cursor])),
    };
    this.element = h('nav', { class: 'pager', 'aria-label': 'Pages of the list' }, this.#text, h('div', { class: 'pager-buttons' }, Object.values(this.#buttons)));
  }

  /** The cursor of the page in view, "" for the first. */
  get cursor() {
    return this.#ctx.query.get('cursor') ?? '';
  }

  update({ next, shown }) {
    this.#next = next;
    replace(this.#text, shown);
    setAttr(this.#buttons.first, 'disabled', this.cursor === '');
    setAttr(this.#buttons.previous, 'disabled', this.#trail.length === 0);
    setAttr(this.#buttons.next, 'disabled', !next);
  }

  /** The cursors of the pages before this one. */
  get #trail() {
    return this.#ctx.state.trail ?? [];
  }

  #back() {
    const trail = this.#trail;
    this.#go(trail.at(-1), trail.slice(0, -1));
  }

  #go(cursor, trail) {
    this.#ctx.setQuery({ cursor }, { push: true, state: { trail } });
    this.#onChange();
  }
}
