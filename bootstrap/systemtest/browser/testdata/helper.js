// What the browser tests give to every document. It changes nothing of the page.
(() => {
  document.addEventListener('securitypolicyviolation', (e) => {
    globalThis.__violation(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`);
  });

  const visible = (el) => el.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && el.getClientRects().length > 0;
  // A name as assistive technology reads it, near enough.
  const label = (el) => [el.getAttribute('aria-label'), el.labels?.[0]?.textContent, el.textContent].filter(Boolean).join(' ').replace(/\s+/g, ' ').trim();
  const all = (selector, text) => [...document.querySelectorAll(selector)]
    .filter((el) => visible(el) && (!text || label(el).includes(text)));
  // The innermost of those that match, so that a row is not taken for its button.
  const find = (selector, text) => {
    const found = all(selector, text);
    return found.find((el) => !found.some((other) => other !== el && el.contains(other)));
  };

  globalThis.__t = {
    all,
    find,
    count: (selector, text) => all(selector, text).length,
    texts: (selector) => all(selector).map((el) => el.textContent),

    // point is the middle of an element if a click there reaches it.
    point(selector, text) {
      const el = find(selector, text);
      if (!el || el.disabled) return null;
      el.scrollIntoView({ block: 'center', inline: 'nearest', behavior: 'instant' });
      const box = el.getBoundingClientRect();
      const x = Math.min(box.left + box.width / 2, innerWidth - 2);
      const y = box.top + box.height / 2;
      const hit = document.elementFromPoint(x, y);
      return hit && (el.contains(hit) || hit.contains(el)) ? [x, y] : null;
    },

    choose(selector, value) {
      const el = find(selector);
      if (!el) return false;
      const option = [...el.options].find((o) => o.value === value || o.textContent.trim() === value);
      if (!option) return false;
      el.value = option.value;
      el.dispatchEvent(new Event('input', { bubbles: true }));
      el.dispatchEvent(new Event('change', { bubbles: true }));
      return true;
    },

    // wide names the elements that make the page wider than the window.
    wide() {
      const width = document.documentElement.clientWidth;
      if (document.documentElement.scrollWidth <= width && document.body.scrollWidth <= width) return [];
      return [...document.querySelectorAll('body *')]
        .filter((el) => visible(el) && el.getBoundingClientRect().right > width + 1)
        .map((el) => `${el.tagName}.${el.className} ${Math.round(el.getBoundingClientRect().right)}px: ${el.textContent.slice(0, 60)}`)
        .slice(0, 10);
    },

    // cut names the texts of drawings that reach out of them at the left or the right.
    cut() {
      return [...document.querySelectorAll('svg text')].filter(visible).filter((el) => {
        const [inner, outer] = [el.getBoundingClientRect(), el.ownerSVGElement.getBoundingClientRect()];
        return inner.left < outer.left - 1 || inner.right > outer.right + 1;
      }).map((el) => el.textContent);
    },

    focused() {
      const el = document.activeElement;
      return el === document.body ? '' : `${el.tagName.toLowerCase()} ${label(el)}`.slice(0, 200);
    },
  };
})();
