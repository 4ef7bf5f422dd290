import { Pool } from 'pg'
import type { PostriderOptions } from '../../src/postrider.ts'
import { concurrency, type RunningWorker, type System, timeoutMs, type WorkerSetup } from './system.ts'

/** Compiled as it is published, where the bench has built it; else the source. */
const { Postrider } = (await import(
  process.env['BENCH_COMPILED'] ? '../../dist/postrider.js' : '../../src/postrider.ts'
)) as typeof import('../../src/postrider.ts')
type Postrider = InstanceType<typeof Postrider>

export const postriderTuning =
  'nothing: compiled as it ships, through its class, with the options of its command, 64 in flight, the guard on, secrets encrypted, attempts recorded.'

/** Postrider as it ships, through its class: guard, signatures, encrypted secrets, recorded attempts. */
export const postrider: System = {
  name: 'Postrider',
  module: 'postrider',
  tuning: { for: 'throughput', recordsAttempts: true },
  // As in the first line of bin/postrider.js.
  execArgv: ['--max-semi-space-size=16'],

  async install(connectionString) {
    const postrider = open({ connectionString })
    await postrider.migrate()
    await postrider.stop()
  },

  async subscribe(connectionString, endpoints) {
    const postrider = open({ connectionString })
    const projects = new Map<string, string>()
    for (const { tenant, topic, url, policy } of endpoints) {
      if (!projects.has(tenant)) projects.set(tenant, (await postrider.projects.create({ name: tenant })).id)
      const webhook = { name: topic, url, event_types: [topic], ...(policy && { policy }) }
      await postrider.webhooks.create(projects.get(tenant)!, webhook)
    }
    await postrider.stop()

    return async ({ connectionString, connections }) => {
      const pool = new Pool({ connectionString, max: connections })
      // Databases are dropped under idle connections.
      pool.on('error', () => {})
      const postrider = open({ pool })
      return {
        async publish({ id, tenant, topic, data }) {
          await postrider.publish({ id, projectId: projects.get(tenant)!, type: topic, data })
        },
        async publishMany(messages) {
          await postrider.publishMany(
            messages.map(({ id, tenant, topic, data }) => ({
              id,
              projectId: projects.get(tenant)!,
              type: topic,
              data,
            })),
          )
        },
        async close() {
          await postrider.stop()
          await pool.end()
        },
      }
    }
  },
}

export async function startWorker({ connectionString }: WorkerSetup): Promise<RunningWorker> {
  const postrider = open({ connectionString })
  await postrider.start()
  return postrider
}

function open(database: { connectionString: string } | { pool: Pool }): Postrider {
  return new Postrider({
    ...database,
    encryptionKeys: [{ id: 'bench', key: Buffer.alloc(32, 7) }],
    allowHttp: true,
    allowPrivate: ['127.0.0.0/8'],
    concurrency,
    timeoutMs,
  } satisfies PostriderOptions)
}
