// The logs and anomalies behind a log analysis task.
import { get, isAbort } from '../api.js';
import { h, replace, userText } from '../dom.js';
import { count, number } from '../format.js';
import { paths } from '../paths.js';
import { severityBadge, tag } from '../components/badge.js';
import { errorState, skeleton } from '../components/states.js';
import { table } from '../components/table.js';
import { timeFull } from '../components/time.js';

const PAGE = 20;
const ANOMALIES = 10;
const LEVEL_TONES = { fatal: 'bad', error: 'bad', warn: 'warn', info: 'info' };

/** The log entries that the task was given, or those of the span that it analysed. */
export function logsOf(task, signal) {
  const ids = task.payload?.log_ids ?? [];
  if (Array.isArray(ids) && ids.length > 0) {
    return byIds(ids, signal);
  }
  const window = spanOf(task.result);
  if (!window) {
    return h('p', { class: 'quiet' }, task.status === 'COMPLETED' ? 'The entries that were analysed have no time to find them by.' : 'The entries of the batch are known when it was analysed.');
  }
  return bySpan(window, task.result, signal);
}

/** The span of an analysis, with its end included; null if the entries had no times. */
function spanOf(result) {
  const from = Date.parse(result?.window?.from ?? '');
  const to = Date.parse(result?.window?.to ?? '');
  if (!(from > 0) || !(to >= from)) {
    return null;
  }
  return { from: result.window.from, to: new Date(to + 1).toISOString() };
}

function bySpan(window, result, signal) {
  const box = h('div', null, skeleton(5));
  load(box, async () => {
    const { logs } = await get('/logs', { query: { ...window, limit: PAGE }, signal });
    replace(box, logs.length > 0 ? logTable(logs).element : h('p', { class: 'quiet' }, 'The entries are no longer stored.'),
      h('p', { class: 'panel-foot' }, `${count(result.analysed_count, 'entry', 'entries')} analysed. The newest of that time are shown. `, h('a', { href: paths.list('/ui/logs', window) }, 'All logs of that time')));
  });
  return box;
}

function byIds(ids, signal) {
  const box = h('div', null, skeleton(5));
  const entries = [];
  let missing = 0;
  let asked = 0;
  const rows = logTable([]);
  const more = async () => {
    const part = ids.slice(asked, asked + PAGE);
    const found = await Promise.all(part.map((id) => entry(id, signal)));
    asked += part.length;
    entries.push(...found.filter(Boolean));
    missing += found.filter((each) => each === null).length;
    rows.setRows(entries);
    replace(box,
      entries.length > 0 && rows.element,
      h('p', { class: 'panel-foot' },
        `${number(asked)} of ${count(ids.length, 'entry', 'entries')} looked up`, missing > 0 && `, ${number(missing)} no longer stored`, '. ',
        asked < ids.length && h('button', { class: 'button small', type: 'button', on: { click: () => load(box, more) } }, `Show ${Math.min(PAGE, ids.length - asked)} more`)));
  };
  load(box, more);
  return box;
}

/** One entry, null if it is no longer stored. */
async function entry(id, signal) {
  try {
    return await get(`/logs/${encodeURIComponent(id)}`, { signal });
  } catch (error) {
    if (error.status === 404) {
      return null;
    }
    throw error;
  }
}

async function load(box, what) {
  try {
    await what();
  } catch (error) {
    if (!isAbort(error)) {
      replace(box, errorState(error, () => load(box, what)));
    }
  }
}

function logTable(logs) {
  const rows = table({
    label: 'Log entries',
    key: (log) => log.id,
    columns: [
      { label: 'Time', class: 'nowrap', cell: (log) => timeFull(log.timestamp) },
      { label: 'Level', cell: (log) => tag(log.level, LEVEL_TONES[log.level]) },
      { label: 'Source', class: 'nowrap', cell: (log) => userText(log.source) },
      { label: 'Message', class: 'wide', cell: (log) => h('code', { title: log.message }, userText(log.message)) },
    ],
  });
  rows.setRows(logs);
  return rows;
}

/** The anomalies in the result of the task, the worst first. */
export function anomaliesOf(task) {
  const found = Array.isArray(task.result?.anomalies) ? task.result.anomalies : null;
  if (!found) {
    return h('p', { class: 'quiet' }, 'None yet: the analysis has no result.');
  }
  if (found.length === 0) {
    return h('p', { class: 'quiet' }, 'Nothing unusual was found.');
  }
  const rows = table({
    label: 'Anomalies found by this task',
    key: (anomaly) => anomaly.id,
    href: (anomaly) => paths.anomaly(anomaly.id),
    columns: [
      { label: 'Severity', cell: (anomaly) => severityBadge(anomaly.severity) },
      { label: 'What', link: true, class: 'wide', cell: (anomaly) => userText(anomaly.template || anomaly.evidence || anomaly.kind, { title: anomaly.template }) },
      { label: 'Kind', class: 'nowrap', cell: (anomaly) => userText(anomaly.kind) },
      { label: 'Lines', class: 'num', cell: (anomaly) => number(anomaly.count) },
    ],
  });
  rows.setRows(found.slice(0, ANOMALIES));
  if (found.length <= ANOMALIES) {
    return rows.element;
  }
  const all = () => {
    rows.setRows(found);
    foot.remove();
  };
  const foot = h('p', { class: 'panel-foot' }, h('button', { class: 'button small', type: 'button', on: { click: all } }, `Show all ${number(found.length)}`));
  return [rows.element, foot];
}
