// Buttons that ask before they do a step of a thing, such as the pause of a queue.
import { post } from '../api.js';
import { h } from '../dom.js';
import { icon } from '../icons.js';
import { confirmDialog } from './dialog.js';
import { toast } from './toast.js';

/**
 * A button for a step of what. Behind the question of title and text it posts to path, says
 * what told makes of the answer, and calls done.
 */
export function stepButton({ label, sign, what, title, text, path, told }, done) {
  const ask = async () => {
    const result = await confirmDialog({
      title, body: h('p', null, text), confirm: label, run: ({ signal }) => post(path, undefined, { signal }),
    });
    if (result) {
      toast(told(result));
      await done();
    }
  };
  return h('button', { class: 'button small', type: 'button', 'aria-label': `${label} the ${what}`, on: { click: ask } }, icon(sign), label);
}
