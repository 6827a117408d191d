#!/usr/bin/env python3
"""A worker of logsift: it claims tasks over HTTP, runs a function for each, and reports.

    LOGSIFT_SERVER=http://127.0.0.1:8080 LOGSIFT_API_KEY=ls_... python3 worker.py

It needs the standard library only. Copy it, and write handlers as at its end.
"""
import json, os, queue, random, signal, socket, sys, threading, time, traceback, uuid
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit


class Permanent(Exception):
    """A handler raises it for work that no retry can mend."""


class RetryAfter(Exception):
    """A handler raises it, with seconds and a message, to name the time of the next try."""


class Snooze(Exception):
    """A handler raises it, with seconds, to put its task back for so long, uncounted."""


class Unavailable(Exception):
    """The server did not answer, or asks to come again."""


class Refused(Exception):
    """The server does not take the request, now or later."""


class Worker:
    """Runs handlers: functions by the type of task. A handler gets the task, a dictionary as
    the API shows it, and returns its result. task["stop"] is an event that is set when the
    task is no longer its own, or its time-out has passed: it should then return. What it
    sets as task["progress"], such as {"percent": 40, "note": "resizing"}, is shown live."""

    def __init__(self, handlers, server=None, key=None, threads=4, lease=30, wait=30, drain=10, queues=()):
        self.server = urlsplit(server or os.environ.get("LOGSIFT_SERVER") or "http://127.0.0.1:8080")
        self.key = key or os.environ.get("LOGSIFT_API_KEY")
        self.handlers, self.threads, self.queues = handlers, threads, list(queues)
        self.lease, self.wait, self.drain = lease, wait, drain
        self.changed = threading.Condition()  # guards held and busy
        self.held, self.busy = {}, 0  # tasks by their leases, until they are reported; busy threads
        self.reports = queue.Queue()
        self.stopping, self.poll = threading.Event(), None  # the connection of the claim under way

    def run(self):
        """Works until SIGTERM or SIGINT. Running tasks then have drain seconds to end."""
        for s in (signal.SIGTERM, signal.SIGINT):
            signal.signal(s, lambda *_: self.stopping.set())
        claimer = threading.Thread(target=self.claim, daemon=True)
        for thread in (claimer, *(threading.Thread(target=f, daemon=True) for f in (self.heartbeat, self.report))):
            thread.start()
        while claimer.is_alive() and not self.stopping.wait(0.2):
            pass
        try:  # the claim ends, so that it gets nothing of what is given back
            self.poll.sock.shutdown(socket.SHUT_RDWR)
        except (AttributeError, OSError):
            pass
        claimer.join(1)
        with self.changed:
            self.changed.wait_for(lambda: not self.held, self.drain)
            left = list(self.held)
        self.release(left)
        log(f"stopped; {len(left)} tasks given back")
        os._exit(0 if self.stopping.is_set() else 1)  # without waiting for handlers that do not end

    def post(self, verb, body, timeout=15, key=None):
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = "Bearer " + self.key
        if key:
            headers["Idempotency-Key"] = key
        conn = (HTTPSConnection if self.server.scheme == "https" else HTTPConnection)(self.server.netloc, timeout=timeout)
        try:
            if verb == "claim":
                self.poll = conn
            conn.request("POST", f"{self.server.path.rstrip('/')}/api/v1/worker/tasks:{verb}", json.dumps(body), headers)
            answer = conn.getresponse()
            status, text = answer.status, answer.read().decode(errors="replace")
            if status == 200:
                return json.loads(text)
        except (OSError, HTTPException, ValueError) as err:
            raise Unavailable(f"{verb}: {err}") from err
        finally:
            conn.close()
        raise (Unavailable if status in (408, 429) or status >= 500 else Refused)(f"{verb}: {status} {text.strip()}")

    def claim(self):
        pool, pause, key, since = ThreadPoolExecutor(self.threads), Backoff(), None, 0
        while not self.stopping.is_set():
            with self.changed:
                if not self.changed.wait_for(lambda: self.busy < self.threads, 1):
                    continue
                room = self.threads - self.busy
            if not key or time.monotonic() - since > self.lease:
                key, since = str(uuid.uuid4()), time.monotonic()
            try:  # a repeat with the same key gives the tasks of an answer that was lost
                tasks = self.post("claim", {"types": list(self.handlers), "queues": self.queues, "max": room,
                                            "lease_seconds": self.lease, "wait_seconds": self.wait}, self.wait + 15, key)["tasks"]
            except Unavailable as err:
                if not self.stopping.is_set():
                    pause.sleep(err)
                continue
            except Refused as err:
                return log(err)
            key = pause.reset()
            if self.stopping.is_set():
                return self.release([task["lease"] for task in tasks])
            for task in tasks:
                task.update(stop=threading.Event(), ends=time.monotonic() + task["timeout_seconds"])
                with self.changed:
                    self.held[task["lease"]] = task
                    self.busy += 1
                pool.submit(self.handle, task)

    def handle(self, task):
        report = {"lease": task["lease"], "outcome": "retry"}
        try:
            result = self.handlers[task["type"]](task)
            json.dumps(result)
            report.update(outcome="completed", result=result)
        except Permanent as err:
            report.update(outcome="failed", error={"message": str(err)})
        except RetryAfter as err:
            report.update(retry_in_seconds=err.args[0], error={"message": str(err.args[1])})
        except Snooze as err:
            report.update(outcome="snooze", snooze_seconds=err.args[0])
        except BaseException:
            report.update(error={"message": traceback.format_exc(limit=-3)})
        with self.changed:
            self.busy -= 1
            self.changed.notify_all()
            if not task["stop"].is_set():
                self.reports.put(report)

    def heartbeat(self):
        while True:
            time.sleep(self.lease / 3)
            with self.changed:
                told = [([lease], {"progress": t.pop("progress")}) for lease, t in self.held.items() if "progress" in t]
                for task in self.held.values():
                    if time.monotonic() > task["ends"] and not task["stop"].is_set():
                        task["stop"].set()
                        self.reports.put({"lease": task["lease"], "outcome": "retry", "error": {"message": "the time-out has passed"}})
                told.insert(0, (list(self.held), {}))
            for leases, more in told if told[0][0] else []:
                try:
                    results = self.post("heartbeat", {"leases": leases, "lease_seconds": self.lease, **more}, self.lease / 3)["results"]
                    self.forget(leases[r["index"]] for r in results if r["status"] == 409)
                except (Unavailable, Refused, TypeError, ValueError) as err:  # such as progress that is no JSON
                    log(err)

    def report(self):
        batch, most, pause = [], 100, Backoff()
        while True:
            while len(batch) < most and (not batch or not self.reports.empty()):
                batch.append(self.reports.get())
            now, batch = batch[:most], batch[most:]
            try:
                results = self.post("report", {"reports": now}, 30)["results"]
                batch += [now[r["index"]] for r in results if r["status"] >= 500]
                self.forget(now[r["index"]]["lease"] for r in results if r["status"] < 500)
                most = pause.reset() or min(2 * most, 100)
            except Unavailable as err:
                batch = now + batch
                pause.sleep(err)
            except Refused as err:  # one of them breaks a rule: each alone, and that one as a failure
                log(err)
                batch = now + batch
                if len(now) == 1 and now[0]["outcome"] == "failed":
                    self.forget([batch.pop(0)["lease"]])
                elif len(now) == 1:
                    batch[0] = {"lease": now[0]["lease"], "outcome": "failed", "error": {"message": str(err)}}
                most = 1

    def forget(self, leases):
        with self.changed:
            for task in [self.held.pop(lease) for lease in leases if lease in self.held]:
                task["stop"].set()
            self.changed.notify_all()

    def release(self, leases):
        try:
            if leases:
                self.post("release", {"leases": leases})
        except (Unavailable, Refused) as err:
            log(f"{err}; others get the tasks when their leases end")


class Backoff:
    """Pauses that grow from 0.1 to 5 seconds while the server is away."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.seconds = 0.1

    def sleep(self, why):
        log(why)
        time.sleep(self.seconds * random.uniform(0.5, 1))
        self.seconds = min(2 * self.seconds, 5)


def log(text):
    print(text, file=sys.stderr, flush=True)


def greet(task):
    if not isinstance(task["payload"], str):
        raise Permanent("the payload must be a name")
    return "hello " + task["payload"]


if __name__ == "__main__":
    Worker({"greet": greet}).run()
