import { createServer } from '../../src/api/server.ts'
import { systemClock } from '../../src/clock.ts'
import { Database } from '../../src/database/database.ts'
import { claim, firstWebhookId } from '../../src/deliver/claim.ts'
import { Life } from '../../src/deliver/life.ts'
import { Postrider } from '../../src/postrider.ts'
import { adminKey, readTimes } from '../dashboard/calls.ts'
import { type Bench, batchSize, type Ground, messagesTo, prepare, type Prepared } from '../ground.ts'
import type { Figures } from '../measure.ts'
import { median } from '../statistics.ts'
import { seedMonth } from '../systems/postrider-history.ts'
import { seedWaiting } from '../systems/postrider-rows.ts'
import { postrider } from '../systems/postrider.ts'
import type { Endpoint } from '../systems/system.ts'
import type { Case } from './case.ts'

export const empty = 'Postrider, empty'
export const full = 'Postrider, 10 million finished and 1 million future'

export const longLife: Case = {
  name: 'long-life',
  title: 'Long life',
  what:
    'Microseconds for one event published over one connection, alone and in batches of 500, and for one delivery claimed, 64 ' +
    'at a time; milliseconds for the eleven list calls of the API together, over HTTP, each the median of its calls. Without ' +
    'and with 10 million finished deliveries of 30 days, each with its event and attempt, and 1 million that wait for a ' +
    'later try, most of them of the same project. What is listed is in both what the measurement published itself.',
  columns: [
    { key: 'claimUs', title: 'claim µs' },
    { key: 'publishUs', title: 'publish µs' },
    { key: 'batchUs', title: 'in batches µs' },
    { key: 'listsMs', title: 'lists ms', digits: 1 },
  ],
  isLong: true,
  contestants: [
    { name: empty, longOnly: true, run: (bench) => measure(bench, ground(bench)) },
    {
      name: full,
      run: (bench) =>
        measure(bench, {
          ...ground(bench),
          name: 'full',
          fill: async (connectionString) => {
            await seedMonth(connectionString, bench.short ? 2_000 : 10_000_000)
            await seedWaiting(connectionString, bench.short ? 1_000 : 1_000_000)
          },
        }),
    },
  ],
}

/** Twenty endpoints of the large project, which are measured, and five of small ones. */
function ground({ receiver }: Bench): Ground {
  const endpoint = (tenant: string, number: number): Endpoint => ({
    tenant,
    topic: `order.paid_${number}`,
    url: `${receiver.origin}/w/${number}`,
  })
  return {
    name: 'long',
    endpoints: [
      ...Array.from({ length: 20 }, (_, number) => endpoint('large', number)),
      ...Array.from({ length: 5 }, (_, number) => endpoint(`small ${number}`, number)),
    ],
  }
}

async function measure(bench: Bench, ground: Ground): Promise<Figures> {
  await using prepared = await prepare(bench, postrider, ground)
  const endpoints = ground.endpoints.slice(0, 20)
  const published = await publish(prepared, endpoints, bench)
  const lists = await readLists(prepared.database.connectionString, bench.short ? 1 : 20)
  const claimUs = await claimAll(prepared.database.connectionString, bench.short ? 100 : 5_000)
  return { ...published, ...lists, claimUs }
}

async function publish(
  prepared: Prepared,
  endpoints: readonly Endpoint[],
  { short }: Bench,
): Promise<Figures> {
  const publisher = await prepared.openPublisher(1)
  const each = async (count: number, step: number, work: (at: number) => Promise<void>): Promise<number> => {
    const times: number[] = []
    for (let at = 0; at < count; at += step) times.push(await timedMs(() => work(at)))
    return (median(times) / step) * 1_000
  }
  for (const message of messagesTo(endpoints, short ? 5 : 500)) await publisher.publish(message)
  const single = messagesTo(endpoints, short ? 20 : 2_000)
  const publishUs = await each(single.length, 1, (at) => publisher.publish(single[at]!))
  const batched = messagesTo(endpoints, batchSize * (short ? 1 : 40))
  const batchUs = await each(batched.length, batchSize, (at) =>
    publisher.publishMany(batched.slice(at, at + batchSize)),
  )
  await publisher.close()
  return { publishUs, batchUs }
}

/** As a worker does, which also lets what it claimed last leave its row; nothing is sent. */
async function claimAll(connectionString: string, count: number): Promise<number> {
  const database = new Database({ connectionString, maxConnections: 1 })
  const life = new Life({ leaseSeconds: 300, clock: systemClock })
  await life.begin(database)
  const limit = 64
  const perDeliveryUs: number[] = []
  let afterWebhookId = firstWebhookId
  let finished: string[] = []
  for (let claimed = 0; claimed < count; claimed += finished.length) {
    const startedMs = performance.now()
    const deliveries = await claim(database, {
      workerId: life.id,
      now: new Date(),
      limit,
      maxHeld: 8,
      limits: { held: new Map(), most: new Map() },
      finished,
      afterWebhookId,
    })
    if (deliveries.length === 0) throw new Error(`only ${claimed} of ${count} deliveries could be claimed`)
    perDeliveryUs.push(((performance.now() - startedMs) * 1_000) / deliveries.length)
    finished = deliveries.map(({ id }) => id)
    afterWebhookId = deliveries.at(-1)!.webhook_id
  }
  await database.close()
  return median(perDeliveryUs)
}

/** Medians in milliseconds of each list call, by its path without ids and times, and their sum. */
async function readLists(connectionString: string, calls: number): Promise<Figures> {
  const engine = new Postrider({
    connectionString,
    encryptionKeys: [{ id: 'bench', key: Buffer.alloc(32, 7) }],
  })
  const server = createServer({ postrider: engine, adminKey, port: 0, rateLimit: false })
  const { url } = await server.start()
  const { project, webhook, event, cancelled } = await newest(connectionString)
  const base = `${url}/api/projects/${project}/`
  for (const id of cancelled) await readTimes(base, { path: `deliveries/${id}/cancel`, body: {} }, 0)
  const since = new Date(Date.now() - 3_600_000).toISOString()
  const medians: Figures = {}
  for (const [name, path] of Object.entries(listPaths({ webhook, event, since }))) {
    const { times } = await readTimes(base, { path }, calls)
    medians[`list: ${name}`] = median(times)
  }
  await server.stop()
  await engine.stop()
  return { ...medians, listsMs: Object.values(medians).reduce((sum, ms) => sum + ms, 0) }
}

function listPaths({ webhook, event, since }: { webhook: string; event: string; since: string }) {
  return {
    deliveries: 'deliveries',
    'deliveries, pending': 'deliveries?status=pending',
    'deliveries, failed': 'deliveries?status=failed',
    'deliveries since': `deliveries?since=${since}`,
    'deliveries of a type': 'deliveries?event_type=order.paid_1',
    'deliveries of a webhook': `webhooks/${webhook}/deliveries`,
    'deliveries of a webhook, pending': `webhooks/${webhook}/deliveries?status=pending`,
    'deliveries of an event': `deliveries?event_id=${event}`,
    events: 'events',
    'events of a type': 'events?type=order.paid_1',
    webhooks: 'webhooks',
  }
}

/** Of what was published last: its project, a webhook and an event, and some that are to have failed. */
async function newest(connectionString: string) {
  const database = new Database({ connectionString, maxConnections: 1 })
  const { rows } = await database.query<{ id: string; project: string; webhook: string; event: string }>(
    `SELECT
       delivery.id,
       delivery.project_id AS project,
       delivery.webhook_id AS webhook,
       delivery.event_id AS event
     FROM postrider.projects AS project
     CROSS JOIN LATERAL (
       SELECT *
       FROM postrider.deliveries AS delivery
       WHERE delivery.project_id = project.id
       ORDER BY delivery.created_at DESC, delivery.id DESC
       LIMIT 60
     ) AS delivery
     WHERE project.name = 'large'`,
  )
  await database.close()
  return { ...rows[0]!, cancelled: rows.map(({ id }) => id) }
}

async function timedMs(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return performance.now() - startedMs
}
