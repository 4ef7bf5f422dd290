import { setTimeout as delay } from 'node:timers/promises'
import { type Bench, type Ground, messagesTo, prepare, publishBacklog } from '../ground.ts'
import type { Figures } from '../measure.ts'
import { graphileWorker } from '../systems/graphile-worker.ts'
import { pgBoss } from '../systems/pg-boss.ts'
import { postrider } from '../systems/postrider.ts'
import type { System } from '../systems/system.ts'
import type { Case } from './case.ts'

export const slowEndpoint: Case = {
  name: 'slow-endpoint',
  title: 'A slow endpoint',
  what:
    'A backlog for one healthy endpoint that takes 300 ms to answer, and one worker with nothing else to do: deliveries ' +
    'per second over 8 s. 64 in flight make 213.',
  columns: [{ key: 'rate', title: 'deliveries/s', digits: 1 }],
  contestants: [postrider, graphileWorker(), pgBoss()].map((system) => ({
    name: system.name,
    longOnly: system !== postrider,
    run: (bench) => measure(bench, system),
  })),
}

async function measure(bench: Bench, system: System): Promise<Figures> {
  const { receiver, short } = bench
  const ground: Ground = {
    name: 'slow',
    endpoints: [{ tenant: 'shop', topic: 'order.paid', url: `${receiver.origin}/slow/0` }],
  }
  await using prepared = await prepare(bench, system, ground)
  await publishBacklog(prepared, messagesTo(ground.endpoints, short ? 200 : 3_000))
  const workers = await prepared.loadWorkers()
  await receiver.reset()
  await workers.start()
  await receiver.reach('slow', 1, 30_000)
  await delay(short ? 0 : 2_000)
  const from = await receiver.count('slow')
  await delay(short ? 400 : 8_000)
  const to = await receiver.count('slow')
  await workers.kill()
  return { rate: ((to.count - from.count) / (to.atMs - from.atMs)) * 1_000 }
}
