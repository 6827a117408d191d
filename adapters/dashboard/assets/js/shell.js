// What is around the pages: navigation, search, the state of the connection, theme,
// shortcuts, and the view to sign in.
import { session } from './api.js';
import { h, replace, setAttr, setText } from './dom.js';
import { isUUID, title } from './format.js';
import { icon, logo } from './icons.js';
import { listen, shortcut, showShortcuts } from './keys.js';
import { status } from './live.js';
import { nextTheme, theme, themes } from './prefs.js';
import { clear, navigate, reload, start as startRouter } from './router.js';
import { paths } from './paths.js';
import { routes } from './routes.js';
import { signInView } from './signin.js';
import { startClock } from './components/time.js';
import { toast } from './components/toast.js';

const STATUS = {
  idle: ['', ''],
  live: ['Live', 'What you see changes as it happens'],
  polling: ['Polling', 'The server sends no events; what you see is asked for every few seconds'],
  paused: ['Paused', 'Nothing is asked for while the tab is hidden'],
  offline: ['Offline', 'The server does not answer; what you see may be old'],
};

/** Starts the dashboard. */
export async function start() {
  const main = document.getElementById('main');
  replace(document.getElementById('topbar'), topbar());
  replace(document.getElementById('sidebar'), sidebar());
  startClock();
  addShortcuts();
  listen();
  try {
    await session.load();
  } catch {
    // The page itself will tell that the server does not answer, and offer to retry.
  }
  if (session.signedOut) {
    showSignIn(main);
  } else {
    startRouter(main, markSection);
    started = true;
  }
  session.addEventListener('change', () => {
    if (session.signedOut) {
      showSignIn(main);
    }
  });
}

let started = false;
let asking = false;

function showSignIn(main) {
  if (asking) {
    return;
  }
  asking = true;
  clear();
  status.set('idle');
  replace(main, signInView(() => {
    asking = false;
    if (started) {
      reload();
    } else {
      started = true;
      startRouter(main, markSection);
    }
  }));
  document.title = 'Sign in · logsift';
  main.querySelector('input')?.focus();
}

function topbar() {
  return [
    h('button', {
      class: 'icon-button menu-button', type: 'button', 'aria-label': 'Pages', 'aria-expanded': 'false', 'aria-controls': 'sidebar',
      on: { click: toggleMenu },
    }, icon('menu')),
    h('a', { class: 'brand', href: '/', 'aria-label': 'logsift' }, logo(), h('span', null, 'logsift')),
    searchForm(),
    h('div', { class: 'topbar-end' }, liveIndicator(), userMenu(),
      themeButton(),
      h('button', { class: 'icon-button wide-only', type: 'button', 'aria-label': 'Keyboard shortcuts', title: 'Keyboard shortcuts (?)', on: { click: showShortcuts } }, icon('keyboard'))),
  ];
}

function searchForm() {
  return h('form', { class: 'search', role: 'search', on: { submit: search } },
    icon('search'),
    h('input', { id: 'search', type: 'search', name: 'q', autocomplete: 'off', spellcheck: 'false', placeholder: 'Task id, or text in logs', 'aria-label': 'Search a task by its id, or text in logs' }),
    h('kbd', { class: 'wide-only', 'aria-hidden': 'true' }, '/'));
}

function search(event) {
  event.preventDefault();
  const input = event.target.elements.q;
  const text = input.value.trim();
  if (text === '') {
    return;
  }
  input.value = '';
  input.blur();
  navigate(isUUID(text) ? paths.task(text.toLowerCase()) : paths.list('/ui/logs', { text }));
}

function liveIndicator() {
  const label = h('span');
  const box = h('span', { class: 'live', role: 'status' }, h('span', { class: 'live-dot', 'aria-hidden': 'true' }), label);
  const show = () => {
    const [text, explanation] = STATUS[status.value];
    box.dataset.state = status.value;
    setAttr(box, 'title', explanation);
    setText(label, text);
  };
  status.addEventListener('change', show);
  show();
  return box;
}

/** Who is signed in, and the way out; empty where no keys are needed. */
function userMenu() {
  const box = h('div', { class: 'user' });
  const show = () => {
    if (!session.required || session.signedOut) {
      replace(box);
      return;
    }
    replace(box,
      h('span', { class: 'user-name', title: `Signed in with the key ${session.name}, role ${session.role}` }, icon('user'), h('bdi', null, session.name), h('span', { class: 'muted' }, session.role)),
      h('button', { class: 'button small', type: 'button', on: { click: signOut } }, 'Sign out'));
  };
  session.addEventListener('change', show);
  show();
  return box;
}

async function signOut() {
  try {
    await session.signOut();
  } catch (error) {
    toast(error.message, { kind: 'bad' });
  }
}

function themeButton() {
  const button = h('button', { class: 'icon-button', type: 'button' });
  const show = () => {
    const choice = theme();
    const label = `Theme: ${choice === 'auto' ? 'as the system' : choice}`;
    setAttr(button, 'aria-label', label);
    setAttr(button, 'title', label);
    replace(button, icon({ auto: 'auto', light: 'sun', dark: 'moon' }[choice]));
  };
  button.addEventListener('click', nextTheme);
  themes.addEventListener('change', show);
  show();
  return button;
}

function sidebar() {
  return [pageLinks(), h('a', { class: 'nav-link nav-docs', href: '/docs' }, icon('external'), h('span', null, 'API reference'))];
}

function pageLinks() {
  return h('ul', { class: 'nav' }, routes.filter((route) => route.nav).map((route) => h('li', null,
    h('a', { class: 'nav-link', href: route.path, dataset: { section: route.section } },
      icon(route.icon), h('span', null, route.nav), h('kbd', { 'aria-hidden': 'true' }, `g ${route.key}`)))));
}

/** Marks where the page is in the navigation. */
function markSection(route) {
  for (const link of document.querySelectorAll('.nav-link')) {
    setAttr(link, 'aria-current', link.dataset.section === route?.section ? 'page' : null);
  }
  closeMenu();
}

function toggleMenu() {
  const open = document.body.classList.toggle('menu-open');
  setAttr(document.querySelector('.menu-button'), 'aria-expanded', open ? 'true' : 'false');
  if (open) {
    document.querySelector('.nav-link[aria-current], .nav-link').focus();
  }
}

function closeMenu() {
  if (document.body.classList.contains('menu-open')) {
    toggleMenu();
  }
}

function addShortcuts() {
  for (const route of routes.filter((entry) => entry.key)) {
    shortcut(`g ${route.key}`, title(route.nav), () => navigate(route.path), { group: 'Go to' });
  }
  shortcut('/', 'Search', () => document.getElementById('search').focus());
  shortcut('?', 'Show these shortcuts', showShortcuts);
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || event.defaultPrevented) {
      return;
    }
    if (document.body.classList.contains('menu-open')) {
      toggleMenu();
      document.querySelector('.menu-button').focus();
    } else if (event.target.id === 'search') {
      event.target.blur();
    }
  });
  document.addEventListener('click', (event) => {
    if (document.body.classList.contains('menu-open') && !event.target.closest('.sidebar, .menu-button')) {
      toggleMenu();
    }
  });
}
