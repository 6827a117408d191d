// What a visitor chose, kept by the browser. Without storage it lasts until the page is
// loaded again.

const PREFIX = 'logsift.';
const memory = new Map();

/** A choice by name, or the fallback. */
export function pref(name, fallback) {
  try {
    return localStorage.getItem(PREFIX + name) ?? fallback;
  } catch {
    return memory.get(name) ?? fallback;
  }
}

/** Keeps a choice; null forgets it. */
export function setPref(name, value) {
  memory.set(name, value);
  try {
    if (value === null) {
      localStorage.removeItem(PREFIX + name);
    } else {
      localStorage.setItem(PREFIX + name, value);
    }
  } catch {
    // Storage may be forbidden or full.
  }
}

const THEMES = ['auto', 'light', 'dark'];

/** "auto", "light" or "dark". theme.js reads the same before the first paint. */
export function theme() {
  const choice = pref('theme', 'auto');
  return THEMES.includes(choice) ? choice : 'auto';
}

/** Dispatches "change" when the theme was chosen. */
export const themes = new EventTarget();

/** Sets the theme. */
export function setTheme(choice) {
  setPref('theme', choice === 'auto' ? null : choice);
  if (choice === 'auto') {
    delete document.documentElement.dataset.theme;
  } else {
    document.documentElement.dataset.theme = choice;
  }
  themes.dispatchEvent(new Event('change'));
}

/** Goes to the next theme. */
export function nextTheme() {
  setTheme(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
}
