// What this server runs with, and what a visitor can choose for themself.
import { get, isAbort, session } from '../api.js';
import { tag } from '../components/badge.js';
import { facts, pageHead, panel, segmented } from '../components/page.js';
import { emptyState, errorState, skeleton } from '../components/states.js';
import { toast } from '../components/toast.js';
import { h, replace, setText, userText } from '../dom.js';
import { count, title } from '../format.js';
import { icon } from '../icons.js';
import { setTheme, theme } from '../prefs.js';

const THEMES = [['auto', 'System theme'], ['light', 'Light'], ['dark', 'Dark']];

export async function mount(root, ctx) {
  const version = h('span', null, '–');
  const body = h('div', { class: 'stack' }, skeleton(8));
  root.append(pageHead('Settings', { meta: h('span', null, 'They are set by flags, environment and a file when the server starts') }),
    h('div', { class: 'panels' }, about(version), visitor()), body);
  await load();

  async function load() {
    if (!session.can('admin')) {
      replace(body, h('section', { class: 'panel' }, emptyState({
        title: 'The settings need the role admin', text: `You are signed in with the role ${session.role}.`,
      })));
      return;
    }
    try {
      const data = await get('/settings', { signal: ctx.signal });
      replace(version, userText(data.version));
      replace(body, new Settings(ctx, data.settings).elements);
    } catch (error) {
      if (!isAbort(error)) {
        replace(body, errorState(error, load));
      }
    }
  }
}

function about(version) {
  const link = (href, text) => h('a', { class: 'button small', href }, icon('external'), text);
  return panel('About', [
    facts([['Version', version], ['Address', location.origin]]),
    h('div', { class: 'links' }, link('/docs', 'API reference'), link('/openapi.json', 'OpenAPI document'), link('/metrics', 'Metrics')),
  ]);
}

function visitor() {
  const signOut = h('button', { class: 'button small', type: 'button' }, 'Sign out');
  signOut.addEventListener('click', () => session.signOut().catch((error) => toast(error.message, { kind: 'bad' })));
  return panel('You', [
    segmented('Theme', THEMES, theme(), setTheme),
    facts([
      session.required ? ['Key', userText(session.name)] : ['Access', 'No key is needed'],
      ['Role', title(session.role)],
    ]),
    session.required && h('div', { class: 'links' }, signOut),
  ]);
}

/** The settings by their groups, with a filter. */
class Settings {
  #ctx;
  #settings;
  #shown = h('span', { class: 'muted', role: 'status' });
  #groups = h('div', { class: 'stack' });
  #search;
  #changed;

  constructor(ctx, settings) {
    this.#ctx = ctx;
    this.#settings = settings;
    this.#search = h('input', { class: 'input', id: 'settings-search', type: 'search', autocomplete: 'off', spellcheck: 'false', placeholder: 'Name, value or meaning', value: ctx.query.get('text') ?? '', on: { input: () => this.#filter() } });
    this.#changed = h('input', { type: 'checkbox', id: 'settings-changed', checked: ctx.query.get('changed') === '1', on: { change: () => this.#filter() } });
    this.#show();
  }

  get elements() {
    return [
      h('form', { class: 'settings-filter', role: 'search', 'aria-label': 'Filter', on: { submit: (event) => event.preventDefault() } },
        h('div', { class: 'settings-search' }, h('label', { class: 'label', for: 'settings-search' }, 'Text'), this.#search),
        h('label', { class: 'check' }, this.#changed, 'Only what differs from its default'), this.#shown),
      this.#groups,
    ];
  }

  #filter() {
    this.#ctx.setQuery({ text: this.#search.value.trim(), changed: this.#changed.checked ? '1' : null });
    this.#show();
  }

  #show() {
    const text = this.#search.value.trim().toLowerCase();
    const shown = this.#settings.filter((each) => (!this.#changed.checked || differs(each))
      && [each.name, each.value, each.usage, environment(each.name)].some((part) => part.toLowerCase().includes(text)));
    setText(this.#shown, count(shown.length, 'setting'));
    const groups = Map.groupBy(shown, (each) => each.group);
    replace(this.#groups, shown.length === 0
      ? h('section', { class: 'panel' }, emptyState({ title: text || !this.#changed.checked ? 'No setting matches' : 'Everything has its default' }))
      : [...groups].map(([group, list]) => panel(title(group), h('dl', { class: 'settings' }, list.map(setting)), { className: 'flush' })));
  }
}

function differs(each) {
  return each.value !== each.default;
}

function environment(name) {
  return `LOGSIFT_${name.toUpperCase().replaceAll('-', '_')}`;
}

function setting(each) {
  return h('div', { class: ['setting', differs(each) && 'changed'] },
    h('dt', null, h('code', { title: environment(each.name) }, `--${each.name}`), h('p', { class: 'muted small' }, userText(each.usage))),
    h('dd', null, h('code', { class: 'setting-value' }, each.value === '' ? h('span', { class: 'muted' }, 'empty') : userText(each.value)),
      differs(each) && [tag('Changed', 'info'), h('span', { class: 'muted small' }, 'default ', h('code', null, each.default === '' ? 'empty' : userText(each.default)))]));
}
