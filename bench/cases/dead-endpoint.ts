import { type Bench, type Ground, messagesTo, prepare, publishBacklog } from '../ground.ts'
import type { Figures } from '../measure.ts'
import { machineMs } from '../processes/machine-time.ts'
import { graphileWorker } from '../systems/graphile-worker.ts'
import { pgBoss } from '../systems/pg-boss.ts'
import { postrider } from '../systems/postrider.ts'
import type { Endpoint, Message, System } from '../systems/system.ts'
import type { Case, Contestant } from './case.ts'

const healthyCount = 100

export const deadEndpoint: Case = {
  name: 'dead-endpoint',
  title: 'A dead endpoint',
  what:
    'Of a backlog of 6,000 every second delivery is for an endpoint that never answers; the others are for 100 healthy ' +
    'ones on the same host and port. How many of the healthy 3,000 arrive in 12 s, and when the last of them does.',
  columns: [
    { key: 'arrived', title: 'arrived' },
    { key: 'arrivedPercent', title: '%' },
    { key: 'lastSeconds', title: 'last after s', digits: 1 },
  ],
  contestants: [
    contestant(postrider),
    contestant(graphileWorker()),
    contestant(pgBoss()),
    contestant(graphileWorker({ for: 'isolation' }), ', a queue for each endpoint'),
    contestant(pgBoss({ for: 'isolation' }), ', 8 in flight for each endpoint'),
  ],
}

function contestant(system: System, suffix = ''): Contestant {
  return {
    name: system.name + suffix,
    longOnly: system !== postrider && suffix === '',
    run: (bench) => measure(bench, system),
  }
}

async function measure(bench: Bench, system: System): Promise<Figures> {
  const { receiver, short } = bench
  const windowMs = short ? 500 : 12_000
  const ground = mixedGround(bench)
  await using prepared = await prepare(bench, system, ground)
  const healthy = messagesTo(ground.endpoints.slice(1), short ? 100 : 3_000)
  const dead = messagesTo(ground.endpoints.slice(0, 1), short ? 100 : 3_000)
  await publishBacklog(prepared, inTurn(dead, healthy))

  const workers = await prepared.loadWorkers()
  await receiver.reset({ remember: true })
  const startedMs = machineMs()
  await workers.start()
  await receiver.reaches('w', healthy.length, windowMs)
  const arrivals = await receiver.arrivals()
  const arrivedMs = healthy.flatMap(({ id }) => arrivals.get(id) ?? [])
  await workers.kill()
  return {
    arrived: arrivedMs.length,
    arrivedPercent: (arrivedMs.length / healthy.length) * 100,
    lastSeconds:
      arrivedMs.length < healthy.length ? windowMs / 1_000 : (Math.max(...arrivedMs) - startedMs) / 1_000,
  }
}

/** The dead one first, then the healthy ones. */
function mixedGround({ receiver }: Bench): Ground {
  const endpoint = (name: string, path: string): Endpoint => ({
    tenant: 'shop',
    topic: `order.${name}`,
    url: `${receiver.origin}/${path}`,
  })
  return {
    name: 'mixed',
    endpoints: [
      endpoint('dead', 'dead/0'),
      ...Array.from({ length: healthyCount }, (_, number) => endpoint(`paid_${number}`, `w/${number}`)),
    ],
  }
}

function inTurn(some: readonly Message[], others: readonly Message[]): Message[] {
  return some.flatMap((message, number) => [message, others[number]!])
}
