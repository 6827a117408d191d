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
 * Puts neighbours together until at most `most` are left. reduce gets the list of a
 * bucket; the last bucket may be of fewer.
 */
export function bucket(list, most, reduce) {
  const size = Math.ceil(list.length / most);
  if (size <= 1) {
    return list.map((each) => reduce([each]));
  }
  const out = [];
  for (let i = 0; i < list.length; i += size) {
    out.push(reduce(list.slice(i, i + size)));
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

/** Which of n times get a label, so that labels of the width fit beside each other. */
export function labelled(n, width, labelWidth) {
  const most = Math.max(1, Math.floor(width / labelWidth));
  const step = Math.max(1, Math.ceil(n / most));
  const out = [];
  for (let i = n - 1 - Math.floor(step / 2); i >= 0; i -= step) {
    out.unshift(i);
  }
  return out;
}
