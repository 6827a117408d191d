import { pageHead } from '../components/page.js';

export function mount(root) {
  root.append(pageHead('Anomaly'));
}
