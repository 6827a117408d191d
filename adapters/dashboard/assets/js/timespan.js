// Spans of time to choose from, as filters of a list: "the last hour", or from and to.

const MINUTE = 60_000;

const SPANS = [
  ['', 'Any time'], ['15m', 'Last 15 minutes'], ['1h', 'Last hour'], ['6h', 'Last 6 hours'],
  ['24h', 'Last 24 hours'], ['7d', 'Last 7 days'], ['custom', 'From … to …'],
];

const LENGTHS = { '15m': 15 * MINUTE, '1h': 60 * MINUTE, '6h': 360 * MINUTE, '24h': 1440 * MINUTE, '7d': 10_080 * MINUTE };

/** The fields of a filter bar for a span; label says what the time is of. */
export function spanFields(label = 'Time') {
  return [
    { name: 'since', label, kind: 'select', options: SPANS },
    { name: 'from', label: 'From', kind: 'time' },
    { name: 'to', label: 'To', kind: 'time' },
  ];
}

/** What the API takes for the values of these fields: {from, to}. now is in milliseconds. */
export function spanQuery({ since, from, to }, now) {
  if (since === 'custom' || !since) {
    return since ? { from, to } : {};
  }
  const length = LENGTHS[since];
  return length ? { from: new Date(now - length).toISOString() } : {};
}

/** Shows the fields for from and to only where they count. */
export function showSpan(bar, { since }) {
  for (const name of ['from', 'to']) {
    bar.element.elements[name].closest('.filter').hidden = since !== 'custom';
  }
}

/** The values of the fields for the time around another, in milliseconds each way. */
export function spanAround(iso, reach) {
  const at = Date.parse(iso);
  return { since: 'custom', from: new Date(at - reach).toISOString(), to: new Date(at + reach).toISOString() };
}
