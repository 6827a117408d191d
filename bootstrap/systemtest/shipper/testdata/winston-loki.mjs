// winston with winston-loki: its default is snappy protobuf.
import winston from 'winston'
import LokiTransport from 'winston-loki'
const loki = new LokiTransport({
  host: process.env.TARGET, labels: { app: 'shop' }, interval: 1,
  format: winston.format.printf((info) => info.message), onConnectionError: (err) => console.error(err),
})
const log = winston.createLogger({ level: 'info', transports: [loki] })
const [info, warn, error] = JSON.parse(process.env.MESSAGES)
log.info(info); log.warn(warn); log.error(error)
await loki.flush()
log.close()
