// Sets the theme before anything is painted. It is a plain script, since modules
// run only after the document was parsed.
(() => {
  let choice = null;
  try {
    choice = localStorage.getItem('logsift.theme');
  } catch {
    // Storage may be forbidden; the system's theme is shown then.
  }
  if (choice === 'light' || choice === 'dark') {
    document.documentElement.dataset.theme = choice;
  }
})();
