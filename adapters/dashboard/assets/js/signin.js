// The view to sign in with an API key.
import { session } from './api.js';
import { h, replace } from './dom.js';
import { logo } from './icons.js';
import { problemText } from './components/states.js';

/** Asks for a key; done is called when the visitor is signed in. */
export function signInView(done) {
  const message = h('p', { class: 'field-error', id: 'sign-in-error', role: 'alert' });
  const input = h('input', {
    class: 'input', id: 'sign-in-key', type: 'password', name: 'key', required: true, autocomplete: 'current-password', spellcheck: 'false', 'aria-describedby': 'sign-in-hint sign-in-error',
  });
  const button = h('button', { class: 'button primary', type: 'submit' }, 'Sign in');
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    replace(message);
    try {
      await session.signIn(input.value.trim());
      done();
    } catch (error) {
      replace(message, error.status === 401 ? 'The server does not know this key.' : problemText(error));
      input.select();
    } finally {
      button.disabled = false;
    }
  };
  return h('div', { class: 'page sign-in' },
    h('form', { class: 'panel sign-in-panel', on: { submit } },
      logo(),
      h('h1', { class: 'page-title', tabindex: '-1' }, 'Sign in to logsift'),
      h('p', { class: 'muted', id: 'sign-in-hint' }, 'This server needs an API key. Whoever runs it makes one with ', h('code', null, 'logsift key create'), '. It is kept by the server as a cookie that no script reads.'),
      h('label', { class: 'label', for: 'sign-in-key' }, 'API key'),
      input, message, button));
}
