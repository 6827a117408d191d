// Tables whose rows stay what they are when their data changes, so that focus, selection
// and the place on the screen are kept. On narrow screens the rows become cards.
import { h, replace, setAttr } from '../dom.js';

/**
 * Makes a table. options:
 *
 * label: what the table is, for screen readers.
 * columns: [{name, label, cell(row), link, class}]: cell returns nodes or text; `link`
 *   marks the one whose content is the link to href(row); `class` is set at its cells
 *   ("num" aligns numbers, "wide" takes the room that is left, "secondary" is left out
 *   where room is short).
 * key(row): what tells rows apart. href(row): where a row leads to, or null.
 * selectable: whether rows have a box to select them; onSelection(keys) gets the Set of
 *   keys when that changes.
 * rowClass(row): classes of the row.
 *
 * Keys: arrows (or j and k), Home and End go from row to row, Enter follows, x or Space
 * selects.
 *
 * Returns {element, setRows(rows), selection, clearSelection()}.
 */
export function table(options) {
  return new Table(options);
}

class Table {
  #options;
  #rows = new Map();
  #body;
  #all = null;
  #selected = new Set();
  /** The last row that was selected by hand, where a selection with Shift begins. */
  #anchor = null;

  constructor(options) {
    this.#options = options;
    this.#body = h('tbody', { role: 'rowgroup' });
    this.element = h('div', { class: 'table-box' },
      h('table', { class: ['table', options.selectable && 'selectable'], role: 'table', 'aria-label': options.label },
        h('thead', { role: 'rowgroup' }, this.#head()), this.#body));
    this.#body.addEventListener('keydown', (event) => this.#key(event));
    this.#body.addEventListener('focusin', (event) => this.#rove(event.target.closest('tr')));
    this.#body.addEventListener('click', (event) => this.#click(event));
  }

  /** The keys of the selected rows. */
  get selection() {
    return new Set(this.#selected);
  }

  clearSelection() {
    this.#selected.clear();
    this.#showSelection();
  }

  /** Selects all rows that are shown. */
  selectAll() {
    this.#selected = new Set(this.#rows.keys());
    this.#showSelection();
  }

  /** Shows these rows, in their order. */
  setRows(rows) {
    const wanted = new Map(rows.map((row) => [this.#options.key(row), row]));
    for (const [key, item] of this.#rows) {
      if (!wanted.has(key)) {
        this.#remove(key, item);
      }
    }
    let at = this.#body.firstElementChild;
    for (const [key, row] of wanted) {
      const item = this.#rows.get(key) ?? this.#add(key);
      this.#update(item, row);
      if (item.element === at) {
        at = at.nextElementSibling;
      } else {
        this.#body.insertBefore(item.element, at);
      }
    }
    if (!this.#body.querySelector('[tabindex="0"]') && this.#body.firstElementChild) {
      this.#rove(this.#body.firstElementChild);
    }
    this.#showSelection();
  }

  #head() {
    const cells = this.#options.columns.map((column) => h('th', { role: 'columnheader', scope: 'col', class: column.class }, column.label));
    if (this.#options.selectable) {
      this.#all = h('input', { type: 'checkbox', 'aria-label': 'Select all rows of this page' });
      this.#all.addEventListener('change', () => {
        this.#selected = this.#all.checked ? new Set(this.#rows.keys()) : new Set();
        this.#selectionChanged();
      });
      cells.unshift(h('th', { role: 'columnheader', scope: 'col', class: 'select' }, this.#all));
    }
    return h('tr', { role: 'row' }, cells);
  }

  #add(key) {
    const item = { key, text: '', link: null, box: null, cells: [], element: h('tr', { role: 'row' }) };
    item.element.rowKey = key;
    if (this.#options.selectable) {
      item.box = h('input', { type: 'checkbox', tabindex: '-1', 'aria-label': `Select ${key}` });
      item.element.append(h('td', { role: 'cell', class: 'select' }, item.box));
    }
    for (const column of this.#options.columns) {
      const cell = h('td', { role: 'cell', class: column.class, dataset: { label: column.label } });
      if (column.link) {
        item.link = h('a', { class: 'row-link', tabindex: '-1' });
        cell.append(item.link);
      }
      item.cells.push({ column, box: column.link ? item.link : cell });
      item.element.append(cell);
    }
    this.#rows.set(key, item);
    return item;
  }

  #update(item, row) {
    const text = JSON.stringify(row);
    if (item.text === text) {
      return;
    }
    item.text = text;
    setAttr(item.element, 'class', this.#options.rowClass?.(row) || null);
    if (item.link) {
      setAttr(item.link, 'href', this.#options.href?.(row) ?? null);
    }
    for (const { column, box } of item.cells) {
      const focused = box !== document.activeElement && box.contains(document.activeElement);
      replace(box, column.cell(row));
      if (focused) {
        box.querySelector('button, a, input')?.focus();
      }
    }
  }

  #remove(key, item) {
    const focused = item.element.contains(document.activeElement);
    const next = item.element.nextElementSibling ?? item.element.previousElementSibling;
    item.element.remove();
    this.#rows.delete(key);
    if (this.#selected.delete(key)) {
      this.#options.onSelection?.(this.selection);
    }
    if (focused && next) {
      this.#focus(next);
    }
  }

  /** One row at a time can be reached by Tab. */
  #rove(row) {
    if (!row) {
      return;
    }
    for (const element of this.#body.querySelectorAll('[tabindex="0"]')) {
      if (!row.contains(element)) {
        element.tabIndex = -1;
      }
    }
    for (const element of row.querySelectorAll('.row-link, td.select > input')) {
      element.tabIndex = 0;
    }
  }

  #focus(row) {
    (row?.querySelector('.row-link') ?? row?.querySelector('td.select > input'))?.focus();
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const row = event.target.closest('tr');
    const moves = {
      ArrowDown: row.nextElementSibling, j: row.nextElementSibling,
      ArrowUp: row.previousElementSibling, k: row.previousElementSibling,
      Home: this.#body.firstElementChild, End: this.#body.lastElementChild,
    };
    if (event.key in moves) {
      event.preventDefault();
      this.#focus(moves[event.key]);
    } else if (this.#options.selectable && (event.key === 'x' || event.key === ' ' && event.target.matches('.row-link'))) {
      event.preventDefault();
      this.#toggle(row.rowKey, event.shiftKey);
    }
  }

  #click(event) {
    const row = event.target.closest('tr');
    if (event.target.matches('td.select > input')) {
      this.#toggle(row.rowKey, event.shiftKey);
    } else if (event.target.matches('td.select')) {
      this.#toggle(row.rowKey, event.shiftKey);
    } else if (!event.target.closest('a, button, input, label, summary') && getSelection().isCollapsed) {
      row.querySelector('.row-link[href]')?.click();
    }
  }

  #toggle(key, range) {
    const on = !this.#selected.has(key);
    const keys = range && this.#rows.has(this.#anchor) ? this.#between(this.#anchor, key) : [key];
    for (const each of keys) {
      if (on) {
        this.#selected.add(each);
      } else {
        this.#selected.delete(each);
      }
    }
    this.#anchor = key;
    this.#selectionChanged();
  }

  #between(from, to) {
    const keys = [...this.#body.children].map((row) => row.rowKey);
    const [start, end] = [keys.indexOf(from), keys.indexOf(to)].sort((x, y) => x - y);
    return keys.slice(start, end + 1);
  }

  #selectionChanged() {
    this.#showSelection();
    this.#options.onSelection?.(this.selection);
  }

  #showSelection() {
    for (const [key, item] of this.#rows) {
      const on = this.#selected.has(key);
      item.element.classList.toggle('selected', on);
      if (item.box) {
        item.box.checked = on;
      }
    }
    if (this.#all) {
      this.#all.checked = this.#rows.size > 0 && this.#selected.size === this.#rows.size;
      this.#all.indeterminate = this.#selected.size > 0 && this.#selected.size < this.#rows.size;
    }
  }
}
