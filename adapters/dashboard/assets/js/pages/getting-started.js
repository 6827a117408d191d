// What a fresh install shows instead of empty charts.
import { session } from '../api.js';
import { h } from '../dom.js';
import { copyable } from '../components/copy.js';

/** How to send the first logs to the server that this page is from. */
export function gettingStarted() {
  const auth = session.required ? ' -H "Authorization: Bearer $LOGSIFT_API_KEY" \\\n ' : '';
  const { origin } = location;
  return h('section', { class: 'panel getting-started', 'aria-labelledby': 'getting-started' },
    h('h2', { id: 'getting-started' }, 'Send your first logs'),
    h('p', { class: 'muted' }, 'Nothing has come in yet. This page shows what is found as soon as something has.'),
    session.required && h('p', { class: 'muted' }, 'The commands take an API key with the role write from the variable ', h('code', null, 'LOGSIFT_API_KEY'), '.'),
    h('ol', null,
      step('Send a log file as it is', `curl${auth} -H 'Content-Type: text/plain' --data-binary @app.log \\\n  '${origin}/api/v1/logs?source=app'`),
      step('Or follow a file that is being written', `logsift follow --server ${origin} app.log`),
      step('Or have a shipper send them', `# Fluent Bit, Vector, Filebeat, Promtail and the OpenTelemetry Collector can send to\n${origin}/v1/logs            # OTLP/HTTP\n${origin}/loki/api/v1/push   # Loki\n${origin}/_bulk              # Elasticsearch`)));
}

function step(text, command) {
  return h('li', null, h('p', null, text), copyable(command));
}
