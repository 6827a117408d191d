// Line and area charts over time, and sparklines, as SVG. Each chart can be read as a
// table, and by keyboard.
import { h, replace, s, setAttr } from '../dom.js';
import { clock, dateTime, number } from '../format.js';
import { icon } from '../icons.js';
import { greatest, last, linePath, runs, ticks, timeLabels } from '../series.js';

const HEIGHT = 168;
const MARGIN = { top: 10, right: 10, bottom: 22 };
/** The room of a label of the time axis, and about half of what it fills of that. */
const LABEL_WIDTH = 76;
const HALF_LABEL = 18;
/** About the width of a figure of the axis, to leave room for the longest label. */
const FIGURE = 6.4;
const LEAST_LEFT = 32;

/**
 * Makes a chart. options:
 *
 * label: what it shows. series: [{name, tone, area}]: tone is the name of a colour
 *   ("completed", "failed", "pending", "p50", …), area fills below the line.
 * format(n): a value as text. whole: whether values are whole numbers.
 *
 * Returns {element, setData({times, values})}: times are ISO strings, values a list for
 * each series, null where there is none.
 */
export function timeChart(options) {
  return new TimeChart(options);
}

class TimeChart {
  #options;
  #data = { times: [], values: [] };
  #width = 0;
  #at = -1;
  #plot;
  #svg;
  #tip = h('div', { class: 'chart-tip', hidden: true });
  #legend = h('ul', { class: 'legend' });
  #table = h('div', { class: 'chart-table', hidden: true });

  constructor(options) {
    this.#options = { format: number, whole: false, ...options };
    this.#svg = s('svg', { class: 'chart', height: HEIGHT, width: '100%', 'aria-hidden': 'true' });
    this.#plot = h('div', {
      class: 'chart-plot', tabindex: '0', role: 'group', 'aria-label': `${options.label}. Arrow keys read the values.`,
      on: {
        pointermove: (event) => this.#point(event),
        pointerleave: () => this.#show(-1),
        blur: () => this.#show(-1),
        keydown: (event) => this.#key(event),
      },
    }, this.#svg, this.#tip);
    this.#tip.setAttribute('role', 'status');
    this.element = h('div', { class: 'chart-box' }, h('div', { class: 'chart-head' }, this.#legend, this.#toggle()), this.#plot, this.#table);
    const observer = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (width !== this.#width) {
        this.#width = width;
        this.#draw();
      }
    });
    observer.observe(this.#plot);
  }

  setData(data) {
    this.#data = data;
    this.#draw();
    this.#showLegend();
    if (!this.#table.hidden) {
      this.#fillTable();
    }
  }

  #toggle() {
    const button = h('button', { class: 'icon-button small', type: 'button', 'aria-label': `Show as a table: ${this.#options.label}`, title: 'Show as a table', 'aria-pressed': 'false' }, icon('table'));
    button.addEventListener('click', () => {
      const asTable = this.#table.hidden;
      this.#table.hidden = !asTable;
      this.#plot.hidden = asTable;
      setAttr(button, 'aria-pressed', asTable ? 'true' : 'false');
      replace(button, icon(asTable ? 'chart' : 'table'));
      if (asTable) {
        this.#fillTable();
      }
    });
    return button;
  }

  #showLegend() {
    const { series, format } = this.#options;
    replace(this.#legend, series.map((each, i) => h('li', null,
      h('span', { class: 'swatch', dataset: { tone: each.tone }, 'aria-hidden': 'true' }),
      each.name, ' ', h('strong', null, show(last(this.#data.values[i] ?? []), format)))));
  }

  #scales() {
    const { times, values } = this.#data;
    const marks = ticks(greatest(values.flat()) ?? 0, 4, this.#options.whole);
    const left = Math.max(LEAST_LEFT, 12 + FIGURE * Math.max(...marks.map((mark) => this.#options.format(mark).length)));
    const inner = { left, width: Math.max(10, this.#width - left - MARGIN.right), height: HEIGHT - MARGIN.top - MARGIN.bottom };
    const step = times.length > 1 ? inner.width / (times.length - 1) : 0;
    return {
      marks, inner,
      x: (i) => left + i * step,
      y: (value) => MARGIN.top + inner.height * (1 - value / marks.at(-1)),
      nearest: (px) => (step > 0 ? Math.max(0, Math.min(times.length - 1, Math.round((px - left) / step))) : times.length - 1),
    };
  }

  #draw() {
    if (this.#width === 0) {
      return;
    }
    const { times, values } = this.#data;
    const { marks, inner, x, y } = this.#scales();
    const { left } = inner;
    const right = left + inner.width;
    setAttr(this.#svg, 'viewBox', `0 0 ${this.#width} ${HEIGHT}`);
    replace(this.#svg,
      marks.map((mark) => [
        s('line', { class: 'grid', x1: left, x2: right, y1: y(mark), y2: y(mark) }),
        s('text', { class: 'axis', x: left - 8, y: y(mark) + 3.5, 'text-anchor': 'end' }, this.#options.format(mark)),
      ]),
      timeLabels(times, inner.width, LABEL_WIDTH, new Date().getTimezoneOffset()).map(({ index, at }) => s('text', {
        class: 'axis', x: Math.min(x(index), this.#width - HALF_LABEL), y: HEIGHT - 6, 'text-anchor': 'middle',
      }, clock(at))),
      this.#options.series.map((series, at) => runs(values[at] ?? []).map((run) => this.#run(series, run, x, y))),
      s('g', { class: 'cursor' }));
    this.#show(this.#at);
  }

  #run(series, run, x, y) {
    const path = linePath(run, x, y);
    const [first, end] = [run[0][0], run.at(-1)[0]];
    return [
      series.area && s('path', { class: 'area', 'data-tone': series.tone, d: `${path}L${x(end).toFixed(1)} ${y(0)}L${x(first).toFixed(1)} ${y(0)}Z` }),
      run.length > 1
        ? s('path', { class: 'line', 'data-tone': series.tone, d: path })
        : s('circle', { class: 'dot', 'data-tone': series.tone, cx: x(first), cy: y(run[0][1]), r: 2 }),
    ];
  }

  #point(event) {
    const box = this.#plot.getBoundingClientRect();
    this.#show(this.#scales().nearest(event.clientX - box.left));
  }

  #key(event) {
    const n = this.#data.times.length;
    const from = this.#at < 0 ? n : this.#at;
    const to = { ArrowLeft: Math.max(0, from - 1), ArrowRight: Math.min(n - 1, from + 1), Home: 0, End: n - 1 }[event.key];
    if (to !== undefined && n > 0) {
      event.preventDefault();
      this.#show(to);
    } else if (event.key === 'Escape') {
      this.#show(-1);
    }
  }

  /** Shows the values at an index, or none at -1. */
  #show(index) {
    const { times, values } = this.#data;
    this.#at = index < times.length ? index : -1;
    const cursor = this.#svg.querySelector('.cursor');
    this.#tip.hidden = this.#at < 0;
    if (!cursor || this.#at < 0) {
      cursor?.replaceChildren();
      return;
    }
    const { x, y, inner } = this.#scales();
    const at = x(this.#at);
    replace(cursor,
      s('line', { class: 'crosshair', x1: at, x2: at, y1: MARGIN.top, y2: MARGIN.top + inner.height }),
      this.#options.series.map((series, i) => Number.isFinite(values[i]?.[this.#at]) && s('circle', { class: 'dot', 'data-tone': series.tone, cx: at, cy: y(values[i][this.#at]), r: 3 })));
    replace(this.#tip,
      h('p', { class: 'chart-tip-time' }, dateTime(times[this.#at]).slice(0, 16)),
      this.#options.series.map((series, i) => h('p', null, h('span', { class: 'swatch', dataset: { tone: series.tone }, 'aria-hidden': 'true' }), `${series.name} `, h('strong', null, show(values[i]?.[this.#at], this.#options.format)))));
    const tipAt = at > this.#width / 2 ? at - this.#tip.offsetWidth - 12 : at + 12;
    this.#tip.style.transform = `translate(${Math.round(tipAt)}px, ${MARGIN.top}px)`;
  }

  #fillTable() {
    const { series, format, label } = this.#options;
    const { times, values } = this.#data;
    replace(this.#table, h('table', { class: 'plain-table' },
      h('caption', { class: 'visually-hidden' }, label),
      h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Time'), series.map((each) => h('th', { scope: 'col', class: 'num' }, each.name)))),
      h('tbody', null, times.map((time, i) => h('tr', null,
        h('th', { scope: 'row' }, dateTime(time).slice(0, 16)), series.map((each, at) => h('td', { class: 'num' }, show(values[at]?.[i], format))))).reverse())));
    setAttr(this.#table, 'tabindex', '0');
    setAttr(this.#table, 'role', 'region');
    setAttr(this.#table, 'aria-label', label);
  }
}

function show(value, format) {
  return Number.isFinite(value) ? format(value) : '–';
}

/**
 * A small line or, with bars, columns without axes. label says in words what it shows,
 * since it is all that screen readers get.
 */
export function sparkline(values, { label, tone = 'pending', width = 96, height = 24, bars = false }) {
  const max = greatest(values) || 1;
  const step = values.length > 1 ? width / (bars ? values.length : values.length - 1) : width;
  const y = (value) => height - 1.5 - (height - 3) * (value / max);
  const marks = bars
    ? values.map((value, i) => Number.isFinite(value) && value > 0 && s('rect', { class: 'bar', 'data-tone': tone, x: (i * step).toFixed(1), y: y(value).toFixed(1), width: Math.max(1, step - 1).toFixed(1), height: (height - y(value)).toFixed(1) }))
    : runs(values).map((run) => s('path', { class: 'line', 'data-tone': tone, d: linePath(run, (i) => i * step, y) }));
  return s('svg', { class: 'sparkline', width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': label }, marks);
}
