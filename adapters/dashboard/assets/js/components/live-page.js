// Pages that keep themselves up to date.
import { h, replace, setText } from '../dom.js';
import { number } from '../format.js';
import { pageHead } from './page.js';
import { errorNotice, errorState, skeleton } from './states.js';
import { table } from './table.js';

/**
 * Adds the head of a page and its parts, one of which is body, and returns the watcher that
 * calls refresh. An error stands in the place of body until refresh has succeeded once, and
 * above the parts from then on.
 */
export function livePage(root, ctx, { title, meta, body, parts = [body], refresh }) {
  const notice = h('div', { class: 'notices' });
  root.append(pageHead(title, { meta }), notice, ...parts);
  const watcher = ctx.watch({
    async refresh(signal) {
      await refresh(signal);
      replace(notice);
    },
    onError(error, first) {
      if (first) {
        replace(body, errorState(error, () => watcher.refresh()));
      } else {
        replace(notice, errorNotice(error));
      }
    },
  });
  return watcher;
}

/**
 * A live page of one table, with other parts below it. read returns the rows and whether
 * there are more; summary is what is said of them in the head, empty what is shown in the
 * place of none.
 */
export function listPage(root, ctx, { title, key, href, columns, read, summary, empty, below = [] }) {
  const meta = h('span');
  const body = h('div', { class: 'panel-body flush' }, skeleton(6));
  const list = table({ label: title, key, href, columns });
  return livePage(root, ctx, {
    title, meta, body, parts: [h('section', { class: 'panel', 'aria-label': title }, body), ...below],
    async refresh(signal) {
      const { rows, more } = await read(signal);
      setText(meta, rows.length > 0 ? summary(rows, more) : '');
      if (rows.length === 0) {
        replace(body, empty());
        return;
      }
      list.setRows(rows);
      if (!list.element.isConnected) {
        replace(body, list.element);
      }
    },
  });
}

/** How many rows are paused, as the end of a summary. */
export function pausedOf(rows) {
  const paused = rows.filter((row) => row.paused).length;
  return paused > 0 ? `, ${number(paused)} paused` : '';
}
