import { type Bench, type Ground, prepare, publishBacklog, spreadGround, messagesTo } from './ground.ts'
import {
  buffersUsed,
  databaseBytes,
  type Figures,
  perDelivery,
  read,
  type Watched,
  walPosition,
} from './measure.ts'
import { Workers } from './processes/workers.ts'
import { rawSetup } from './systems/raw.ts'
import type { System } from './systems/system.ts'

export interface Backlog {
  system: System
  /** By default twenty endpoints and nothing else. */
  ground?: Ground
  messages: number
  /** Endpoints that each message goes to. */
  fanOut?: number
  workers?: number
}

/** Shares of the backlog that are delivered before the figures begin, and after they end. */
const warmUpShare = 0.15
const tailShare = 0.05

/**
 * Publishes a backlog, then lets workers deliver it. The figures are of the steady flow in its middle: starting,
 * warming up and running dry are in none of them.
 */
export async function deliverBacklog(bench: Bench, backlog: Backlog): Promise<Figures> {
  const { system, ground = spreadGround(bench), messages, fanOut = 1, workers: workerCount = 1 } = backlog
  const { postgres, receiver } = bench
  const deliveries = messages * fanOut
  await using prepared = await prepare(bench, system, ground)
  const { name } = prepared.database

  const [emptyBytes, walBefore] = [await databaseBytes(postgres, name), await walPosition(postgres)]
  await publishBacklog(prepared, messagesTo(ground.endpoints, messages))
  const publishWalBytes = ((await walPosition(postgres)) - walBefore) / deliveries
  const buffersBefore = await buffersUsed(postgres, name)

  const workers = await prepared.loadWorkers(workerCount)
  const flow = await measureFlow({ postgres, receiver, workers, segment: 'w' }, deliveries)
  const residentMib = workers.peakResidentMib
  await workers.stop()
  return {
    ...flow,
    publishWalBytes,
    residentMib,
    buffers: ((await buffersUsed(postgres, name)) - buffersBefore) / deliveries,
    tableBytes: ((await databaseBytes(postgres, name)) - emptyBytes) / deliveries,
  }
}

/** The same POSTs without a database: as many as a backlog would hold. */
export async function postRaw({ postgres, receiver, profileDir }: Bench, count: number): Promise<Figures> {
  const workers = await Workers.load(rawSetup(`${receiver.origin}/w/raw`), { profileDir })
  const flow = await measureFlow({ postgres, receiver, workers, segment: 'w' }, count)
  const residentMib = workers.peakResidentMib
  await workers.stop()
  // The server only idles meanwhile.
  return { ...flow, cpuUs: flow['workerCpuUs']!, postgresCpuUs: 0, walBytes: 0, residentMib }
}

/** Starts the workers and waits until all is delivered. */
async function measureFlow(watched: Watched, deliveries: number): Promise<Figures> {
  const { receiver, workers, segment } = watched
  await receiver.reset()
  await workers.start()
  await receiver.reach(segment, Math.ceil(deliveries * warmUpShare))
  const from = await read(watched)
  await receiver.reach(segment, Math.ceil(deliveries * (1 - tailShare)))
  const to = await read(watched)
  await receiver.reach(segment, deliveries)
  return perDelivery(from, to)
}
