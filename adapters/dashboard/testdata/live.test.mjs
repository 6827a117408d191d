// Tests of live.js with a document, a clock and a source of events of their own.
import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';

class Sources extends EventTarget {
  static CLOSED = 2;
  static all = [];
  readyState = 0;

  constructor(url) {
    super();
    this.url = url;
    Sources.all.push(this);
  }

  close() {
    this.readyState = Sources.CLOSED;
  }

  static get open() {
    return Sources.all.filter((source) => source.readyState !== Sources.CLOSED);
  }

  connect() {
    this.readyState = 1;
    this.dispatchEvent(new Event('open'));
  }

  send(data) {
    this.dispatchEvent(Object.assign(new Event('task'), { data: JSON.stringify(data) }));
  }

  refuse() {
    this.readyState = Sources.CLOSED;
    this.dispatchEvent(new Event('error'));
  }
}

globalThis.EventSource = Sources;
globalThis.window = new EventTarget();
globalThis.document = Object.assign(new EventTarget(), { hidden: false });
let clock = 0;
performance.now = () => clock;
mock.timers.enable({ apis: ['setTimeout'] });

const { status, watch } = await import('./assets/js/live.js');

/** Lets promises settle, then time pass. */
async function pass(ms) {
  for (let left = ms; left > 0; left -= 50) {
    clock += 50;
    mock.timers.tick(50);
    await new Promise(setImmediate);
  }
}

function hide(hidden) {
  document.hidden = hidden;
  document.dispatchEvent(new Event('visibilitychange'));
}

let page;

function start(options = {}) {
  const calls = { refreshes: 0, events: [], errors: [] };
  const watcher = watch(page.signal, {
    refresh: async () => {
      calls.refreshes += 1;
      await options.refresh?.();
    },
    onEvents: (list) => calls.events.push(list),
    onError: (error, first) => calls.errors.push([error, first]),
    ...options.watch,
  });
  return { calls, watcher };
}

beforeEach(() => {
  page?.abort();
  page = new AbortController();
  document.hidden = false;
  Sources.all = [];
});

test('without events it asks every two seconds', async () => {
  const { calls } = start();
  await pass(50);
  assert.equal(calls.refreshes, 1);
  assert.equal(status.value, 'polling');
  await pass(10_000);
  assert.ok(calls.refreshes >= 5 && calls.refreshes <= 6, `${calls.refreshes}`);
});

test('with events it asks after them, and seldom otherwise', async () => {
  const { calls } = start({ watch: { query: { task_id: 'x', type: '' } } });
  assert.deepEqual(Sources.all.map((source) => source.url), ['/api/v1/queue/events?task_id=x']);
  Sources.all[0].connect();
  await pass(50);
  assert.equal(status.value, 'live');
  await pass(5000);
  assert.equal(calls.refreshes, 1, 'nothing has happened');
  Sources.all[0].send({ task_id: 'x', to: 'FAILED' });
  await pass(300);
  assert.deepEqual(calls.events, [[{ task_id: 'x', to: 'FAILED' }]]);
  assert.equal(calls.refreshes, 2, 'an event is seen at once');
  await pass(11_000);
  assert.equal(calls.refreshes, 3, 'in case an event was lost');
});

test('a flood of events is a call and a refresh a second at most', async () => {
  const { calls } = start();
  Sources.all[0].connect();
  await pass(50);
  for (let i = 0; i < 100; i += 1) {
    Sources.all[0].send({ i });
    Sources.all[0].send({ i });
    await pass(50);
  }
  assert.ok(calls.refreshes >= 5 && calls.refreshes <= 7, `${calls.refreshes} refreshes in 5 s`);
  assert.ok(calls.events.length <= 25, `${calls.events.length} calls in 5 s`);
  await pass(300);
  assert.equal(calls.events.flat().length, 200, 'no event is lost');
});

test('a hidden tab asks for nothing, and catches up when it is seen', async () => {
  const { calls } = start();
  Sources.all[0].connect();
  await pass(50);
  hide(true);
  assert.equal(Sources.open.length, 0);
  assert.equal(status.value, 'paused');
  await pass(60_000);
  assert.equal(calls.refreshes, 1);
  hide(false);
  await pass(50);
  assert.equal(calls.refreshes, 2);
  assert.equal(Sources.open.length, 1);
});

test('refreshes never overlap, and one that is wanted meanwhile follows', async () => {
  let running = 0;
  let release;
  const { calls, watcher } = start({
    refresh: () => {
      running += 1;
      assert.equal(running, 1);
      return new Promise((resolve) => { release = () => { running -= 1; resolve(); }; });
    },
  });
  await pass(50);
  const done = Promise.all([watcher.refresh(), watcher.refresh()]);
  await pass(5000);
  assert.equal(calls.refreshes, 1);
  release();
  await pass(50);
  assert.equal(calls.refreshes, 2, 'both that were wanted are one');
  release();
  await done;
});

test('while the server is away it asks less and less', async () => {
  let away = true;
  const { calls } = start({ refresh: async () => { if (away) { throw Object.assign(new Error('away'), { status: 0 }); } } });
  await pass(50);
  assert.equal(status.value, 'offline');
  assert.equal(calls.errors[0][1], true, 'none has succeeded yet');
  await pass(120_000);
  assert.ok(calls.refreshes >= 5 && calls.refreshes <= 9, `${calls.refreshes} in 2 min`);
  away = false;
  await pass(31_000);
  assert.equal(status.value, 'polling');
});

test('what the server refuses is not asked for again', async () => {
  const { calls, watcher } = start({ refresh: async () => { throw Object.assign(new Error('no'), { status: 400 }); } });
  await pass(60_000);
  assert.equal(calls.refreshes, 1);
  assert.notEqual(status.value, 'offline');
  await watcher.refresh();
  assert.equal(calls.refreshes, 2);
});

test('where there are no events, it tries for them again', async () => {
  start();
  Sources.all[0].refuse();
  await pass(29_000);
  assert.equal(Sources.all.length, 1);
  await pass(2000);
  assert.equal(Sources.all.length, 2);
});

test('another filter is another stream', async () => {
  const { watcher } = start({ watch: { query: { type: 'a' } } });
  watcher.setQuery({ type: 'b' });
  assert.deepEqual(Sources.open.map((source) => source.url), ['/api/v1/queue/events?type=b']);
});

test('nothing goes on after the page', async () => {
  const { calls } = start();
  Sources.all[0].connect();
  await pass(50);
  page.abort();
  assert.equal(Sources.open.length, 0);
  assert.equal(status.value, 'idle');
  hide(true);
  hide(false);
  await pass(60_000);
  assert.equal(calls.refreshes, 1);
});
