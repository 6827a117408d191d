// pino with pino-elasticsearch: the bulk helper of Elastic's client.
import pino from 'pino'
import pinoElastic from 'pino-elasticsearch'
const stream = pinoElastic({ index: 'app', node: process.env.TARGET, flushBytes: 1, flushInterval: 100, esVersion: 9 })
for (const event of ['error', 'insertError', 'unknown']) stream.on(event, (err) => console.error(event, err))
const log = pino({ base: { service: 'shop' } }, stream)
const [info, warn, error] = JSON.parse(process.env.MESSAGES)
log.info(info); log.warn(warn); log.error(error)
await new Promise((resolve) => log.flush(resolve))
stream.end()
