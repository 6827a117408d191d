const { Permanent, RetryAfter, Snooze, Worker } = await import(`${process.argv[2]}/worker.mjs`);

// It blocks for as many deliveries as the payload says.
async function block(task, signal) {
  task.progress = { percent: 50, note: "blocked" };
  console.log("blocked", task.id);
  if (task.deliveries <= task.payload) await new Promise((done) => signal.addEventListener("abort", done));
  return "free";
}

function mood({ payload, attempt, deliveries }) {
  if (payload === "permanent") throw new Permanent("never");
  if (payload === "later" && attempt === 0) throw new RetryAfter(0.1, "busy");
  if (payload === "tired" && deliveries === 1) throw new Snooze(0.1);
  if (payload === "crash") throw new TypeError("no luck");
  return payload === "large" ? "x".repeat(5 << 20) : "fine";
}

await new Worker({ greet: ({ payload }) => `hello ${payload}`, block, mood }, { lease: 2, wait: 5, drain: 0.5 }).run();
