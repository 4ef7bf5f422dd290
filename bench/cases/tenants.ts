import { setTimeout as delay } from 'node:timers/promises'
import { type Bench, type Ground, messagesTo, prepare, publishBatches } from '../ground.ts'
import type { Figures } from '../measure.ts'
import { percentile } from '../statistics.ts'
import { publishSteadily, waits } from '../steady.ts'
import { graphileWorker } from '../systems/graphile-worker.ts'
import { pgBoss } from '../systems/pg-boss.ts'
import { seedDue } from '../systems/postrider-rows.ts'
import { postrider } from '../systems/postrider.ts'
import type { Endpoint, OpenPublisher, System } from '../systems/system.ts'
import type { Case, Contestant } from './case.ts'

const smallCount = 100

export const tenants: Case = {
  name: 'tenants',
  title: 'A tenant with a million due deliveries',
  what:
    'A hundred tenants publish 50 events a second between them, for 10 s, while one worker works off the backlog of ' +
    'another: a million deliveries with Postrider, for the peers 100,000. Milliseconds from the call that publishes ' +
    'to the arrival, for the hundred; what had not arrived 5 s after the last call counts as arriving then.',
  columns: [
    { key: 'p50', title: 'p50 ms', digits: 1 },
    { key: 'p99', title: 'p99 ms', digits: 1 },
    { key: 'arrivedPercent', title: 'arrived %' },
    { key: 'bigRate', title: 'the other’s deliveries/s' },
  ],
  contestants: [
    { ...contestant('Postrider, the hundred alone', postrider, ground), longOnly: true },
    {
      ...contestant('Postrider', postrider, (bench) => ({
        ...ground(bench),
        name: 'million',
        fill: (connectionString) => seedDue(connectionString, 'big', 1_000_000),
      })),
      longOnly: true,
    },
    contestant('Postrider, and a dead endpoint with 100,000', postrider, (bench) => ({
      ...ground(bench),
      name: 'million_and_dead',
      fill: async (connectionString) => {
        await seedDue(connectionString, 'big', bench.short ? 1_000 : 1_000_000)
        await seedDue(connectionString, 'dead', bench.short ? 100 : 100_000)
      },
    })),
    contestant('graphile-worker', graphileWorker(), peerGround),
    contestant('pg-boss', pgBoss(), peerGround),
  ],
}

function contestant(name: string, system: System, ground: (bench: Bench) => Ground): Contestant {
  return { name, run: (bench) => measure(bench, system, ground(bench)) }
}

async function measure(bench: Bench, system: System, ground: Ground): Promise<Figures> {
  const { receiver, short } = bench
  await using prepared = await prepare(bench, system, ground)
  const workers = await prepared.loadWorkers()
  await receiver.reset({ remember: true })
  await workers.start()
  // Into the middle of the work on the backlog.
  await delay(short ? 0 : 2_000)

  const small = ground.endpoints.filter(({ tenant }) => tenant.startsWith('small'))
  const messages = messagesTo(small, short ? 10 : 500)
  const publisher = await prepared.openPublisher(4)
  const from = await receiver.count('big')
  const published = await publishSteadily(publisher, messages, { perSecond: 50 })
  const to = await receiver.count('big')
  await receiver.reaches('w', messages.length, short ? 500 : 5_000)
  const arrivals = await receiver.arrivals()
  const waited = waits(messages, published, arrivals)
  await publisher.close()
  await workers.kill()
  return {
    p50: percentile(waited, 50),
    p99: percentile(waited, 99),
    arrivedPercent: (messages.filter(({ id }) => arrivals.has(id)).length / messages.length) * 100,
    bigRate: ((to.count - from.count) / (to.atMs - from.atMs)) * 1_000,
  }
}

/** The big tenant, one with a dead endpoint, and the hundred. */
function ground({ receiver }: Bench): Ground {
  const endpoint = (tenant: string, path: string): Endpoint => ({
    tenant,
    topic: 'order.paid',
    url: `${receiver.origin}/${path}`,
  })
  return {
    name: 'tenants',
    endpoints: [
      endpoint('big', 'big/0'),
      endpoint('dead', 'dead/0'),
      ...Array.from({ length: smallCount }, (_, number) => endpoint(`small ${number}`, `w/${number}`)),
    ],
  }
}

function peerGround(bench: Bench): Ground {
  const plain = ground(bench)
  const fill = async (connectionString: string, open: OpenPublisher): Promise<void> => {
    const publisher = await open({ connectionString, connections: 4 })
    await publishBatches(publisher, messagesTo(plain.endpoints.slice(0, 1), bench.short ? 1_000 : 100_000), 4)
    await publisher.close()
  }
  return { ...plain, name: 'hundred_thousand', fill }
}
