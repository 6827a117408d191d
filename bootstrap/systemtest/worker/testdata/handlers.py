import sys

sys.path.insert(0, sys.argv[1])
from worker import Permanent, RetryAfter, Snooze, Worker, greet


def block(task):
    """Blocks for as many deliveries as the payload says."""
    task["progress"] = {"percent": 50, "note": "blocked"}
    print("blocked", task["id"], flush=True)
    if task["deliveries"] <= task["payload"]:
        task["stop"].wait()
    return "free"


def mood(task):
    if task["payload"] == "permanent":
        raise Permanent("never")
    if task["payload"] == "later" and task["attempt"] == 0:
        raise RetryAfter(0.1, "busy")
    if task["payload"] == "tired" and task["deliveries"] == 1:
        raise Snooze(0.1)
    if task["payload"] == "crash":
        raise ValueError("no luck")
    return "x" * (5 << 20) if task["payload"] == "large" else "fine"


Worker({"greet": greet, "block": block, "mood": mood}, lease=2, wait=5, drain=0.5).run()
