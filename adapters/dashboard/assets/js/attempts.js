// The life of a task as its attempts. All functions are pure.

/**
 * The attempts of a task as the API shows one, oldest first: {attempt, startedAt, endedAt,
 * outcome, reason, waited, failure}. outcome is the state that followed, or "PROCESSING"
 * while it runs. waited is how many milliseconds passed since the attempt before ended,
 * or the task was created. failure is the entry of the task's errors, or null.
 */
export function attempts(task) {
  const out = [];
  let ready = Date.parse(task.created_at ?? '');
  let open = null;
  for (const step of task.history ?? []) {
    const at = Date.parse(step.at ?? '');
    if (step.status === 'PROCESSING') {
      open = { attempt: step.attempt, startedAt: step.at, endedAt: null, outcome: 'PROCESSING', reason: '', waited: at - ready, failure: null };
      out.push(open);
      continue;
    }
    if (open) {
      open.endedAt = step.at;
      open.outcome = step.status;
      open.reason = step.reason;
      open.failure = failureOf(task, open);
      open = null;
      ready = at;
    }
  }
  return out;
}

function failureOf(task, attempt) {
  return (task.errors ?? []).find((error) => error.started_at === attempt.startedAt && error.at === attempt.endedAt) ?? null;
}

/** Failures that belong to no attempt, such as a record that could not be read. */
export function otherFailures(task, list) {
  const known = new Set(list.map((attempt) => attempt.failure));
  return (task.errors ?? []).filter((error) => !known.has(error));
}

/**
 * Where each attempt lies between the creation of the task and its end, or now: [{from,
 * to}] in parts of 1.
 */
export function spans(task, list, now) {
  const begin = Date.parse(task.created_at ?? '');
  const ends = list.map((attempt) => (attempt.endedAt ? Date.parse(attempt.endedAt) : now));
  const whole = Math.max(1, Math.max(begin, ...ends) - begin);
  return list.map((attempt, i) => ({ from: (Date.parse(attempt.startedAt) - begin) / whole, to: (ends[i] - begin) / whole }));
}

/** What a person may do to a task in a state. scheduled is whether it waits for its time. */
export function allowedActions(status, scheduled) {
  return {
    retry: status === 'FAILED' || status === 'CANCELLED',
    run: status === 'RETRYING' || status === 'PENDING' && scheduled,
    cancel: status === 'PENDING' || status === 'PROCESSING' || status === 'RETRYING',
    delete: status !== 'PROCESSING',
  };
}

/** The reasons of failures in words. */
export const REASONS = {
  error: 'Error',
  permanent: 'Permanent error',
  timeout: 'Timed out',
  panic: 'Panicked',
  lease_expired: 'Worker lost',
  poison: 'Given up after lost workers',
  expired: 'Not begun in time',
  corrupt_record: 'Record unreadable',
};
