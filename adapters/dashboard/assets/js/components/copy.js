// Text to copy.
import { announce, h, replace } from '../dom.js';
import { icon } from '../icons.js';

const SHOWN = 1500;

/** A button that copies what text() returns. */
export function copyButton(text, label = 'Copy') {
  const button = h('button', { class: 'icon-button small', type: 'button', 'aria-label': label, title: label }, icon('copy'));
  let timer = 0;
  button.addEventListener('click', async () => {
    const done = await copy(text());
    announce(done ? 'Copied' : 'The browser does not allow copying');
    replace(button, icon(done ? 'check' : 'warning'));
    clearTimeout(timer);
    timer = setTimeout(() => replace(button, icon('copy')), SHOWN);
  });
  return button;
}

/** A command with a button that copies it. */
export function copyable(command) {
  return h('div', { class: 'copyable' }, h('pre', { tabindex: '0', 'aria-label': 'Command' }, h('code', null, command)), copyButton(() => command, 'Copy the command'));
}

/** Copies text and tells whether it worked. The clipboard API needs https or loopback. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text) {
  const area = h('textarea', { class: 'visually-hidden', 'aria-hidden': 'true', tabindex: '-1' });
  area.value = text;
  const focused = document.activeElement;
  (document.querySelector('dialog[open]') ?? document.body).append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  focused?.focus();
  return done;
}
