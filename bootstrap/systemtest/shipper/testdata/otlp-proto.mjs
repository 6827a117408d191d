// OpenTelemetry's SDK for JavaScript, exporting as protobuf.
import { SeverityNumber } from '@opentelemetry/api-logs'
import { LoggerProvider, BatchLogRecordProcessor } from '@opentelemetry/sdk-logs'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-proto'
const exporter = new OTLPLogExporter({ url: process.env.TARGET + '/v1/logs', compression: 'gzip' })
const provider = new LoggerProvider({
  resource: resourceFromAttributes({ 'service.name': 'shop' }), processors: [new BatchLogRecordProcessor({ exporter })],
})
const log = provider.getLogger('cart')
const levels = [SeverityNumber.INFO, SeverityNumber.WARN, SeverityNumber.ERROR]
JSON.parse(process.env.MESSAGES).forEach((body, i) => log.emit({ severityNumber: levels[i], body, attributes: { i, nested: { a: [1, 'b'] } } }))
await provider.shutdown()
