// Numbers, times and names as people read them. All functions are pure; those that
// need the present get it.

const LOCALE = 'en-US';
const plain = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 2 });
const compactFormat = new Intl.NumberFormat(LOCALE, { notation: 'compact', maximumFractionDigits: 1 });

/** 1234567 → "1,234,567"; what is no number → "–". */
export function number(n) {
  return Number.isFinite(n) ? plain.format(n) : '–';
}

/** 1234567 → "1.2M"; below 10,000 in full. */
export function compact(n) {
  if (!Number.isFinite(n)) {
    return '–';
  }
  return Math.abs(n) < 10_000 ? number(Math.abs(n) < 10 ? n : Math.round(n * 10) / 10) : compactFormat.format(n);
}

/** 1 → "1 task", 2 → "2 tasks". */
export function count(n, one, many = `${one}s`) {
  return `${number(n)} ${n === 1 ? one : many}`;
}

/** A duration in milliseconds: "0 ms", "340 ms", "1.2 s", "3 min 5 s", "2 h 4 min", "3 d 2 h". */
export function duration(ms) {
  if (!Number.isFinite(ms)) {
    return '–';
  }
  if (ms < 0) {
    return `−${duration(-ms)}`;
  }
  if (ms < 1) {
    return ms === 0 ? '0 ms' : '<1 ms';
  }
  if (ms < 999.5) {
    return `${Math.round(ms)} ms`;
  }
  const seconds = ms / 1000;
  if (seconds < 9.95) {
    return `${Number(seconds.toFixed(1))} s`;
  }
  if (seconds < 59.5) {
    return `${Math.round(seconds)} s`;
  }
  const units = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]];
  let rest = Math.round(seconds);
  const at = units.findIndex(([, size]) => rest >= size);
  const parts = [];
  for (const [name, size] of units.slice(at, at + 2)) {
    const whole = Math.floor(rest / size);
    rest -= whole * size;
    if (whole > 0) {
      parts.push(`${whole} ${name}`);
    }
  }
  return parts.join(' ');
}

/** The age of a time: "now", "12 s ago", "5 min ago", "3 h ago", "2 d ago", "in 4 min". */
export function relative(iso, now) {
  const t = Date.parse(iso ?? '');
  if (Number.isNaN(t)) {
    return '–';
  }
  const seconds = (now - t) / 1000;
  if (Math.abs(seconds) < 1.5) {
    return 'now';
  }
  const text = roughly(Math.abs(seconds));
  return seconds > 0 ? `${text} ago` : `in ${text}`;
}

function roughly(seconds) {
  const units = [['y', 365 * 86400], ['d', 86400], ['h', 3600], ['min', 60], ['s', 1]];
  const [name, size] = units.find(([, unit]) => Math.round(seconds) >= unit) ?? units.at(-1);
  return `${Math.floor(Math.round(seconds) / size)} ${name}`;
}

/** The exact time in the zone of the reader and in UTC. */
export function exact(iso) {
  const t = new Date(iso ?? '');
  if (Number.isNaN(t.getTime())) {
    return '';
  }
  return `${dateTime(iso)} (${t.toISOString()})`;
}

/** "2026-11-24 12:03:45" in the zone of the reader. */
export function dateTime(iso) {
  const t = new Date(iso ?? '');
  if (Number.isNaN(t.getTime())) {
    return '–';
  }
  const two = (n) => String(n).padStart(2, '0');
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${clock(iso)}:${two(t.getSeconds())}`;
}

/** "12:03" in the zone of the reader. */
export function clock(iso) {
  const t = new Date(iso ?? '');
  if (Number.isNaN(t.getTime())) {
    return '–';
  }
  return `${String(t.getHours()).padStart(2, '0')}:${String(t.getMinutes()).padStart(2, '0')}`;
}

/** Milliseconds between two times, NaN if one has not come. */
export function between(from, to) {
  return Date.parse(to ?? '') - Date.parse(from ?? '');
}

/** The first part of an id that people tell ids apart by: the end of a UUID v7 is random. */
export function shortId(id) {
  const text = String(id ?? '');
  return text.length === 36 ? text.slice(-12) : text.slice(0, 12);
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether the text is a UUID as the API takes it. */
export function isUUID(text) {
  return UUID.test(text);
}

/** JSON in readable form. */
export function prettyJSON(value) {
  return value === undefined ? '' : JSON.stringify(value, null, 2).replace(EXACT, '$1');
}

/** What marks a string that is a number of parseExactly: nobody can know it. */
const MARK = `${Math.random()}${Math.random()}#`;
const EXACT = new RegExp(`"${MARK.replaceAll('.', '\\.')}([-+.0-9eE]+)"`, 'g');

/** JSON.parse, but for numbers that would not be shown as they were sent: prettyJSON shows those. */
export function parseExactly(text) {
  return JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g, (token) => (token.startsWith('"') || String(Number(token)) === token ? token : `"${MARK}${token}"`)));
}

/** "PROCESSING" → "Processing". */
export function title(name) {
  const text = String(name ?? '').replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1).toLowerCase();
}
