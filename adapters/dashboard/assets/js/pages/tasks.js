// The list of tasks: filtered, paged, live, and changed many at a time.
import { getPage, session } from '../api.js';
import { ACTIONS, bulk } from '../bulk.js';
import { h, replace, setAttr, setText, userText } from '../dom.js';
import { between, count, duration, number, shortId } from '../format.js';
import { icon } from '../icons.js';
import { shortcut } from '../keys.js';
import { paths } from '../paths.js';
import { statusBadge, taskStatus } from '../components/badge.js';
import { filterBar } from '../components/filters.js';
import { pageHead } from '../components/page.js';
import { pager } from '../components/pager.js';
import { emptyState, errorState, problemText, skeleton } from '../components/states.js';
import { table } from '../components/table.js';
import { timeAgo } from '../components/time.js';
import { toast } from '../components/toast.js';

const PAGE = 50;
const STATUSES = ['PENDING', 'PROCESSING', 'RETRYING', 'COMPLETED', 'FAILED', 'CANCELLED'];

/** A view has the page's title, the values of its filter that are fixed, filters before those of all views, columns, and the names of its actions. */
const ALL = {
  title: 'Tasks',
  fixed: {},
  filters: [{ name: 'status', label: 'State', kind: 'select', options: [['', 'All states'], ...STATUSES.map((status) => [status, status.charAt(0) + status.slice(1).toLowerCase()])] }],
  actions: Object.keys(ACTIONS),
  columns: () => [
    { label: 'State', class: 'nowrap', cell: (task) => statusBadge(task.status === null ? null : taskStatus(task, Date.now())) },
    ...NAME_COLUMNS,
    { label: 'Note', class: 'wide', cell: note },
    { label: 'Priority', class: 'num secondary', cell: (task) => number(task.priority) },
    ATTEMPTS_COLUMN,
    { label: 'Ran', class: 'num nowrap', cell: ran },
    { label: 'Created', class: 'nowrap', cell: (task) => timeAgo(task.created_at) },
  ],
  empty: () => emptyState({
    title: 'There are no tasks',
    text: 'Log entries that come in are analysed by tasks. Finished ones are kept for a while. You can also schedule one:',
    command: `curl -H 'Content-Type: application/json' ${location.origin}/api/v1/queue/tasks \\\n  -d '{"type": "log_analysis", "payload": {"log_ids": ["…"]}}'`,
  }),
};

export function mount(root, ctx) {
  new TasksPage(root, ctx, ALL).start();
}

export const NAME_COLUMNS = [
  { label: 'Task', link: true, class: 'nowrap', cell: (task) => [userText(task.type), ' ', h('code', { class: 'muted', title: task.id }, shortId(task.id))] },
  { label: 'Queue', class: 'nowrap', cell: (task) => userText(task.queue) },
];
export const ATTEMPTS_COLUMN = { label: 'Attempts', class: 'num nowrap', cell: (task) => `${number(task.attempt)} / ${number(task.max_retries + 1)}` };

/** A list of tasks as the view says. */
export class TasksPage {
  #root;
  #view;
  #ctx;
  #filters;
  #pager;
  #table;
  #watch;
  #body = h('div', null, skeleton(12));
  #news = h('div', { class: 'news', hidden: true });
  #bar;
  /** What the server said last, and what is shown: they differ while the list is held. */
  #latest = { tasks: [], next: null };
  #shown = [];
  #loaded = '';
  /** Whether all that match are selected, not only the rows of this page. */
  #all = false;

  constructor(root, ctx, view) {
    this.#root = root;
    this.#ctx = ctx;
    this.#view = view;
    this.#filters = filterBar(ctx, [
      ...view.filters,
      { name: 'type', label: 'Type', kind: 'text', placeholder: 'Any type', suggestions: [] },
      { name: 'queue', label: 'Queue', kind: 'text', placeholder: 'Any queue', suggestions: [] },
      { name: 'tag', label: 'Tag', kind: 'text', placeholder: 'Any tag' },
      { name: 'created_after', label: 'Created after', kind: 'time' },
      { name: 'created_before', label: 'Created before', kind: 'time' },
    ], () => this.#changed());
    this.#pager = pager(ctx, () => this.#changed());
    this.#table = taskTable(view, (keys) => this.#select(keys));
    this.#bar = this.#bulkBar();
  }

  start() {
    this.#root.append(
      pageHead(this.#view.title, { actions: this.#allMenu() }),
      this.#filters.element,
      h('section', { class: 'panel', 'aria-label': this.#view.title }, this.#bar.element, this.#news, this.#body, this.#pager.element));
    this.#watch = this.#ctx.watch({
      query: this.#eventQuery(),
      refresh: (signal) => this.#refresh(signal),
      onEvents: (events) => this.#patch(events),
      onError: (error, first) => this.#fail(error, first),
    });
    const { signal } = this.#ctx;
    shortcut('n', 'Older page', () => this.#pager.element.querySelector('button:last-child').click(), { group: 'Tasks', signal });
    shortcut('p', 'Newer page', () => this.#pager.element.querySelectorAll('button')[1].click(), { group: 'Tasks', signal });
    this.#suggest(signal);
  }

  /** Types and queues that are known, to choose from. */
  async #suggest(signal) {
    try {
      const stats = await get('/queue/stats', { signal });
      this.#filters.setSuggestions('type', stats.scheduler.task_types);
      const { queues } = await get('/queue/queues', { signal });
      this.#filters.setSuggestions('queue', queues.map((queue) => queue.name));
    } catch {
      // They only help; the filters work without.
    }
  }

  /** Events by type, queue and tag; a task that leaves the filtered state must be heard of too. */
  #eventQuery() {
    const { type, queue, tag } = this.#filters.values;
    return { type, queue, tag };
  }

  #changed() {
    this.#table.clearSelection();
    this.#select(new Set());
    this.#watch.setQuery(this.#eventQuery());
    this.#body.classList.add('stale');
    this.#watch.refresh();
  }

  /** What the list shows and a bulk action changes. */
  get #values() {
    return { ...this.#filters.values, ...this.#view.fixed };
  }

  #query() {
    return { ...this.#values, limit: PAGE, cursor: this.#pager.cursor };
  }

  async #refresh(signal) {
    const query = this.#query();
    const key = JSON.stringify(query);
    const page = await getPage('/queue/tasks', 'tasks', { query, signal });
    if (JSON.stringify(this.#query()) !== key) {
      this.#watch.refresh();
      return;
    }
    this.#filters.setError();
    this.#latest = { tasks: page.tasks, next: page.next_cursor };
    const fresh = this.#loaded !== key;
    this.#loaded = key;
    if (fresh || !this.#held()) {
      this.#showLatest();
    } else {
      this.#merge();
    }
    this.#body.classList.remove('stale');
  }

  /** Whether rows must stay where they are: somebody works with them. */
  #held() {
    return this.#shown.length > 0
      && (this.#table.selection.size > 0 || this.#table.element.matches(':focus-within') || this.#table.element.matches(':hover') && matchMedia('(hover: hover)').matches);
  }

  #showLatest() {
    const focused = this.#body.contains(document.activeElement);
    this.#news.hidden = true;
    this.#show(this.#latest.tasks);
    if (focused && !this.#body.contains(document.activeElement)) {
      this.#root.querySelector('h1').focus();
    }
  }

  /** Changes the rows that are shown, and offers the new ones. */
  #merge() {
    const latest = new Map(this.#latest.tasks.map((task) => [task.id, task]));
    const known = new Set(this.#shown.map((task) => task.id));
    const fresh = this.#latest.tasks.filter((task) => !known.has(task.id)).length;
    this.#show(this.#shown.map((task) => latest.get(task.id) ?? task));
    this.#news.hidden = fresh === 0;
    if (fresh > 0) {
      replace(this.#news, h('button', { class: 'button quiet small', type: 'button', on: { click: () => this.#showLatest() } }, `Show ${count(fresh, 'other task')} of this page`));
    }
  }

  /** Shows the steps that events tell of at once; the next refresh has the rest. */
  #patch(events) {
    const steps = new Map(events.map((event) => [event.task_id, event]));
    if (!this.#shown.some((task) => steps.has(task.id))) {
      return;
    }
    this.#show(this.#shown.map((task) => {
      const event = steps.get(task.id);
      return event ? { ...task, status: event.to, attempt: event.attempt, gone: event.to === null } : task;
    }));
  }

  #show(tasks) {
    this.#shown = tasks;
    this.#table.setRows(tasks);
    if (tasks.length > 0) {
      if (this.#body.firstElementChild !== this.#table.element) {
        replace(this.#body, this.#table.element);
      }
    } else {
      replace(this.#body, this.#nothing());
    }
    const shown = tasks.length === 0 ? (this.#latest.next ? 'None so far' : 'No tasks') : this.#latest.next || this.#pager.cursor ? `${count(tasks.length, 'task')} on this page` : count(tasks.length, 'task');
    this.#pager.update({ next: this.#latest.next, shown });
  }

  #nothing() {
    if (this.#latest.next) {
      return emptyState({ title: 'No task was found so far', text: 'There are older ones to look through: go on with “Older”.' });
    }
    if (this.#pager.cursor) {
      return emptyState({ title: 'There are no older tasks', text: 'They may have been removed meanwhile.' });
    }
    if (Object.keys(this.#filters.values).length > 0) {
      return emptyState({
        title: 'No task matches the filter',
        action: h('button', { class: 'button', type: 'button', on: { click: () => this.#filters.reset() } }, 'Clear the filter'),
      });
    }
    return this.#view.empty();
  }

  #fail(error, first) {
    this.#body.classList.remove('stale');
    this.#filters.setError(error.errors);
    if (error.kind === 'invalid-cursor') {
      this.#ctx.setQuery({ cursor: null });
    }
    if (first || error.status === 400) {
      this.#shown = [];
      replace(this.#body, errorState(error, () => this.#watch.refresh()));
    } else if (!error.offline) {
      toast(problemText(error), { kind: 'bad' });
    }
  }

  #select(keys) {
    this.#all = this.#all && keys.size === this.#shown.length && keys.size > 0;
    this.#bar.show(keys.size);
  }

  #actions() {
    return this.#view.actions.map((name) => [name, ACTIONS[name]]);
  }

  /** The bar that is shown while rows are selected. */
  #bulkBar() {
    const text = h('span', { role: 'status' });
    const more = h('button', { class: 'button quiet small', type: 'button', on: { click: () => this.#selectAll() } }, 'Select all that match the filter');
    const buttons = this.#actions().map(([name, action]) => h('button', {
      class: ['button small', name === 'delete' && 'danger-quiet'], type: 'button', on: { click: () => this.#act(name) },
    }, icon(action.icon), action.label));
    const clear = h('button', { class: 'icon-button small', type: 'button', 'aria-label': 'Clear the selection', on: { click: () => this.#clear() } }, icon('close'));
    const element = h('div', { class: 'bulk-bar', role: 'toolbar', 'aria-label': 'Selected tasks', hidden: true }, clear, text, more, h('div', { class: 'bulk-actions' }, buttons));
    return {
      element,
      show: (n) => {
        setAttr(element, 'hidden', n === 0);
        setText(text, this.#all ? 'All that match the filter are selected' : `${number(n)} selected`);
        setAttr(more, 'hidden', this.#all || n < this.#shown.length || !(this.#latest.next || this.#pager.cursor));
        for (const button of buttons) {
          allow(button);
        }
      },
    };
  }

  /** Actions for all that match, without selecting rows first. */
  #allMenu() {
    const items = this.#actions().map(([name, action]) => {
      const button = h('button', { class: ['menu-item', action.danger && 'danger-quiet'], type: 'button', on: { click: () => { menu.open = false; this.#actOn(name, { filter: this.#values }); } } }, icon(action.icon), `${action.label}…`);
      allow(button);
      return button;
    });
    const menu = h('details', { class: 'menu' }, h('summary', { class: 'button' }, 'All that match', icon('down')), h('div', { class: 'menu-list' }, items));
    menu.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && menu.open) {
        event.preventDefault();
        menu.open = false;
        menu.firstElementChild.focus();
      }
    });
    document.addEventListener('click', (event) => {
      if (!menu.contains(event.target)) {
        menu.open = false;
      }
    }, { signal: this.#ctx.signal });
    return menu;
  }

  #selectAll() {
    this.#all = true;
    this.#bar.show(this.#table.selection.size);
  }

  #clear() {
    this.#table.clearSelection();
    this.#select(new Set());
    this.#root.querySelector('.row-link[tabindex="0"]')?.focus();
  }

  #act(name) {
    return this.#actOn(name, this.#all ? { filter: this.#values } : { ids: [...this.#table.selection] });
  }

  async #actOn(name, target) {
    if (await bulk(name, target)) {
      this.#table.clearSelection();
      this.#select(new Set());
      this.#loaded = '';
      this.#watch.refresh();
    }
  }
}

/** Only administrators change many tasks at once. */
function allow(button) {
  const allowed = session.can('admin');
  button.disabled = !allowed;
  setAttr(button, 'title', allowed ? null : 'This needs a key with the role admin');
}

function taskTable(view, onSelection) {
  return table({
    label: view.title,
    key: (task) => task.id,
    href: (task) => paths.task(task.id),
    rowClass: (task) => (task.gone ? 'gone' : ''),
    selectable: true,
    onSelection,
    columns: view.columns(),
  });
}

/** What there is to say of a task: its error, or when it is due. */
function note(task) {
  if (task.status === 'COMPLETED' && typeof task.result?.summary === 'string') {
    return userText(task.result.summary, { class: 'muted', title: task.result.summary });
  }
  if (task.last_error && task.status !== 'COMPLETED') {
    return userText(task.last_error, { class: 'error-text', title: task.last_error });
  }
  if (Date.parse(task.scheduled_at ?? '') > Date.now() && (task.status === 'PENDING' || task.status === 'RETRYING')) {
    return h('span', { class: 'muted' }, task.group ? ['in the group ', userText(task.group), ', '] : '', 'due ', timeAgo(task.scheduled_at));
  }
  return '';
}

function ran(task) {
  const ms = between(task.started_at, task.completed_at);
  return Number.isFinite(ms) ? duration(ms) : '';
}
