#!/usr/bin/env node
// A worker of logsift: it claims tasks over HTTP, runs a function for each, and reports.
//
//     LOGSIFT_SERVER=http://127.0.0.1:8080 LOGSIFT_API_KEY=ls_... node worker.mjs
//
// It needs Node 18 or newer, and nothing else. Copy it, and write handlers as at its end.
import { randomUUID } from "node:crypto";
import { pathToFileURL } from "node:url";

/** A handler throws it for work that no retry can mend. */
export class Permanent extends Error {}

/** A handler throws it to name the time of the next try. */
export class RetryAfter extends Error {
  constructor(seconds, message) {
    super(message);
    this.seconds = seconds;
  }
}

/** A handler throws it to put its task back for so long, uncounted. */
export class Snooze extends Error {
  constructor(seconds) {
    super(`snoozed for ${seconds} s`);
    this.seconds = seconds;
  }
}

/** The server does not take the request, now or later; other errors pass. */
class Refused extends Error {}

const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
const log = (text) => console.error(String(text));

/** Pauses that grow from 0.1 to 5 seconds while the server is away. */
class Backoff {
  seconds = 0.1;
  async pause(why) {
    log(why.cause ?? why); // of "fetch failed"
    await sleep(this.seconds * (0.5 + Math.random() / 2));
    this.seconds = Math.min(2 * this.seconds, 5);
  }
}

/**
 * Runs handlers: functions by the type of task. A handler gets the task, as the API shows
 * it, and a signal that aborts when the task is no longer its own, or its time-out has
 * passed: it should then return. It returns the result, or a promise of it. What it sets as
 * task.progress, such as { percent: 40, note: "resizing" }, is shown live.
 */
export class Worker {
  constructor(handlers, { server = process.env.LOGSIFT_SERVER || "http://127.0.0.1:8080", key = process.env.LOGSIFT_API_KEY,
    concurrency = 4, lease = 30, wait = 30, drain = 10, queues = [] } = {}) {
    Object.assign(this, { handlers, server: server.replace(/\/+$/, ""), key, concurrency, lease, wait, drain, queues });
    this.held = new Map(); // how to stop tasks, by their leases, until they are reported
    this.busy = 0;
    this.reports = [];
    this.changed = () => {}; // wakes who waits for busy, held or reports
    this.stopping = new AbortController();
  }

  /** Works until SIGTERM or SIGINT. Running tasks then have drain seconds to end. */
  async run() {
    for (const name of ["SIGTERM", "SIGINT"]) process.on(name, () => this.stopping.abort());
    setInterval(() => this.heartbeat().catch(log), (this.lease * 1000) / 3);
    const reporting = this.report();
    const refused = await this.claim().catch((err) => err);
    if (refused) log(refused);
    await Promise.race([this.until(() => this.held.size === 0), reporting, sleep(this.drain)]);
    const left = [...this.held.keys()];
    await this.release(left);
    log(`stopped; ${left.length} tasks given back`);
    process.exit(refused ? 1 : 0); // without waiting for handlers that do not end
  }

  /** Returns when the condition holds, which is asked at each change. */
  async until(condition) {
    while (!condition()) {
      await new Promise((done) => {
        const before = this.changed;
        this.changed = () => { before(); done(); };
      });
    }
  }

  notify() {
    const wake = this.changed;
    this.changed = () => {};
    wake();
  }

  async post(verb, body, { seconds = 15, key, signal } = {}) {
    const headers = { "Content-Type": "application/json" };
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    if (key) headers["Idempotency-Key"] = key;
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(new Error(`${verb}: no answer in ${seconds} s`)), seconds * 1000);
    const stop = () => abort.abort(new Error(`${verb}: stopped`));
    signal?.addEventListener("abort", stop);
    try {
      const answer = await fetch(`${this.server}/api/v1/worker/tasks:${verb}`, { method: "POST", headers, body: JSON.stringify(body), signal: abort.signal });
      const text = await answer.text();
      if (answer.status === 200) return JSON.parse(text);
      const again = answer.status === 408 || answer.status === 429 || answer.status >= 500;
      throw new (again ? Error : Refused)(`${verb}: ${answer.status} ${text.trim()}`);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    }
  }

  async claim() {
    const backoff = new Backoff();
    const stopping = this.stopping.signal;
    stopping.addEventListener("abort", () => this.notify());
    let key, since;
    while (!stopping.aborted) {
      await this.until(() => this.busy < this.concurrency || stopping.aborted);
      if (!key || Date.now() - since > this.lease * 1000) [key, since] = [randomUUID(), Date.now()];
      try { // a repeat with the same key gives the tasks of an answer that was lost
        const { tasks } = await this.post("claim", { types: Object.keys(this.handlers), queues: this.queues, max: this.concurrency - this.busy,
          lease_seconds: this.lease, wait_seconds: this.wait }, { seconds: this.wait + 15, key, signal: stopping });
        key = undefined;
        backoff.seconds = 0.1;
        if (stopping.aborted) return this.release(tasks.map((task) => task.lease));
        for (const task of tasks) this.handle(task);
      } catch (err) {
        if (err instanceof Refused) throw err;
        if (!stopping.aborted) await backoff.pause(err);
      }
    }
  }

  async handle(task) {
    const lease = task.lease;
    const stop = Object.assign(new AbortController(), { task });
    this.held.set(lease, stop);
    this.busy++;
    const timer = setTimeout(() => {
      this.put(lease, { outcome: "retry", error: { message: "the time-out has passed" } });
      stop.abort();
    }, Math.min(task.timeout_seconds * 1000, 2 ** 31 - 1));
    try {
      const result = await this.handlers[task.type](task, stop.signal);
      this.put(lease, { outcome: "completed", result: result ?? null });
    } catch (err) {
      const error = { message: String(err instanceof Permanent || err instanceof RetryAfter ? err.message : err?.stack ?? err) };
      if (err instanceof Permanent) this.put(lease, { outcome: "failed", error });
      else if (err instanceof Snooze) this.put(lease, { outcome: "snooze", snooze_seconds: err.seconds });
      else if (err instanceof RetryAfter) this.put(lease, { outcome: "retry", retry_in_seconds: err.seconds, error });
      else this.put(lease, { outcome: "retry", error });
    }
    clearTimeout(timer);
    this.busy--;
    this.notify();
  }

  /** Has a run reported, unless it was stopped. */
  put(lease, report) {
    if (this.held.has(lease) && !this.held.get(lease).signal.aborted) this.reports.push({ lease, ...report });
    this.notify();
  }

  async heartbeat() {
    const told = [{ leases: [...this.held.keys()] }];
    for (const [lease, { task }] of this.held) {
      if (task.progress) told.push({ leases: [lease], progress: task.progress });
      delete task.progress;
    }
    for (const beat of told[0].leases.length > 0 ? told : []) {
      const { results } = await this.post("heartbeat", { ...beat, lease_seconds: this.lease }, { seconds: this.lease / 3 });
      this.forget(results.filter((r) => r.status === 409).map((r) => beat.leases[r.index]));
    }
  }

  async report() {
    const backoff = new Backoff();
    for (let most = 100; ;) {
      await this.until(() => this.reports.length > 0);
      const now = this.reports.splice(0, most);
      try {
        const { results } = await this.post("report", { reports: now }, { seconds: 30 });
        this.reports.push(...results.filter((r) => r.status >= 500).map((r) => now[r.index]));
        this.forget(results.filter((r) => r.status < 500).map((r) => now[r.index].lease));
        backoff.seconds = 0.1;
        most = Math.min(2 * most, 100);
      } catch (err) {
        this.reports.unshift(...now);
        if (!(err instanceof Refused)) {
          await backoff.pause(err);
          continue;
        }
        log(err); // one of them breaks a rule: each alone, and that one as a failure
        if (now.length === 1 && now[0].outcome === "failed") this.forget([this.reports.shift().lease]);
        else if (now.length === 1) this.reports[0] = { lease: now[0].lease, outcome: "failed", error: { message: String(err.message) } };
        most = 1;
      }
    }
  }

  forget(leases) {
    for (const lease of leases) {
      this.held.get(lease)?.abort();
      this.held.delete(lease);
    }
    this.notify();
  }

  async release(leases) {
    if (leases.length === 0) return;
    await this.post("release", { leases }).catch((err) => log(`${err}; others get the tasks when their leases end`));
  }
}

function greet(task) {
  if (typeof task.payload !== "string") throw new Permanent("the payload must be a name");
  return `hello ${task.payload}`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await new Worker({ greet }).run();
