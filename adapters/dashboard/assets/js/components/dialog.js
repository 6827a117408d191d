// Dialogs, on the browser's own <dialog>: it traps focus, closes by Escape and returns
// focus to where it was.
import { h, replace, uniqueId } from '../dom.js';
import { icon } from '../icons.js';
import { problemText } from './states.js';

/** Opens a dialog; body and actions are nodes. Returns the element, which close() closes. */
export function openDialog({ title, body, actions, wide = false, onClose }) {
  const id = uniqueId('dialog');
  const close = () => dialog.close();
  const dialog = h('dialog', { class: ['dialog', wide && 'wide'], 'aria-labelledby': id },
    h('header', { class: 'dialog-head' },
      h('h2', { id }, title),
      h('button', { class: 'icon-button', type: 'button', 'aria-label': 'Close', on: { click: close } }, icon('close'))),
    h('div', { class: 'dialog-body' }, body),
    actions && h('footer', { class: 'dialog-actions' }, actions));
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) {
      close();
    }
  });
  dialog.addEventListener('close', () => {
    dialog.remove();
    onClose?.();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * Asks whether to do something, does it, and resolves to what it returned, or to
 * undefined if the visitor chose not to.
 *
 * options: title; body: nodes; confirm: the label of the button; danger: whether it
 * cannot be undone; run({signal, progress}): does it, while the dialog stays open and
 * shows what progress(text) is told; if it throws, the dialog shows the error and the
 * visitor may try again. prepare({signal}), if given, is awaited first with the button
 * disabled: it returns {body, confirm, disabled} in the place of those given.
 */
export function confirmDialog({ title, body, confirm, danger = false, run, prepare }) {
  return new Promise((resolve) => {
    let result;
    const controller = new AbortController();
    const content = h('div', null, body);
    const message = h('p', { class: 'dialog-message', role: 'status' });
    const button = h('button', { class: ['button', danger ? 'danger' : 'primary'], type: 'button', disabled: Boolean(prepare) }, confirm);
    const cancel = h('button', { class: 'button', type: 'button', on: { click: () => dialog.close() } }, 'Cancel');
    const fail = (error) => {
      if (!controller.signal.aborted) {
        message.classList.add('bad');
        replace(message, problemText(error));
      }
    };
    button.addEventListener('click', async () => {
      button.disabled = true;
      message.classList.remove('bad');
      replace(message, 'Working…');
      try {
        result = await run({ signal: controller.signal, progress: (text) => replace(message, text) });
        dialog.close();
      } catch (error) {
        fail(error);
        button.disabled = false;
      }
    });
    const dialog = openDialog({
      title, body: [content, message], actions: [cancel, button],
      onClose: () => {
        controller.abort();
        resolve(result);
      },
    });
    cancel.focus();
    if (prepare) {
      prepare({ signal: controller.signal }).then((ready) => {
        replace(content, ready.body);
        replace(button, ready.confirm ?? confirm);
        button.disabled = Boolean(ready.disabled);
      }, fail);
    }
  });
}
