// Shows the page of the location: loads its module, mounts it, unmounts the one
// before, and takes care of titles, focus and scrolling.
import { announce, h, replace } from './dom.js';
import { isAbort } from './api.js';
import { watch } from './live.js';
import { matchRoute } from './routes.js';
import { emptyState, errorState } from './components/states.js';

const PRODUCT = 'logsift';

let outlet = null;
let leave = () => {};
/** Counts the pages shown, so that a slow one does not take the place of a later one. */
let turn = 0;
let listener = () => {};

/** Starts with the page of the location. onRoute gets the route of each page. */
export function start(element, onRoute) {
  outlet = element;
  listener = onRoute;
  history.scrollRestoration = 'manual';
  window.addEventListener('popstate', (event) => show({ scroll: event.state?.scroll ?? 0 }));
  document.addEventListener('click', followLink);
  window.addEventListener('pagehide', rememberScroll);
  show({ scroll: history.state?.scroll ?? 0, first: true });
}

/** Goes to a path of the dashboard, with a query if it has one. */
export function navigate(path, { replace: instead = false, state = {} } = {}) {
  rememberScroll();
  history[instead ? 'replaceState' : 'pushState'](state, '', path);
  show({ scroll: 0 });
}

/** Shows the present page anew. */
export function reload() {
  show({ scroll: window.scrollY, first: true });
}

/** Ends the present page and leaves the outlet to the caller. */
export function clear() {
  turn += 1;
  leave();
  leave = () => {};
}

function rememberScroll() {
  history.replaceState({ ...history.state, scroll: window.scrollY }, '');
}

/**
 * Handles plain clicks on links to pages, and to places of this one: a fragment in the
 * location would be an entry of the history without a page. All others are the browser's.
 */
function followLink(event) {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) {
    return;
  }
  const link = event.target.closest?.('a[href]');
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) {
    return;
  }
  if (link.getAttribute('href').startsWith('#')) {
    event.preventDefault();
    document.querySelector(link.hash)?.focus();
    return;
  }
  if (!matchRoute(link.pathname)) {
    return;
  }
  event.preventDefault();
  navigate(link.pathname + link.search);
}

async function show({ scroll, first = false }) {
  clear();
  const mine = turn;
  const match = matchRoute(location.pathname);
  listener(match?.route ?? null);
  const root = h('div', { class: 'page' });
  replace(outlet, root);
  setTitle(match?.route.title ?? 'Not found');
  if (!match) {
    notFound(root);
    settle(root, scroll, first);
    return;
  }
  const page = await loadPage(match.route, root);
  if (mine !== turn || !page) {
    return;
  }
  const controller = new AbortController();
  leave = () => controller.abort();
  let mounted;
  try {
    mounted = page.mount(root, context(match, controller.signal));
    settle(root, 0, first);
    const unmount = await mounted;
    if (typeof unmount === 'function') {
      controller.signal.addEventListener('abort', unmount, { once: true });
      if (controller.signal.aborted) {
        unmount();
      }
    }
  } catch (error) {
    if (mine === turn && !isAbort(error)) {
      replace(root, heading(match.route.title), errorState(error, reload));
      console.error(error);
    }
  }
  if (mine === turn && scroll > 0) {
    window.scrollTo(0, scroll);
  }
}

/** Loads a page's module. One that is gone was replaced by an upgrade of the server. */
async function loadPage(route, root) {
  try {
    return await route.load();
  } catch (error) {
    console.error(error);
    replace(root, heading(route.title), emptyState({
      title: 'This page could not be loaded',
      text: 'The server may have been upgraded since this tab was opened, or it cannot be reached.',
      action: h('button', { class: 'button', type: 'button', on: { click: () => location.reload() } }, 'Load the dashboard again'),
    }));
    return null;
  }
}

function heading(text) {
  return h('h1', { class: 'page-title', tabindex: '-1' }, text);
}

function notFound(root) {
  replace(root, heading('No such page'), emptyState({
    title: 'The dashboard has no page at this address',
    text: location.pathname,
    action: h('a', { class: 'button', href: '/' }, 'Go to the overview'),
  }));
}

/** Moves to the top and into the heading, where keyboards and screen readers go on. */
function settle(root, scroll, first) {
  window.scrollTo(0, scroll);
  if (first) {
    return;
  }
  const target = root.querySelector('h1') ?? outlet;
  target.focus({ preventScroll: true });
  announce(document.title);
}

function setTitle(text) {
  document.title = `${text} · ${PRODUCT}`;
}

function context({ params }, signal) {
  return {
    params,
    signal,
    get query() { return new URLSearchParams(location.search); },
    get state() { return history.state ?? {}; },
    navigate,
    reload,
    setTitle,
    setQuery,
    watch: (options) => watch(signal, options),
  };
}

/**
 * Writes parameters into the query of the location: null, undefined and "" remove one.
 * The page stays as it is and loads what it shows by itself. With push, an entry is added
 * to the history; going back mounts the page anew with the query of before. The state is
 * kept with the entry.
 */
function setQuery(changes, { push = false, state = {} } = {}) {
  const params = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === '') {
      params.delete(name);
    } else {
      params.set(name, value);
    }
  }
  const text = params.toString();
  const path = text ? `${location.pathname}?${text}` : location.pathname;
  if (push) {
    rememberScroll();
    history.pushState(state, '', path);
  } else {
    history.replaceState({ ...history.state, ...state }, '', path);
  }
}
