// Short messages at the edge of the screen.
import { h } from '../dom.js';
import { icon } from '../icons.js';

const SHOWN = 6000;
const SHOWN_BAD = 12_000;
const AT_ONCE = 4;

/** Shows a message for some seconds. kind is "good", "bad" or "info". */
export function toast(text, { kind = 'good' } = {}) {
  const box = document.getElementById('toasts');
  const close = () => item.remove();
  const item = h('div', { class: ['toast', kind], role: kind === 'bad' ? 'alert' : 'status' },
    icon(kind === 'bad' ? 'warning' : 'check'),
    h('p', null, h('bdi', null, text)),
    h('button', { class: 'icon-button small', type: 'button', 'aria-label': 'Dismiss', on: { click: close } }, icon('close')));
  box.append(item);
  while (box.children.length > AT_ONCE) {
    box.firstElementChild.remove();
  }
  let timer = setTimeout(close, kind === 'bad' ? SHOWN_BAD : SHOWN);
  item.addEventListener('mouseenter', () => clearTimeout(timer));
  item.addEventListener('focusin', () => clearTimeout(timer));
  item.addEventListener('mouseleave', () => { timer = setTimeout(close, SHOWN); });
}
