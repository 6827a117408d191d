// One anomaly, over all analyses that found it.
import { get, isAbort } from '../api.js';
import { severityBadge, tag } from '../components/badge.js';
import { timeChart } from '../components/chart.js';
import { copyButton } from '../components/copy.js';
import { logList } from '../components/loglist.js';
import { facts, pageHead, panel } from '../components/page.js';
import { pager } from '../components/pager.js';
import { emptyState, errorState, skeleton } from '../components/states.js';
import { templateText } from '../components/template.js';
import { timeAgo, timeFull } from '../components/time.js';
import { h, replace, userText } from '../dom.js';
import { between, count, duration, number, shortId, title } from '../format.js';
import { histogram } from '../occurrences.js';
import { paths } from '../paths.js';

const PAGE = 50;
const SAMPLE = 100;
const PARTS = 48;
/** How many tasks and sessions are listed before the rest is only counted. */
const LISTED = 12;
/** How many characters of a template the title of the page has. */
const TITLE = 80;

export async function mount(root, ctx) {
  const path = `/anomalies/${encodeURIComponent(ctx.params.id)}`;
  const heading = h('span', null, 'Anomaly');
  const meta = h('span', { class: 'page-meta' });
  const body = h('div', { class: 'stack' }, skeleton(8));
  root.append(pageHead(heading, { meta }), body);
  await load();

  async function load() {
    try {
      const anomaly = await get(path, { signal: ctx.signal });
      const name = anomaly.template || anomaly.evidence?.split('; ')[0] || title(anomaly.kind);
      ctx.setTitle(`${name.slice(0, TITLE)} · ${title(anomaly.kind)}`);
      replace(heading, templateText(name));
      replace(meta, severityBadge(anomaly.severity), tag(title(anomaly.kind)), tag(title(anomaly.category)), h('span', null, 'last seen ', timeAgo(anomaly.last_seen)));
      replace(body, parts(ctx, path, anomaly));
    } catch (error) {
      if (!isAbort(error)) {
        replace(body, error.status === 404 ? gone() : errorState(error, load));
      }
    }
  }
}

function gone() {
  return emptyState({
    title: 'There is no such anomaly',
    text: 'It may be older than what is kept, or its id may be wrong.',
    action: h('a', { class: 'button', href: '/ui/anomalies' }, 'All anomalies'),
  });
}

function parts(ctx, path, anomaly) {
  return [
    anomaly.template && h('section', { class: 'panel pattern', 'aria-label': 'Template' },
      h('p', { class: 'code' }, templateText(anomaly.template)), copyButton(() => anomaly.template, 'Copy the template')),
    h('div', { class: 'panels' }, why(anomaly), panel('Facts', numbers(anomaly))),
    overTime(ctx, path, anomaly),
    anomaly.sample_lines.length > 0 && panel('Sample lines', h('ul', { class: 'samples' }, anomaly.sample_lines.map((text) => h('li', { class: 'mono' }, userText(text))))),
    lines(ctx, path, anomaly),
    h('div', { class: 'panels' }, analyses(anomaly), sessions(anomaly)),
  ];
}

/** Why it is one, by the detector and, where one was asked, by an AI service. */
function why(anomaly) {
  const byAI = anomaly.source.startsWith('llm');
  return panel('Why', h('div', { class: 'prose' },
    anomaly.cause && h('p', null, h('strong', null, userText(anomaly.cause))),
    anomaly.evidence && h('p', null, userText(anomaly.evidence)),
    anomaly.explanation && h('p', null, userText(anomaly.explanation)),
    anomaly.suggested_action && [h('h3', null, 'What to do'), h('p', null, userText(anomaly.suggested_action))],
    ![anomaly.cause, anomaly.evidence, anomaly.explanation, anomaly.suggested_action].some(Boolean) && h('p', { class: 'muted' }, 'The analyser gave no reason.')),
  { end: byAI ? tag('Explained by an AI service', 'info') : tag('Built-in analyser') });
}

function numbers(anomaly) {
  return facts([
    ['Lines', `${number(anomaly.count)}${anomaly.truncated ? ' or more' : ''}`],
    ['Usual', usual(anomaly)],
    ['Score', number(anomaly.score)],
    ['Confidence', `${Math.round(anomaly.confidence * 100)} %`],
    ['First seen', timeFull(anomaly.first_seen)],
    ['Last seen', timeFull(anomaly.last_seen)],
    ['Lasted', between(anomaly.first_seen, anomaly.last_seen) > 0 ? duration(between(anomaly.first_seen, anomaly.last_seen)) : null],
    ['Sources', anomaly.services.length > 0 ? h('span', { class: 'chips' }, anomaly.services.map((name) => h('a', { class: 'chip', href: paths.list('/ui/logs', { source: name }) }, userText(name)))) : '–'],
    ['Id', h('code', null, userText(anomaly.id))],
  ]);
}

/** How many lines are usual: of several analyses together nobody knows. */
function usual(anomaly) {
  if (!(anomaly.expected > 0) || anomaly.analyses > 1) {
    return null;
  }
  return anomaly.expected < 0.5 ? 'none' : number(Math.round(anomaly.expected));
}

/** When the lines were, as far as the analyses name them. */
function overTime(ctx, path, anomaly) {
  const body = h('div', null, skeleton(4));
  get(`${path}/logs`, { query: { limit: SAMPLE }, signal: ctx.signal }).then((page) => {
    const found = histogram(page.logs.map((entry) => entry.timestamp), PARTS);
    if (!found) {
      replace(body, h('p', { class: 'muted' }, 'The lines behind it are no longer stored.'));
      return;
    }
    const chart = timeChart({ label: 'Lines over time', series: [{ name: `Lines in ${duration(found.step)}`, tone: 'failed', area: true }], whole: true });
    const known = page.logs.length;
    replace(body, chart.element,
      known < anomaly.count && h('p', { class: 'muted small' }, `Drawn from ${count(known, 'line')} of ${number(anomaly.count)}: an analysis names the first ${SAMPLE} lines of an anomaly.`));
    chart.setData({ times: found.times, values: [found.counts] });
  }, (error) => {
    if (!isAbort(error)) {
      replace(body, errorState(error));
    }
  });
  return panel('Lines over time', body);
}

/** The log entries behind it, page by page. */
function lines(ctx, path, anomaly) {
  const body = h('div', null, skeleton(6));
  const list = logList({ label: 'Log lines behind the anomaly' });
  const missing = h('p', { class: 'muted small list-note' });
  const pages = pager(ctx, load);
  async function load() {
    try {
      const page = await get(`${path}/logs`, { query: { limit: PAGE, cursor: pages.cursor }, signal: ctx.signal });
      list.setRows(page.logs);
      missing.hidden = page.missing === 0;
      replace(missing, `${count(page.missing, 'line')} of this page ${page.missing === 1 ? 'is' : 'are'} no longer stored.`);
      pages.update({ next: page.next_cursor, shown: count(page.logs.length, 'line') });
      replace(body, page.logs.length + page.missing === 0 && !pages.cursor ? h('p', { class: 'muted list-note' }, 'No line shows it: it is about what did not happen.') : [list.element, missing, pages.element]);
    } catch (error) {
      if (!isAbort(error)) {
        replace(body, errorState(error, load));
      }
    }
  }
  load();
  return panel('Log lines', body, { className: 'flush', end: anomaly.count > 0 ? count(anomaly.count, 'line') : null });
}

function analyses(anomaly) {
  const listed = anomaly.task_ids.slice(0, LISTED);
  const more = anomaly.task_ids.length - listed.length;
  return panel('Analyses', h('ul', { class: 'chips' },
    listed.map((id) => h('li', null, h('a', { class: 'chip mono', href: paths.task(id), title: id }, `Task ${shortId(id)}`))),
    more > 0 && h('li', { class: 'muted' }, `and ${number(more)} more`)),
  { end: `found by ${count(anomaly.analyses, 'analysis', 'analyses')}${anomaly.truncated ? ' or more' : ''}` });
}

function sessions(anomaly) {
  if (anomaly.sessions.length === 0) {
    return null;
  }
  const listed = anomaly.sessions.slice(0, LISTED);
  const more = anomaly.sessions.length - listed.length;
  return panel('Sessions', h('ul', { class: 'chips' },
    listed.map((id) => h('li', null, h('a', { class: 'chip mono', href: paths.list('/ui/logs', { text: id }), title: 'Log lines with this id' }, userText(id)))),
    more > 0 && h('li', { class: 'muted' }, `and ${number(more)} more`)),
  { end: 'ids whose course is unusual' });
}
