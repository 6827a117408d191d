// Elastic's own client, which checks that it speaks to Elasticsearch.
import { Client } from '@elastic/elasticsearch'
const client = new Client({ node: process.env.TARGET })
const { version } = await client.info()
if (!version.number) throw new Error('no version')
await client.indices.putIndexTemplate({ name: 'app', index_patterns: ['app*'] })
const levels = ['info', 'warn', 'error']
const datasource = JSON.parse(process.env.MESSAGES).map((message, i) => (
  { '@timestamp': new Date().toISOString(), message, log: { level: levels[i] }, service: { name: 'shop' } }))
const result = await client.helpers.bulk({
  datasource, onDocument: () => ({ create: { _index: 'app' } }), onDrop: (doc) => console.error('dropped', doc),
})
if (result.successful !== 3 || result.failed !== 0) console.error(result)
await client.close()
