// Times that say how long ago they were, and go on saying so.
import { h, setText } from '../dom.js';
import { dateTime, exact, relative } from '../format.js';

const TICK = 5000;

/** "5 min ago" with the exact time as its title; "–" if the time has not come. */
export function timeAgo(iso) {
  if (!iso) {
    return h('span', { class: 'muted' }, '–');
  }
  return h('time', { datetime: iso, title: exact(iso), dataset: { relative: '' } }, relative(iso, Date.now()));
}

/** The time in full, with UTC as its title. */
export function timeFull(iso) {
  if (!iso) {
    return h('span', { class: 'muted' }, '–');
  }
  return h('time', { datetime: iso, title: exact(iso) }, dateTime(iso));
}

/** Keeps all relative times of the document true. */
export function startClock() {
  const tick = () => {
    if (document.hidden) {
      return;
    }
    const now = Date.now();
    for (const element of document.querySelectorAll('time[data-relative]')) {
      setText(element, relative(element.getAttribute('datetime'), now));
    }
  };
  setInterval(tick, TICK);
  document.addEventListener('visibilitychange', tick);
}
