// Tests of the modules that need no document. They run in node, see js_test.go.
import assert from 'node:assert/strict';
import test from 'node:test';

import { address, getPage, Problem } from './assets/js/api.js';
import { allowedActions, attempts, otherFailures, spans } from './assets/js/attempts.js';
import { safeHref } from './assets/js/dom.js';
import * as format from './assets/js/format.js';
import { places } from './assets/js/graph.js';
import { paths } from './assets/js/paths.js';
import { matchRoute, routes } from './assets/js/routes.js';
import * as series from './assets/js/series.js';

const table = (name, f, cases) => test(name, () => {
  for (const [args, want] of cases) {
    assert.equal(f(...args), want, `${name}(${args.map(String)})`);
  }
});

table('duration', format.duration, [
  [[0], '0 ms'], [[0.4], '<1 ms'], [[999], '999 ms'], [[999.6], '1 s'], [[1234], '1.2 s'], [[9960], '10 s'], [[59_600], '1 min'], [[60_000], '1 min'],
  [[185_000], '3 min 5 s'], [[7_440_000], '2 h 4 min'], [[180_000_000], '2 d 2 h'], [[-1500], '−1.5 s'], [[NaN], '–'], [[Infinity], '–'],
]);

table('relative', (iso, now) => format.relative(iso, Date.parse(now)), [
  [['2026-11-24T12:00:00Z', '2026-11-24T12:00:01Z'], 'now'], [['2026-11-24T12:00:00Z', '2026-11-24T12:00:59Z'], '59 s ago'],
  [['2026-11-24T12:00:00Z', '2026-11-24T12:05:59Z'], '5 min ago'], [['2026-11-24T12:00:00Z', '2026-11-24T11:56:00Z'], 'in 4 min'],
  [['2026-11-20T12:00:00Z', '2026-11-24T12:00:00Z'], '4 d ago'], [[null, '2026-11-24T12:00:00Z'], '–'], [['nonsense', '2026-11-24T12:00:00Z'], '–'],
]);

table('compact', format.compact, [[[0], '0'], [[7.123], '7.12'], [[9999], '9,999'], [[12_345], '12.3K'], [[1_234_567], '1.2M'], [[NaN], '–']]);
table('count', format.count, [[[1, 'task'], '1 task'], [[0, 'task'], '0 tasks'], [[2, 'entry', 'entries'], '2 entries']]);
table('title', format.title, [[['PROCESSING'], 'Processing'], [['lease_expired'], 'Lease expired'], [[null], '']]);
table('isUUID', format.isUUID, [[['01a20d74-8b2e-7c6e-b985-37c9220c6814'], true], [['01a20d74-8b2e-7c6e-b985-37c9220c681'], false], [[' 01a20d74-8b2e-7c6e-b985-37c9220c6814'], false]]);

table('safeHref', safeHref, [
  [['/'], true], [['/ui/tasks?x=javascript:1'], true], [['#main'], true], [['https://example.org/'], true],
  [['javascript:alert(1)'], false], [[' javascript:alert(1)'], false], [['//evil.example'], false], [['data:text/html,x'], false], [['ui/tasks'], false],
]);

test('an address has no empty parameters and escapes the others', () => {
  assert.equal(address('/queue/tasks', { status: 'FAILED', type: '', queue: null, cursor: undefined, text: 'a&b=c d' }), '/api/v1/queue/tasks?status=FAILED&text=a%26b%3Dc+d');
  assert.equal(address('root:/readyz'), '/readyz');
});

test('a problem keeps what the API told', () => {
  const problem = new Problem({ type: 'urn:logsift:problem:invalid-cursor', title: 'Invalid cursor', status: 400, detail: 'why', errors: [{ field: 'cursor', detail: 'why' }] }, 0);
  assert.equal(problem.kind, 'invalid-cursor');
  assert.equal(problem.message, 'why');
  assert.deepEqual(problem.errors, [{ field: 'cursor', detail: 'why' }]);
  assert.equal(new Problem({}, 0).offline, true);
});

test('paths lead to the pages that they name', () => {
  assert.equal(matchRoute('/').route.title, 'Overview');
  assert.deepEqual(matchRoute('/ui/tasks/a%20b').params, { id: 'a b' });
  for (const path of ['/ui', '/ui/', '/ui/tasks/', '/ui/tasks/a/b', '/ui/tasks/%zz', '/other']) {
    assert.equal(matchRoute(path), null, path);
  }
  for (const id of ['x', 'a/b', '%', 'ü?#']) {
    assert.equal(matchRoute(paths.task(id)).params.id, id);
    assert.equal(matchRoute(paths.anomaly(id)).params.id, id);
  }
  assert.equal(paths.list('/ui/tasks', { status: 'FAILED', type: '' }), '/ui/tasks?status=FAILED');
  assert.equal(new Set(routes.filter((route) => route.key).map((route) => route.key)).size, routes.filter((route) => route.nav).length, 'each page of the navigation has a key of its own');
});

test('ticks are round and cover the values', () => {
  assert.deepEqual(series.ticks(0), [0, 1]);
  assert.deepEqual(series.ticks(NaN), [0, 1]);
  assert.deepEqual(series.ticks(3, 4, true), [0, 1, 2, 3]);
  assert.deepEqual(series.ticks(100), [0, 50, 100]);
  for (const max of [0.013, 0.7, 1, 9, 99, 101, 12_345, 9e9]) {
    const marks = series.ticks(max);
    assert.ok(marks.at(-1) >= max && marks.at(-2) < max && marks.length <= 6, `${max}: ${marks}`);
  }
});

test('buckets keep every value and are at most as many as wanted', () => {
  const list = Array.from({ length: 1440 }, (_, i) => i);
  const out = series.bucket(list, 120, (part) => part);
  assert.equal(out.length, 120);
  assert.deepEqual(out.flat(), list);
  assert.deepEqual(series.bucket([1, 2], 120, (part) => part[0]), [1, 2]);
  assert.deepEqual(series.bucket([], 120, (part) => part), []);
});

test('what is no number is left out, and makes a gap', () => {
  assert.equal(series.mean([1, null, 3]), 2);
  assert.equal(series.mean([null]), null);
  assert.equal(series.greatest([1, NaN, 3]), 3);
  assert.equal(series.last([1, 2, null]), 2);
  assert.deepEqual(series.runs([null, 1, 2, null, 3]), [[[1, 1], [2, 2]], [[4, 3]]]);
});

test('buckets hold the same items when the list has moved on', () => {
  const minutes = (first) => Array.from({ length: 1440 }, (_, i) => first + i);
  const early = new Set(series.bucket(minutes(1000), 120, String, 1000));
  const late = series.bucket(minutes(1005), 120, String, 1005);
  assert.ok(late.slice(1, -1).filter((each) => early.has(each)).length >= late.length - 3);
  assert.deepEqual(series.bucket([5, 6, 7, 8], 2, (part) => part, 5), [[5], [6, 7], [8]]);
});

test('labels are at round times and fit beside each other', () => {
  const hour = Array.from({ length: 60 }, (_, i) => new Date(Date.UTC(2026, 10, 24, 12, 3 + i)).toISOString());
  const labels = series.timeLabels(hour, 480, 76, 0);
  assert.deepEqual(labels.map(({ at }) => at.slice(11, 16)), ['12:10', '12:20', '12:30', '12:40', '12:50', '13:00']);
  assert.equal(hour[labels[0].index], labels[0].at);
  const day = Array.from({ length: 120 }, (_, i) => new Date(Date.UTC(2026, 10, 24, 0, 7 + 12 * i)).toISOString());
  assert.deepEqual(series.timeLabels(day, 480, 76, -330).map(({ at }) => at.slice(11, 16)), ['02:30', '06:30', '10:30', '14:30', '18:30', '22:30'], 'round in the zone of the reader, here UTC+5:30');
  assert.deepEqual(series.timeLabels([], 400, 76, 0), []);
  assert.deepEqual(series.timeLabels([hour[0]], 400, 76, 0), []);
});

const task = {
  created_at: '2026-11-24T12:00:00Z',
  history: [
    { status: 'PENDING', at: '2026-11-24T12:00:00Z', attempt: 0, reason: '' },
    { status: 'PROCESSING', at: '2026-11-24T12:00:02Z', attempt: 1, reason: '' },
    { status: 'RETRYING', at: '2026-11-24T12:00:05Z', attempt: 1, reason: 'timeout' },
    { status: 'PROCESSING', at: '2026-11-24T12:00:15Z', attempt: 2, reason: '' },
  ],
  errors: [
    { started_at: '2026-11-24T12:00:02Z', at: '2026-11-24T12:00:05Z', reason: 'timeout', message: 'slow' },
    { started_at: null, at: '2026-11-24T12:00:06Z', reason: 'corrupt_record', message: 'broken' },
  ],
};

test('attempts are read from the history', () => {
  const list = attempts(task);
  assert.deepEqual(list.map(({ attempt, outcome, reason, waited }) => ({ attempt, outcome, reason, waited })), [
    { attempt: 1, outcome: 'RETRYING', reason: 'timeout', waited: 2000 },
    { attempt: 2, outcome: 'PROCESSING', reason: '', waited: 10_000 },
  ]);
  assert.equal(list[0].failure.message, 'slow');
  assert.equal(list[1].endedAt, null);
  assert.deepEqual(otherFailures(task, list).map((failure) => failure.message), ['broken']);
  assert.deepEqual(spans(task, list, Date.parse('2026-11-24T12:00:20Z')), [{ from: 0.1, to: 0.25 }, { from: 0.75, to: 1 }]);
  assert.deepEqual(attempts({ created_at: task.created_at }), []);
});

test('actions are those that the state allows', () => {
  const names = (status, scheduled) => Object.entries(allowedActions(status, scheduled)).filter(([, yes]) => yes).map(([name]) => name);
  assert.deepEqual(names('PENDING', false), ['cancel', 'delete']);
  assert.deepEqual(names('PENDING', true), ['run', 'cancel', 'delete']);
  assert.deepEqual(names('PROCESSING', false), ['cancel']);
  assert.deepEqual(names('RETRYING', true), ['run', 'cancel', 'delete']);
  assert.deepEqual(names('FAILED', false), ['retry', 'delete']);
  assert.deepEqual(names('CANCELLED', false), ['retry', 'delete']);
  assert.deepEqual(names('COMPLETED', false), ['delete']);
});

test('numbers are shown as they were sent', () => {
  const sent = '{"id":12345678901234567890,"n":[1,-0,1.0,1e400,0.1000000000000000055511151231257827,7],"text":"a \\"9007199254740993\\" b","9007199254740993":true}';
  const shown = format.prettyJSON(format.parseExactly(sent));
  for (const part of ['"id": 12345678901234567890,', '-0,', '1.0,', '1e400,', '0.1000000000000000055511151231257827,', '"a \\"9007199254740993\\" b"', '"9007199254740993": true']) {
    assert.ok(shown.includes(part), `${part} in ${shown}`);
  }
  assert.deepEqual(format.parseExactly('{"a":1.5,"b":["x",2]}'), { a: 1.5, b: ['x', 2] });
  assert.throws(() => format.parseExactly('{"a":1-}'));
});

test('empty pages of a list are passed over', async (t) => {
  const asked = [];
  t.mock.method(globalThis, 'fetch', async (path) => {
    asked.push(path);
    const body = asked.length < 3 ? { tasks: [], next_cursor: `c${asked.length}` } : { tasks: [{ id: 1 }], next_cursor: null };
    return new Response(JSON.stringify(body), { headers: { 'Content-Type': 'application/json' } });
  });
  const page = await getPage('/queue/tasks', 'tasks', { query: { type: 'x' } });
  assert.deepEqual(page.tasks, [{ id: 1 }]);
  assert.deepEqual(asked, ['/api/v1/queue/tasks?type=x', '/api/v1/queue/tasks?type=x&cursor=c1', '/api/v1/queue/tasks?type=x&cursor=c2']);
});

test('a graph has each task right of those that it waits for', () => {
  const at = places([
    { ref: 'sum', after: ['north', 'south'] }, { ref: 'north', after: [] }, { ref: 'south', after: ['north'] },
    { ref: 'end', after: ['sum', 'unread'] },
  ]);
  assert.deepEqual([...at.entries()].map(([ref, place]) => [ref, place.column, place.row]),
    [['sum', 2, 0], ['north', 0, 0], ['south', 1, 0], ['end', 3, 0]]);
});
