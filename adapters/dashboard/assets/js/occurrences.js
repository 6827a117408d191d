// How often something occurred over time, counted from the lines that are known.

/** The parts that a span of time is cut into. */
const PARTS = 24;

/**
 * Counts times by parts of the span from the first to the last of them:
 * {times, counts, from, to, step}, where times are the begins of the parts, and from, to
 * and step are milliseconds. Null where no time can be read.
 */
export function histogram(isoTimes, parts = PARTS) {
  const at = isoTimes.map((iso) => Date.parse(iso ?? '')).filter((t) => !Number.isNaN(t));
  if (at.length === 0) {
    return null;
  }
  const from = at.reduce((least, t) => Math.min(least, t));
  const to = at.reduce((most, t) => Math.max(most, t));
  const step = Math.max(1, (to - from) / parts);
  const counts = new Array(parts).fill(0);
  for (const t of at) {
    counts[Math.min(parts - 1, Math.floor((t - from) / step))] += 1;
  }
  return { times: counts.map((_, i) => new Date(from + i * step).toISOString()), counts, from, to, step };
}

/**
 * The findings of one anomaly on a page of a list put together, in the order of their
 * newest: {…newest, count, first_seen, last_seen, severity, services, findings}.
 */
export function gather(findings) {
  const groups = new Map();
  for (const finding of findings) {
    const before = groups.get(finding.id);
    groups.set(finding.id, before ? merge(before, finding) : { ...finding, findings: 1 });
  }
  return [...groups.values()];
}

const SEVERITIES = ['info', 'low', 'medium', 'high', 'critical'];

function merge(newest, older) {
  return {
    ...newest,
    count: newest.count + older.count,
    findings: newest.findings + 1,
    first_seen: earlier(newest.first_seen, older.first_seen),
    last_seen: earlier(newest.last_seen, older.last_seen) === newest.last_seen ? older.last_seen ?? newest.last_seen : newest.last_seen,
    severity: SEVERITIES.indexOf(older.severity) > SEVERITIES.indexOf(newest.severity) ? older.severity : newest.severity,
    services: [...new Set([...newest.services, ...older.services])],
  };
}

/** The earlier of two times, where null is none. */
function earlier(a, b) {
  if (!a || !b) {
    return a ?? b;
  }
  return Date.parse(b) < Date.parse(a) ? b : a;
}
