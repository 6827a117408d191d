// Icons as lines on a grid of 16, drawn in the colour of the text.
import { s } from './dom.js';

const PATHS = {
  overview: 'M2.5 13.5v-5M6.2 13.5v-9M9.8 13.5v-6M13.5 13.5v-11',
  tasks: 'M6 4h8M6 8h8M6 12h8M2 4l.8.8L4.2 3.4M2 8l.8.8 1.4-1.4M2 12l.8.8 1.4-1.4',
  anomalies: 'M1.5 9h2.8L6 3.5 9.2 12.5 11 8.2l.8.8h2.7',
  logs: 'M2 3.5h12M2 6.5h8M2 9.5h11M2 12.5h6',
  workers: 'M4.5 4.5h7v7h-7zM6.5 2v2.5M9.5 2v2.5M6.5 11.5V14M9.5 11.5V14M2 6.5h2.5M2 9.5h2.5M11.5 6.5H14M11.5 9.5H14',
  schedules: 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M8 4.6V8l2.4 1.6',
  workflows: 'M2 2.5h4v4H2zM10 6h4v4h-4zM2 9.5h4v4H2zM6 4.5h2V8h2M6 11.5h2V8',
  queues: 'M8 1.8 14 5 8 8.2 2 5zM2.4 8.2 8 11.2l5.6-3M2.4 11.2 8 14.2l5.6-3',
  settings: 'M2 4.5h5.5M11 4.5h3M2 11.5h3M8.5 11.5H14M7.6 4.5a1.7 1.7 0 1 0 3.4 0 1.7 1.7 0 1 0-3.4 0M5 11.5a1.7 1.7 0 1 0 3.4 0 1.7 1.7 0 1 0-3.4 0',
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 1 0 0-9M10.3 10.3 14 14',
  menu: 'M2 4h12M2 8h12M2 12h12',
  close: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
  sun: 'M8 5a3 3 0 1 0 0 6 3 3 0 1 0 0-6M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1.1 1.1M11.9 11.9 13 13M13 3l-1.1 1.1M4.1 11.9 3 13',
  moon: 'M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1z',
  auto: 'M8 2a6 6 0 1 0 0 12A6 6 0 1 0 8 2M8 2v12M8 5l4.6-.6M8 8.5h5.8M8 12l4.3.2',
  keyboard: 'M1.5 4h13v8.5h-13zM4 6.8h.1M6.7 6.8h.1M9.3 6.8h.1M12 6.8h.1M4.8 9.8h6.4',
  copy: 'M5.5 5.5h8v8h-8zM3 10.5h-.5v-8h8V3',
  check: 'M2.5 8.5l3.5 3.5 7.5-8',
  retry: 'M13.5 8a5.5 5.5 0 1 1-1.7-4M13.5 1.8V4.6h-2.8',
  cancel: 'M8 2a6 6 0 1 0 0 12A6 6 0 1 0 8 2M3.8 3.8l8.4 8.4',
  run: 'M4.5 2.8v10.4l8-5.2z',
  trash: 'M2.5 4h11M6 4V2.5h4V4M4 4l.6 9.5h6.8L12 4M6.7 6.8v4M9.3 6.8v4',
  pause: 'M5.5 3v10M10.5 3v10',
  next: 'M6 3l5 5-5 5',
  previous: 'M10 3 5 8l5 5',
  first: 'M12 3 7 8l5 5M4 3v10',
  down: 'M3 6l5 5 5-5',
  warning: 'M8 2 14.5 13.5h-13zM8 6.2v3.4M8 11.6v.1',
  filter: 'M2 3h12L9.5 8.4v4.2l-3 1.4V8.4z',
  user: 'M8 2.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 1 0 0-5.6M2.8 14c.4-3 2.6-4.4 5.2-4.4s4.8 1.4 5.2 4.4',
  table: 'M2 3h12v10H2zM2 6.5h12M2 9.8h12M6.5 6.5V13',
  chart: 'M2 2.5v11h12M4.5 10.5l3-3.4 2.3 2 4-4.8',
  external: 'M9.5 2.5h4v4M13.3 2.7 7.5 8.5M6.5 3.5h-4v10h10v-4',
};

/** An icon; it says nothing to screen readers, so the text beside it must. */
export function icon(name) {
  return s('svg', { class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true', focusable: 'false' },
    s('path', { d: PATHS[name] }));
}

/** The mark of the product. */
export function logo() {
  return s('svg', { class: 'logo', viewBox: '0 0 32 32', 'aria-hidden': 'true', focusable: 'false' },
    s('rect', { class: 'logo-ground', width: 32, height: 32, rx: 8 }),
    s('path', { class: 'logo-lines', d: 'M8 10h16M11 16h10M14 22h4' }));
}
