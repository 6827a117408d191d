// Log entries as lines that open to show all that is known of them.
import { h, replace, setAttr, uniqueId, userText } from '../dom.js';
import { copyButton } from './copy.js';
import { timeFull } from './time.js';
import { dateTime, exact, title } from '../format.js';
import { paths } from '../paths.js';
import { spanAround } from '../timespan.js';

/** How much of a message is shown before its line is opened. */
const SHOWN = 600;
/** How far the link to the lines around one reaches. */
const AROUND = 60_000;

const TONES = { trace: 'neutral', debug: 'neutral', info: 'info', warn: 'warn', error: 'bad', fatal: 'severity-critical' };

/** The level of an entry; unknown is none. */
function levelBadge(level) {
  if (!TONES[level]) {
    return h('span', { class: 'muted', title: 'The line tells no level' }, '–');
  }
  return h('span', { class: 'badge', dataset: { tone: TONES[level] } }, title(level));
}

/**
 * Makes a list of log entries, newest first. Lines that are open stay so when the list
 * changes. Up and down go from line to line.
 *
 * Returns {element, setRows(entries)}.
 */
export function logList({ label }) {
  return new LogList(label);
}

class LogList {
  #items = new Map();

  constructor(label) {
    this.element = h('ul', { class: 'log-list', 'aria-label': label });
    this.element.addEventListener('keydown', (event) => this.#key(event));
  }

  setRows(entries) {
    const wanted = new Set(entries.map((entry) => entry.id));
    for (const [id, item] of this.#items) {
      if (!wanted.has(id)) {
        item.remove();
        this.#items.delete(id);
      }
    }
    let at = this.element.firstElementChild;
    for (const entry of entries) {
      let item = this.#items.get(entry.id);
      if (!item) {
        item = line(entry);
        this.#items.set(entry.id, item);
      }
      if (item === at) {
        at = at.nextElementSibling;
      } else {
        this.element.insertBefore(item, at);
      }
    }
  }

  #key(event) {
    const button = event.target.closest('.log-line');
    if (!button || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const item = button.parentElement;
    const to = {
      ArrowDown: item.nextElementSibling, j: item.nextElementSibling, ArrowUp: item.previousElementSibling, k: item.previousElementSibling,
      Home: this.element.firstElementChild, End: this.element.lastElementChild,
    };
    if (event.key in to) {
      event.preventDefault();
      to[event.key]?.querySelector('.log-line').focus();
    }
  }
}

function line(entry) {
  const id = uniqueId('log');
  const detail = h('div', { class: 'log-detail', id, hidden: true });
  const button = h('button', { class: 'log-line', type: 'button', 'aria-expanded': 'false', 'aria-controls': id, dataset: { level: entry.level } },
    h('time', { class: 'log-time', datetime: entry.timestamp, title: exact(entry.timestamp) }, withMillis(entry.timestamp)),
    levelBadge(entry.level),
    userText(entry.source || '–', { class: 'log-source' }),
    userText(cut(entry.message), { class: 'log-message' }));
  button.addEventListener('click', () => {
    const open = detail.hidden;
    detail.hidden = !open;
    setAttr(button, 'aria-expanded', open ? 'true' : 'false');
    if (open && !detail.firstChild) {
      replace(detail, details(entry));
    }
  });
  return h('li', { class: 'log-item' }, button, detail);
}

/** A time of day with milliseconds, after its date. */
function withMillis(iso) {
  const t = new Date(iso ?? '');
  return Number.isNaN(t.getTime()) ? '–' : `${dateTime(iso)}.${String(t.getMilliseconds()).padStart(3, '0')}`;
}

function cut(text) {
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

function details(entry) {
  const attributes = Object.entries(entry.attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    h('div', { class: 'log-full' },
      h('pre', { class: 'code', tabindex: '0', 'aria-label': 'Message' }, userText(entry.message)),
      copyButton(() => entry.message, 'Copy the message')),
    h('dl', { class: 'attributes' },
      pair('Time', timeFull(entry.timestamp)),
      pair('Received', timeFull(entry.received_at)),
      pair('Source', entry.source ? userText(entry.source) : '–'),
      pair('Id', h('code', null, entry.id)),
      attributes.map(([name, value]) => pair(userText(name), userText(value), 'attribute'))),
    h('p', { class: 'log-links' },
      h('a', { href: paths.list('/ui/logs', { source: entry.source, ...spanAround(entry.timestamp, AROUND) }) }, 'Lines around this one'),
      entry.source && h('a', { href: paths.list('/ui/logs', { source: entry.source }) }, 'All of this source'),
      entry.source && h('a', { href: paths.list('/ui/anomalies', { source: entry.source }) }, 'Anomalies of this source')),
  ];
}

function pair(name, value, className) {
  return h('div', { class: className }, h('dt', null, name), h('dd', null, value));
}
