import { type Bench, messagesTo, prepare, spreadGround } from '../ground.ts'
import type { Figures } from '../measure.ts'
import { publishSteadily, waits } from '../steady.ts'
import { percentile } from '../statistics.ts'
import { graphileWorker } from '../systems/graphile-worker.ts'
import { pgBoss } from '../systems/pg-boss.ts'
import { postrider } from '../systems/postrider.ts'
import type { System } from '../systems/system.ts'
import type { Case } from './case.ts'

export const latency: Case = {
  name: 'latency',
  title: 'Latency',
  what:
    'Milliseconds from the call that publishes to the arrival at the receiver, at 50 events a second for 20 s, with ' +
    'one worker that has nothing else to do.',
  columns: [
    { key: 'p50', title: 'p50 ms', digits: 1 },
    { key: 'p99', title: 'p99 ms', digits: 1 },
    { key: 'max', title: 'max ms', digits: 1 },
  ],
  contestants: [postrider, graphileWorker({ for: 'latency' }), pgBoss({ for: 'latency' })].map((system) => ({
    name: system.name,
    run: (bench) => measure(bench, system),
  })),
}

async function measure(bench: Bench, system: System): Promise<Figures> {
  const { receiver, short } = bench
  const ground = spreadGround(bench)
  await using prepared = await prepare(bench, system, ground)
  const workers = await prepared.loadWorkers()
  await receiver.reset({ remember: true })
  await workers.start()

  const warmUp = messagesTo(ground.endpoints, short ? 2 : 100)
  const measured = messagesTo(ground.endpoints, short ? 10 : 1_000)
  const publisher = await prepared.openPublisher(4)
  const published = await publishSteadily(publisher, [...warmUp, ...measured], { perSecond: 50 })
  await receiver.reach('w', warmUp.length + measured.length, 30_000)
  const waited = waits(measured, published, await receiver.arrivals())
  await publisher.close()
  await workers.stop()
  return { p50: percentile(waited, 50), p99: percentile(waited, 99), max: Math.max(...waited) }
}
