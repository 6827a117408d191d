// A bar of filters that are kept in the location.
import { h, setAttr, setText } from '../dom.js';
import { icon } from '../icons.js';

const TYPING = 350;

/**
 * Makes a filter bar. fields: [{name, label, kind, options, placeholder, suggestions}]:
 * kind is "select" (options: [[value, label]]; the first is the one without a filter),
 * "text" (suggestions: a list that setSuggestions changes) or "time". The values are read
 * from the location and written to it as query parameters of these names.
 *
 * onChange(values) is called when a value was changed, after the location has it; the
 * cursor is taken out of the location then.
 *
 * Returns {element, values, set(values), setSuggestions(name, list), setError(errors)}:
 * setError shows the field errors of a Problem at their fields.
 */
export function filterBar(ctx, fields, onChange) {
  return new FilterBar(ctx, fields, onChange);
}

class FilterBar {
  #ctx;
  #fields;
  #onChange;
  #inputs = new Map();
  #errors = new Map();
  #clear;
  #toggleText = h('span');
  #toggleButton;
  #timer = 0;

  constructor(ctx, fields, onChange) {
    this.#ctx = ctx;
    this.#fields = fields;
    this.#onChange = onChange;
    this.#clear = h('button', { class: 'button quiet', type: 'button', on: { click: () => this.reset() } }, 'Clear filters');
    this.element = h('form', { class: 'filters', role: 'search', 'aria-label': 'Filter', on: { submit: (event) => this.#submit(event) } },
      this.#toggle(), fields.map((field) => this.#field(field)), this.#clear);
    ctx.signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true });
    this.#showClear();
  }

  /** The values that are set, by name. Times are as the API takes them. */
  get values() {
    const out = {};
    for (const { name } of this.#fields) {
      const value = this.#ctx.query.get(name);
      if (value) {
        out[name] = value;
      }
    }
    return out;
  }

  /** Sets values, "" for none, as if the visitor had. */
  set(values) {
    for (const [name, value] of Object.entries(values)) {
      const field = this.#fields.find((each) => each.name === name);
      this.#inputs.get(name).value = field.kind === 'time' ? localTime(value) : value;
    }
    this.#apply();
  }

  reset() {
    this.set(Object.fromEntries(this.#fields.map(({ name }) => [name, ''])));
  }

  setSuggestions(name, list) {
    const box = this.#inputs.get(name).list;
    if (box && box.children.length !== list.length) {
      box.replaceChildren(...list.map((value) => h('option', { value })));
    }
  }

  setError(errors = []) {
    for (const [name, box] of this.#errors) {
      const error = errors.find((each) => each.field === name);
      box.textContent = error?.detail ?? '';
      setAttr(this.#inputs.get(name), 'aria-invalid', error ? 'true' : null);
      if (error) {
        this.#open(true);
      }
    }
  }

  /** On narrow screens the fields are out of the way until they are wanted. */
  #toggle() {
    this.#toggleButton = h('button', {
      class: 'button filter-toggle', type: 'button', 'aria-expanded': 'false', on: { click: () => this.#open(!this.element.classList.contains('open')) },
    }, icon('filter'), this.#toggleText);
    return this.#toggleButton;
  }

  #open(open) {
    this.element.classList.toggle('open', open);
    setAttr(this.#toggleButton, 'aria-expanded', open ? 'true' : 'false');
  }

  #field(field) {
    const id = `filter-${field.name}`;
    const error = h('span', { class: 'field-error', id: `${id}-error` });
    const input = this.#input(field, id);
    this.#inputs.set(field.name, input);
    this.#errors.set(field.name, error);
    return h('div', { class: ['filter', field.kind === 'text' && 'grow'] },
      h('label', { class: 'label', for: id }, field.label), input,
      field.suggestions && h('datalist', { id: `${id}-list` }, field.suggestions.map((value) => h('option', { value }))), error);
  }

  #input(field, id) {
    const value = this.#ctx.query.get(field.name) ?? '';
    const common = { id, name: field.name, 'aria-describedby': `${id}-error` };
    if (field.kind === 'select') {
      const known = field.options.some(([option]) => option === value);
      const options = known ? field.options : [...field.options, [value, value]];
      const select = h('select', { class: 'input', ...common, on: { change: () => this.#apply() } }, options.map(([option, label]) => h('option', { value: option }, label)));
      select.value = value;
      return select;
    }
    if (field.kind === 'time') {
      return h('input', { class: 'input', type: 'datetime-local', step: '1', ...common, value: localTime(value), on: { change: () => this.#apply() } });
    }
    return h('input', {
      class: 'input', type: 'search', autocomplete: 'off', spellcheck: 'false', ...common, value, placeholder: field.placeholder,
      list: field.suggestions ? `${id}-list` : null, on: { input: () => this.#later(), change: () => this.#apply() },
    });
  }

  #later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#apply(), TYPING);
  }

  #submit(event) {
    event.preventDefault();
    this.#apply();
  }

  #apply() {
    clearTimeout(this.#timer);
    const before = JSON.stringify(this.values);
    const changes = { cursor: null };
    for (const field of this.#fields) {
      const text = this.#inputs.get(field.name).value.trim();
      changes[field.name] = field.kind === 'time' ? utcTime(text) : text;
    }
    const after = Object.fromEntries(Object.entries(changes).filter(([name, value]) => value && name !== 'cursor'));
    if (JSON.stringify(after) === before) {
      return;
    }
    this.#ctx.setQuery(changes, { push: true });
    this.setError();
    this.#showClear();
    this.#onChange(this.values);
  }

  #showClear() {
    const set = Object.keys(this.values).length;
    setAttr(this.#clear, 'hidden', set === 0);
    setText(this.#toggleText, set > 0 ? `Filters (${set})` : 'Filters');
  }
}

/** "2026-11-24T12:00:00Z" as an input for local times has it. */
function localTime(iso) {
  const t = new Date(iso);
  if (!iso || Number.isNaN(t.getTime())) {
    return '';
  }
  return new Date(t.getTime() - t.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** A local time as the API takes it. */
function utcTime(local) {
  const t = new Date(local);
  return local && !Number.isNaN(t.getTime()) ? t.toISOString() : '';
}
