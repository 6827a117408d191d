// pino with pino-loki: JSON lines to Loki's push API.
import pino from 'pino'
const transport = pino.transport({
  target: 'pino-loki',
  options: { host: process.env.TARGET, labels: { app: 'shop' }, batching: { interval: 1 } },
})
const log = pino(transport)
const [info, warn, error] = JSON.parse(process.env.MESSAGES)
log.info(info); log.warn(warn); log.error(error)
await new Promise((resolve) => log.flush(resolve))
transport.end()
