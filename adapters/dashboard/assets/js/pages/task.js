// One task: what it is, how its attempts went, what it was given and returned, and the
// logs and anomalies behind it.
import { del, get, post, session } from '../api.js';
import { allowedActions, attempts, otherFailures } from '../attempts.js';
import { ACTIONS } from '../bulk.js';
import { h, replace, setAttr, userText } from '../dom.js';
import { between, duration, number, prettyJSON, shortId } from '../format.js';
import { icon } from '../icons.js';
import { shortcut } from '../keys.js';
import { paths } from '../paths.js';
import { statusBadge, taskStatus } from '../components/badge.js';
import { copyButton } from '../components/copy.js';
import { logList } from '../components/loglist.js';
import { confirmDialog } from '../components/dialog.js';
import { facts, pageHead, panel } from '../components/page.js';
import { emptyState, errorState, problemText, skeleton } from '../components/states.js';
import { timeAgo, timeFull } from '../components/time.js';
import { toast } from '../components/toast.js';
import { anomaliesOf, logsOf } from './task-logs.js';
import { timeline } from './task-timeline.js';

/** Characters of a payload or result that are shown before somebody asks for all. */
const SHOWN = 100_000;
/** Milliseconds between two looks at a task that runs, whose progress is no event. */
const PROGRESS = 2000;
/** Lines of the log of a task that are kept in view, the newest ones. */
const LINES = 2000;
const ROLES = { retry: 'write', run: 'write', cancel: 'write', delete: 'admin' };

export function mount(root, ctx) {
  new TaskPage(root, ctx).start();
}

class TaskPage {
  #root;
  #ctx;
  #id;
  #badge = h('span');
  #buttons = new Map();
  #body = h('div', { class: 'stack' }, skeleton(12));
  #sections = null;
  #drawn = new Map();
  #watch;
  #task = null;
  #again = 0;
  #log = { list: logList({ label: 'Log of the task' }), lines: [], cursor: undefined };

  constructor(root, ctx) {
    this.#root = root;
    this.#ctx = ctx;
    this.#id = ctx.params.id;
  }

  start() {
    for (const [name, action] of Object.entries(ACTIONS)) {
      this.#buttons.set(name, h('button', { class: ['button', name === 'delete' && 'danger-quiet'], type: 'button', disabled: true, on: { click: () => this.#act(name) } }, icon(action.icon), action.label));
    }
    this.#root.append(
      pageHead(['Task ', h('span', { class: 'mono title-id' }, shortId(this.#id))], { meta: this.#badge, actions: [...this.#buttons.values()] }),
      this.#body);
    this.#ctx.setTitle(`Task ${shortId(this.#id)}`);
    this.#watch = this.#ctx.watch({
      query: { task_id: this.#id },
      refresh: (signal) => this.#refresh(signal),
      onError: (error, first) => this.#fail(error, first),
    });
    const { signal } = this.#ctx;
    shortcut('r', 'Retry the task', () => this.#buttons.get('retry').click(), { group: 'Task', signal });
    shortcut('u', 'Back to the tasks', () => this.#ctx.navigate('/ui/tasks'), { group: 'Task', signal });
  }

  async #refresh(signal) {
    let task;
    try {
      task = await get(`/queue/tasks/${encodeURIComponent(this.#id)}`, { signal, exact: true });
    } catch (error) {
      if (error.status === 404 && this.#task) {
        this.#removed();
        return;
      }
      throw error;
    }
    const running = task.status === 'PROCESSING' || Boolean(task.stopping);
    const ended = !running && (this.#task?.status === 'PROCESSING' || this.#task?.stopping);
    this.#task = task;
    this.#show(task);
    await this.#followLog(task, signal);
    clearTimeout(this.#again);
    if (running || ended) { // The last lines of a run come a little later.
      this.#again = setTimeout(() => {
        if (!this.#ctx.signal.aborted && !document.hidden) {
          this.#watch.refresh();
        }
      }, PROGRESS);
    }
  }

  /** Shows what was logged since. */
  async #followLog(task, signal) {
    if (task.type === 'log_analysis') {
      return;
    }
    const log = this.#log;
    let page;
    do {
      page = await get(`/queue/tasks/${encodeURIComponent(this.#id)}/logs`, { query: { limit: 200, cursor: log.cursor }, signal });
      log.cursor = page.next_cursor;
      log.lines = [...log.lines, ...page.logs].slice(-LINES);
    } while (page.more);
    this.#draw('log', log.lines.map((line) => line.id), () => {
      log.list.setRows(log.lines);
      replace(this.#sections.log, log.lines.length > 0 ? log.list.element : h('p', { class: 'quiet' }, 'Its runs have logged nothing.'));
    });
  }

  #fail(error, first) {
    if (error.status === 404 || error.status === 400) {
      replace(this.#body, emptyState({
        title: error.status === 404 ? 'There is no task with this id' : 'This is no id of a task',
        text: error.status === 404 ? 'Finished tasks are removed after their retention, or somebody deleted it.' : problemText(error),
        action: h('a', { class: 'button', href: '/ui/tasks' }, 'All tasks'),
      }));
    } else if (first) {
      replace(this.#body, errorState(error, () => this.#watch.refresh()));
    }
  }

  /** The task is gone, but what is known of it stays in view. */
  #removed() {
    this.#draw('badge', null, () => replace(this.#badge, statusBadge(null)));
    for (const button of this.#buttons.values()) {
      button.disabled = true;
    }
  }

  #show(task) {
    const status = taskStatus(task, Date.now());
    this.#draw('badge', status, () => replace(this.#badge, statusBadge(status)));
    this.#showActions(task, status);
    this.#sections ??= this.#build(task);
    const { about, life, payload, result, logs, anomalies } = this.#sections;
    const list = attempts(task);
    this.#draw('about', task, () => replace(about, factsOf(task, list)));
    this.#draw('life', [task.history, task.errors, status], () => replace(life, timeline(task, list, otherFailures(task, list))));
    this.#draw('payload', task.payload, () => replace(payload, jsonView(task.payload, 'Payload as text')));
    this.#draw('result', task.result, () => replace(result, task.result === null ? h('p', { class: 'muted' }, task.status === 'COMPLETED' ? 'The task returned nothing.' : 'There is none until the task is completed.') : jsonView(task.result, 'Result as text')));
    if (logs) {
      this.#draw('logs', [task.payload, task.result?.window, task.result?.missing_count], () => replace(logs, logsOf(task, this.#ctx.signal)));
      this.#draw('anomalies', task.result?.anomalies ?? null, () => replace(anomalies, anomaliesOf(task)));
    }
  }

  /** Draws a part if what it shows has changed. */
  #draw(name, value, draw) {
    const text = JSON.stringify(value);
    if (this.#drawn.get(name) !== text) {
      this.#drawn.set(name, text);
      draw();
    }
  }

  #build(task) {
    const analysis = task.type === 'log_analysis';
    const sections = { about: h('div'), life: h('div'), payload: h('div'), result: h('div'), log: h('div'), logs: analysis && h('div'), anomalies: analysis && h('div') };
    replace(this.#body,
      panel('About', sections.about),
      panel('Attempts', sections.life, { className: 'flush' }),
      analysis && panel('Anomalies', sections.anomalies, { className: 'flush', note: 'found by this task' }),
      analysis ? panel('Logs', sections.logs, { className: 'flush' }) : panel('Log', sections.log, { className: 'flush' }),
      h('div', { class: 'panels' },
        panel('Payload', sections.payload, { className: 'flush', end: copyButton(() => prettyJSON(this.#task.payload), 'Copy the payload') }),
        panel('Result', sections.result, { className: 'flush', end: copyButton(() => prettyJSON(this.#task.result), 'Copy the result') })));
    return sections;
  }

  #showActions(task, status) {
    const allowed = allowedActions(task.status, status === 'SCHEDULED');
    for (const [name, button] of this.#buttons) {
      const role = session.can(ROLES[name]);
      button.disabled = !allowed[name] || !role;
      setAttr(button, 'title', role ? null : `This needs a key with the role ${ROLES[name]}`);
    }
  }

  async #act(name) {
    const path = `/queue/tasks/${encodeURIComponent(this.#id)}`;
    const { label, danger } = ACTIONS[name];
    const run = async (signal) => {
      await (name === 'delete' ? del(path, { signal }) : post(`${path}:${name}`, undefined, { signal }));
      return true;
    };
    let done = false;
    if (danger) {
      done = await confirmDialog({ title: `${label} this task?`, body: warning(name, this.#task), confirm: label, danger, run: ({ signal }) => run(signal) });
    } else {
      try {
        done = await run(this.#ctx.signal);
      } catch (error) {
        toast(problemText(error), { kind: 'bad' });
      }
    }
    if (!done) {
      return;
    }
    toast(`The task was ${ACTIONS[name].past}`);
    if (name === 'delete') {
      this.#ctx.navigate('/ui/tasks', { replace: true });
    } else {
      await this.#watch.refresh();
    }
  }
}

function warning(name, task) {
  if (name === 'delete') {
    return h('p', null, 'The task is removed with its result. This cannot be undone.');
  }
  return h('p', null, task.status === 'PROCESSING' ? 'The worker that runs it is told to stop; what it has done so far stays done.' : 'It will not run. It can be retried later.');
}

function factsOf(task, list) {
  const waits = task.status === 'PENDING' || task.status === 'RETRYING';
  const ran = list.at(-1);
  return facts([
    ['Id', h('span', { class: 'with-copy' }, h('code', null, task.id), copyButton(() => task.id, 'Copy the id')), 'long'],
    ['Type', h('a', { href: paths.list('/ui/tasks', { type: task.type }) }, userText(task.type))],
    ['Queue', h('a', { href: paths.list('/ui/tasks', { queue: task.queue }) }, userText(task.queue))],
    ['Priority', number(task.priority)],
    ['Attempts', `${number(task.attempt)} of ${number(task.max_retries + 1)}`],
    ['Time limit of an attempt', duration(task.timeout_seconds * 1000)],
    ['Deliveries', number(task.deliveries)],
    ['Recoveries', number(task.recoveries)],
    ['Unique key', task.unique_key ? [userText(task.unique_key), task.unique_for_seconds ? ` for ${duration(task.unique_for_seconds * 1000)}`
      : task.unique_while ? ` while ${task.unique_while}` : ''] : null],
    ['Key', task.key ? userText(task.key) : null],
    ['Group', task.group ? [userText(task.group), h('span', { class: 'muted' }, ` runs with up to ${number(task.group_size - 1)} others, waits for ${duration(task.group_age_seconds * 1000)} at most`)] : null],
    ['Tags', task.tags?.join(', ')],
    ['Workflow', task.workflow ? [h('a', { href: paths.workflow(task.workflow.id) }, userText(task.workflow.ref)),
      task.waiting_for?.length > 0 && h('span', { class: 'muted' }, ' waits for ', userText(task.waiting_for.slice(0, 5).join(', ')), task.waiting_for.length > 5 && ' and more')] : null],
    ['Expires', waits && task.expires_at && !ran ? [timeFull(task.expires_at), ' ', h('span', { class: 'muted' }, timeAgo(task.expires_at))] : null],
    ['Kept when finished for', task.retention_seconds ? duration(task.retention_seconds * 1000) : null],
    ['Created', [timeFull(task.created_at), ' ', h('span', { class: 'muted' }, timeAgo(task.created_at))]],
    ['Due', waits && task.scheduled_at ? [timeFull(task.scheduled_at), ' ', h('span', { class: 'muted' }, timeAgo(task.scheduled_at))] : null],
    ['Finished', task.completed_at ? [timeFull(task.completed_at), ' ', h('span', { class: 'muted' }, timeAgo(task.completed_at))] : null],
    ['Run', task.stopping ? 'It was cancelled, and may go on until its worker stops it.' : null, 'long'],
    ['Progress', task.progress ? progressOf(task.progress) : null, 'long'],
    ['Waited', ran ? duration(ran.waited) : null],
    ['Ran', ran?.endedAt ? duration(between(ran.startedAt, ran.endedAt)) : null],
  ]);
}

function progressOf({ percent, note, data, at }) {
  return [
    h('progress', { max: '100', value: String(percent), 'aria-label': 'Progress' }), ` ${number(percent)} % `, userText(note), ' ',
    h('span', { class: 'muted' }, timeAgo(at)),
    data === null ? null : h('pre', { class: 'code' }, h('code', null, prettyJSON(data))),
  ];
}

/** JSON as text. Long ones are cut until somebody wants to see all. */
function jsonView(value, label) {
  const text = typeof value === 'string' ? value : prettyJSON(value);
  const code = h('code', null, text.slice(0, SHOWN));
  const box = h('pre', { class: 'code', tabindex: '0', role: 'region', 'aria-label': label }, code);
  if (text.length <= SHOWN) {
    return box;
  }
  const all = h('button', { class: 'button small', type: 'button', on: { click: () => { replace(code, text); all.remove(); } } }, `Show all ${number(text.length)} characters`);
  return [box, h('p', { class: 'code-more' }, all)];
}
