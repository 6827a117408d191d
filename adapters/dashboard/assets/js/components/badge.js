// States and severities as words with a mark; the colour only helps.
import { h } from '../dom.js';
import { title } from '../format.js';

const STATUS_TONES = {
  PENDING: 'pending', SCHEDULED: 'scheduled', PROCESSING: 'processing', RETRYING: 'retrying',
  COMPLETED: 'completed', FAILED: 'failed', CANCELLED: 'cancelled',
};

/** The state of a task, by its name in capitals; null is a task that was removed. */
export function statusBadge(status) {
  return h('span', { class: 'badge', dataset: { tone: STATUS_TONES[status] ?? 'cancelled' } }, status ? title(status) : 'Removed');
}

/**
 * The state of a task as people see it: one that waits for its time is scheduled.
 * now is the present in milliseconds.
 */
export function taskStatus(task, now) {
  return task.status === 'PENDING' && Date.parse(task.scheduled_at ?? '') > now ? 'SCHEDULED' : task.status;
}

/** The severity of an anomaly: info, low, medium, high or critical. */
export function severityBadge(severity) {
  return h('span', { class: 'badge severity', dataset: { tone: `severity-${severity}` } }, title(severity));
}

/** Any other word with a tone: "good", "bad", "warn", "info" or "neutral". */
export function tag(text, tone = 'neutral') {
  return h('span', { class: 'badge', dataset: { tone } }, text);
}
