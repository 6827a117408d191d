// Keyboard shortcuts: single keys, and sequences that begin with "g". They rest while
// somebody types or a dialog is open.
import { h } from './dom.js';
import { openDialog } from './components/dialog.js';

const SEQUENCE = 1500;

const shortcuts = new Map();
let leader = 0;

/**
 * Adds a shortcut until the signal ends. keys: "/", "?", "g t" or a letter; label says
 * what it does, group is the heading it is listed under.
 */
export function shortcut(keys, label, run, { group = 'Everywhere', signal } = {}) {
  const entry = { keys, label, group, run };
  shortcuts.set(keys, entry);
  signal?.addEventListener('abort', () => {
    if (shortcuts.get(keys) === entry) {
      shortcuts.delete(keys);
    }
  }, { once: true });
}

/** Starts listening. */
export function listen() {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target) || document.querySelector('dialog[open]')) {
      return;
    }
    const pending = leader && performance.now() - leader < SEQUENCE;
    leader = 0;
    if (pending && shortcuts.has(`g ${event.key}`)) {
      run(event, `g ${event.key}`);
    } else if (event.key === 'g') {
      leader = performance.now();
    } else if (shortcuts.has(event.key)) {
      run(event, event.key);
    }
  });
}

function run(event, keys) {
  event.preventDefault();
  shortcuts.get(keys).run();
}

function typing(target) {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches('input:not([type=checkbox]):not([type=radio]), textarea, select'));
}

/** Shows all shortcuts. */
export function showShortcuts() {
  const groups = groupBy(shortcuts.values());
  const list = [...groups].map(([group, entries]) => h('section', { class: 'shortcut-group' },
    h('h3', null, group),
    h('dl', { class: 'shortcuts' }, entries.map((entry) => h('div', null,
      h('dt', null, entry.label),
      h('dd', null, entry.keys.split(' ').map((key) => h('kbd', null, key))))))));
  openDialog({ title: 'Keyboard shortcuts', body: list, wide: true });
}

function groupBy(entries) {
  const groups = new Map();
  for (const entry of entries) {
    groups.set(entry.group, [...(groups.get(entry.group) ?? []), entry]);
  }
  return groups;
}
