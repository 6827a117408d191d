// The attempts of a task, one line each, with a bar that shows when they ran.
import { REASONS, spans } from '../attempts.js';
import { h, s, userText } from '../dom.js';
import { between, duration, title } from '../format.js';
import { statusBadge, tag } from '../components/badge.js';
import { timeAgo, timeFull } from '../components/time.js';

const TONES = { COMPLETED: 'completed', FAILED: 'failed', RETRYING: 'failed', PROCESSING: 'processing', CANCELLED: 'cancelled', PENDING: 'retrying' };
/** The least width of a bar, in parts of 100, so that short runs are seen. */
const LEAST = 0.8;

/** The attempts, and failures that belong to none. */
export function timeline(task, list, others) {
  const parts = spans(task, list, Date.now());
  return h('ol', { class: 'timeline' },
    h('li', { class: 'timeline-item' }, h('div', { class: 'timeline-head' }, h('strong', null, 'Created'), timeFull(task.created_at))),
    list.map((attempt, i) => attemptItem(attempt, parts[i])),
    others.map((failure) => h('li', { class: 'timeline-item' },
      h('div', { class: 'timeline-head' }, tag(REASONS[failure.reason] ?? title(failure.reason), 'bad'), timeFull(failure.at)), failureText(failure))),
    next(task));
}

function attemptItem(attempt, { from, to }) {
  const width = Math.max(LEAST, (to - from) * 100);
  const x = Math.min(from * 100, 100 - width);
  return h('li', { class: 'timeline-item', dataset: { tone: TONES[attempt.outcome] } },
    h('div', { class: 'timeline-head' },
      h('strong', null, `Attempt ${attempt.attempt}`),
      outcome(attempt),
      h('span', { class: 'muted' }, 'started ', timeFull(attempt.startedAt)),
      h('span', { class: 'muted' }, `waited ${duration(attempt.waited)}`),
      h('span', { class: 'timeline-ran' }, attempt.endedAt ? `ran ${duration(between(attempt.startedAt, attempt.endedAt))}` : ['running since ', timeAgo(attempt.startedAt)])),
    s('svg', { class: 'timeline-bar', width: '100%', height: 6, 'aria-hidden': 'true' },
      s('rect', { class: 'timeline-track', width: '100%', height: 6, rx: 3 }),
      s('rect', { class: 'bar', 'data-tone': TONES[attempt.outcome], x: `${x.toFixed(2)}%`, width: `${width.toFixed(2)}%`, height: 6, rx: 3 })),
    attempt.failure && failureText(attempt.failure));
}

function outcome({ outcome: status, reason }) {
  if (status === 'PENDING') {
    return tag(REASONS[reason] ?? 'Given back', 'warn');
  }
  if (status === 'RETRYING') {
    return tag(REASONS[reason] ?? title(reason), 'bad');
  }
  return [statusBadge(status), reason && h('span', { class: 'muted' }, REASONS[reason] ?? title(reason))];
}

function failureText({ message, stack }) {
  return h('div', { class: 'failure' },
    h('pre', { class: 'failure-message' }, userText(message)),
    stack && h('details', null, h('summary', null, 'Stack'), h('pre', { class: 'code', tabindex: '0' }, userText(stack))));
}

/** What comes next for a task that is not finished. */
function next(task) {
  if (task.status === 'CANCELLED') {
    return h('li', { class: 'timeline-item' }, h('div', { class: 'timeline-head' }, statusBadge('CANCELLED'), timeFull(task.completed_at)));
  }
  if (task.status !== 'PENDING' && task.status !== 'RETRYING') {
    return null;
  }
  const due = Date.parse(task.scheduled_at ?? '') > Date.now();
  return h('li', { class: 'timeline-item muted' }, h('div', { class: 'timeline-head' }, due ? ['Next attempt is due ', timeAgo(task.scheduled_at)] : 'Waits for a worker'));
}
