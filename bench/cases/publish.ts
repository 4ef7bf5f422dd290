import { type Bench, type Ground, inParallel, messagesTo, prepare, publishBatches } from '../ground.ts'
import { type Figures, walPosition } from '../measure.ts'
import { graphileWorker } from '../systems/graphile-worker.ts'
import { pgBoss } from '../systems/pg-boss.ts'
import { postrider } from '../systems/postrider.ts'
import type { Message, Publisher, System } from '../systems/system.ts'
import type { Case } from './case.ts'

export const publish: Case = {
  name: 'publish',
  title: 'Publishing',
  what:
    'Events per second: one by one over 1, 8 and 32 connections, and in batches of 500 over 4. One webhook matches each ' +
    'event. The CPU is that of PostgreSQL and the WAL is that of the batches, for one event.',
  columns: [
    { key: 'one', title: '1 connection' },
    { key: 'eight', title: '8' },
    { key: 'thirtyTwo', title: '32' },
    { key: 'batches', title: 'batches' },
    { key: 'singleCpuUs', title: 'CPU µs over 32' },
    { key: 'batchCpuUs', title: 'CPU µs batches' },
    { key: 'batchWalBytes', title: 'WAL B' },
  ],
  contestants: [postrider, graphileWorker(), pgBoss()].map((system) => ({
    name: system.name,
    run: (bench) => measure(bench, system),
  })),
}

async function measure(bench: Bench, system: System): Promise<Figures> {
  const ground: Ground = {
    name: 'single',
    endpoints: [{ tenant: 'shop', topic: 'order.paid', url: `${bench.receiver.origin}/w/0` }],
  }
  await using prepared = await prepare(bench, system, ground)

  const timed = async (
    connections: number,
    count: number,
    run: (publisher: Publisher, messages: readonly Message[]) => Promise<void>,
  ): Promise<{ rate: number; cpuUs: number; walBytes: number }> => {
    const publisher = await prepared.openPublisher(connections)
    await run(publisher, messagesTo(ground.endpoints, bench.short ? connections : 500))
    const messages = messagesTo(ground.endpoints, count)
    const walBefore = await walPosition(bench.postgres)
    const cpuBefore = bench.postgres.cpuUs
    const startedMs = performance.now()
    await run(publisher, messages)
    const seconds = (performance.now() - startedMs) / 1_000
    const cpuUs = (bench.postgres.cpuUs - cpuBefore) / count
    const walBytes = ((await walPosition(bench.postgres)) - walBefore) / count
    await publisher.close()
    return { rate: count / seconds, cpuUs, walBytes }
  }
  const oneByOne = (connections: number, count: number): ReturnType<typeof timed> =>
    timed(connections, bench.short ? connections : count, (publisher, messages) =>
      inParallel(connections, messages, (message) => publisher.publish(message)),
    )

  const one = await oneByOne(1, 1_000)
  const eight = await oneByOne(8, 4_000)
  const thirtyTwo = await oneByOne(32, 8_000)
  const batches = await timed(4, bench.short ? 500 : 20_000, (publisher, messages) =>
    publishBatches(publisher, messages, 4),
  )
  return {
    one: one.rate,
    eight: eight.rate,
    thirtyTwo: thirtyTwo.rate,
    batches: batches.rate,
    singleCpuUs: thirtyTwo.cpuUs,
    batchCpuUs: batches.cpuUs,
    batchWalBytes: batches.walBytes,
  }
}
