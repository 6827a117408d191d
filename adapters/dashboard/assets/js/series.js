// Arithmetic of charts. All functions are pure.

/**
 * Round values from 0 to at least max for the axis of a chart, about as many as wanted:
 * steps are 1, 2 or 5 times a power of ten, and whole where `whole` is true.
 */
export function ticks(max, wanted = 4, whole = false) {
  if (!(max > 0)) {
    return [0, 1];
  }
  const rough = max / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((m) => m * power).find((each) => each >= rough * 0.999);
  if (whole) {
    step = Math.max(1, Math.round(step));
  }
  const out = [];
  for (let i = 0; i === 0 || out[i - 1] < max; i += 1) {
    out.push(Number((i * step).toPrecision(12)));
  }
  return out;
}

/**
 * Puts neighbours together until about `most` are left. reduce gets the list of a bucket;
 * the first and the last bucket may be of fewer. first is the number of the first item in
 * a row without end: with it, the same items are put together when the list has moved on.
 */
export function bucket(list, most, reduce, first = 0) {
  const size = Math.max(1, Math.ceil(list.length / most));
  const out = [];
  for (let i = 0; i < list.length;) {
    const end = Math.min(list.length, i + size - (first + i) % size);
    out.push(reduce(list.slice(i, end)));
    i = end;
  }
  return out;
}

/** The mean, the greatest and the last of those that are numbers; null if none is. */
export function mean(values) {
  const known = values.filter(Number.isFinite);
  return known.length > 0 ? known.reduce((sum, each) => sum + each, 0) / known.length : null;
}

export function greatest(values) {
  const known = values.filter(Number.isFinite);
  return known.length > 0 ? Math.max(...known) : null;
}

export function last(values) {
  return values.filter(Number.isFinite).at(-1) ?? null;
}

/** Runs of neighbours that are numbers: [[index, value], …] each. */
export function runs(values) {
  const out = [];
  let open = null;
  values.forEach((value, i) => {
    if (!Number.isFinite(value)) {
      open = null;
      return;
    }
    if (!open) {
      open = [];
      out.push(open);
    }
    open.push([i, value]);
  });
  return out;
}

/** The points of an SVG path through a run, with one decimal. */
export function linePath(run, x, y) {
  return run.map(([i, value], at) => `${at === 0 ? 'M' : 'L'}${x(i).toFixed(1)} ${y(value).toFixed(1)}`).join('');
}

/** Minutes between labels of a time axis. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440];

/**
 * The labels of a time axis at round times of the clock: [{index, at}] of ISO times in
 * order, at most as many as fit into the width. offset is that of the reader's zone in
 * minutes, as Date.getTimezoneOffset tells it.
 */
export function timeLabels(times, width, labelWidth, offset) {
  const minutes = times.map((time) => Math.floor(Date.parse(time) / 60_000) - offset);
  const most = Math.max(1, Math.floor(width / labelWidth));
  const span = (minutes.at(-1) ?? 0) - (minutes[0] ?? 0);
  const step = STEPS.find((each) => span / each <= most) ?? STEPS.at(-1);
  const out = [];
  for (let i = 1; i < minutes.length; i += 1) {
    const round = Math.floor(minutes[i] / step) * step;
    if (round > minutes[i - 1]) {
      out.push({ index: i, at: new Date((round + offset) * 60_000).toISOString() });
    }
  }
  return out;
}
