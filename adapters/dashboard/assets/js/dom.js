// Elements from text. Nothing here or elsewhere parses HTML: what comes from the
// API can never be more than text or the value of an attribute.

const SVG = 'http://www.w3.org/2000/svg';

// Attributes that run code or load something, whatever their value.
const FORBIDDEN = new Set(['style', 'srcdoc', 'src', 'action', 'formaction', 'innerhtml', 'outerhtml']);

/**
 * Makes an HTML element.
 *
 * props: `class` takes a string or a list with falsy entries; `on` an object of
 * listeners; `dataset` an object; `ref` a function that gets the element. Booleans
 * set or leave out an attribute, null and undefined leave it out, and all else is an
 * attribute. `value`, `checked` and `indeterminate` are set as properties too.
 * `href` must be a path of this site or an http(s) address.
 *
 * children: nodes, strings, numbers, lists of these; falsy ones but 0 are left out.
 */
export function h(tag, props, ...children) {
  return build(document.createElement(tag), props, children);
}

/** Makes an SVG element, like h. */
export function s(tag, props, ...children) {
  return build(document.createElementNS(SVG, tag), props, children);
}

function build(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    setProp(element, name, value);
  }
  append(element, children);
  return element;
}

function setProp(element, name, value) {
  if (name === 'ref') {
    value(element);
  } else if (name === 'on') {
    for (const [event, listener] of Object.entries(value)) {
      element.addEventListener(event, listener);
    }
  } else if (name === 'class') {
    const names = Array.isArray(value) ? value.filter(Boolean).join(' ') : value;
    if (names) {
      element.setAttribute('class', names);
    }
  } else if (name === 'dataset') {
    Object.assign(element.dataset, value);
  } else if (name === 'checked' || name === 'indeterminate') {
    element[name] = Boolean(value);
  } else {
    setAttr(element, name, value);
    if (name === 'value' && value !== null && value !== undefined) {
      element.value = value;
    }
  }
}

/** Sets an attribute, or removes it if the value is false, null or undefined. */
export function setAttr(element, name, value) {
  const lower = name.toLowerCase();
  if (lower.startsWith('on') || FORBIDDEN.has(lower)) {
    throw new TypeError(`attribute ${name} is not allowed`);
  }
  if (value === false || value === null || value === undefined) {
    element.removeAttribute(name);
    return;
  }
  if (lower === 'href' && !safeHref(String(value))) {
    throw new TypeError('href must be a path or an http(s) address');
  }
  element.setAttribute(name, value === true ? '' : String(value));
}

/** Whether a link may have the address: no scheme that runs code. */
export function safeHref(href) {
  return /^(?:\/(?!\/)|#|https?:\/\/)/.test(href);
}

/** Appends nodes and text. */
export function append(element, children) {
  for (const child of [children].flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === true || child === '') {
      continue;
    }
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** Puts these children in the place of all that the element has. */
export function replace(element, ...children) {
  element.replaceChildren();
  return append(element, children);
}

/** Sets the text of an element, and leaves an equal one alone. */
export function setText(element, text) {
  const value = String(text);
  if (element.textContent !== value) {
    element.textContent = value;
  }
}

/**
 * Text of somebody else: isolated, so that its direction marks do not reorder what
 * is around it.
 */
export function userText(text, props) {
  return h('bdi', props, text);
}

let ids = 0;

/** An id that no other element has. */
export function uniqueId(prefix) {
  ids += 1;
  return `${prefix}-${ids}`;
}

/** Tells screen readers something that is seen elsewhere. */
export function announce(text) {
  const box = document.getElementById('announcer');
  if (box) {
    box.textContent = '';
    requestAnimationFrame(() => { box.textContent = text; });
  }
}
