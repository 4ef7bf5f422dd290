import { newId } from '../src/ids.ts'
import type { BenchDatabase, BenchPostgres } from './postgres.ts'
import type { Receiver } from './processes/receiver.ts'
import { Workers } from './processes/workers.ts'
import { eventData } from './systems/payload.ts'
import type { Endpoint, Message, OpenPublisher, Publisher, System } from './systems/system.ts'

/** What all measurements of a run share. */
export interface Bench {
  postgres: BenchPostgres
  receiver: Receiver
  /** Tiny sizes, to see that it works; the figures mean nothing. */
  short: boolean
  /** Where workers leave CPU profiles. */
  profileDir?: string | undefined
}

/** What a measurement finds in the database when it begins. */
export interface Ground {
  /** The same name means the same ground. */
  name: string
  endpoints: readonly Endpoint[]
  /** Fills the database: done once for all rounds. */
  fill?: (connectionString: string, open: OpenPublisher) => Promise<void>
}

/** A system in a database of its own. */
export interface Prepared extends AsyncDisposable {
  database: BenchDatabase
  openPublisher(connections: number): Promise<Publisher>
  /** Worker processes that have loaded their modules and wait to be started. */
  loadWorkers(count?: number): Promise<Workers>
}

export async function prepare(bench: Bench, system: System, ground: Ground): Promise<Prepared> {
  const { postgres, profileDir } = bench
  const { module, tuning, execArgv } = system
  const prefix = `${module}_${tuning.for}`.replaceAll('-', '_')
  const installed = await postgres.template(prefix, (url) => system.install(url))
  const filled = await postgres.template(
    `${prefix}_${ground.name}`,
    async (url) => {
      const open = await system.subscribe(url, ground.endpoints)
      await ground.fill?.(url, open)
      return open
    },
    installed.name,
  )
  const database = await postgres.clone(filled.name)
  const { connectionString } = database
  return {
    database,
    openPublisher: (connections) => filled.state({ connectionString, connections }),
    loadWorkers: (count = 1) =>
      Workers.load({ module, tuning, connectionString, execArgv }, { count, profileDir }),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  }
}

const tenant = 'shop'
const endpointCount = 20

/** Twenty endpoints of one tenant, each with a topic of its own, below `/w/`. */
export function spreadGround({ receiver }: Bench): Ground {
  return {
    name: 'spread',
    endpoints: Array.from({ length: endpointCount }, (_, number) => ({
      tenant,
      topic: `order.paid_${number}`,
      url: `${receiver.origin}/w/${number}`,
    })),
  }
}

/** Messages to the endpoints of a ground, in turn. */
export function messagesTo(endpoints: readonly Endpoint[], count: number): Message[] {
  return Array.from({ length: count }, (_, number) => {
    const { tenant, topic } = endpoints[number % endpoints.length]!
    return { id: newId(), tenant, topic, data: eventData(number) }
  })
}

export const batchSize = 500

/** Publishes many, in batches over a few connections. */
export async function publishBacklog(prepared: Prepared, messages: readonly Message[]): Promise<void> {
  const publisher = await prepared.openPublisher(4)
  await publishBatches(publisher, messages, 4)
  await publisher.close()
}

export async function publishBatches(
  publisher: Publisher,
  messages: readonly Message[],
  connections: number,
): Promise<void> {
  // A batch is of one tenant, as the API has it.
  const batches = [...Map.groupBy(messages, ({ tenant }) => tenant).values()].flatMap((ofTenant) =>
    Array.from({ length: Math.ceil(ofTenant.length / batchSize) }, (_, number) =>
      ofTenant.slice(number * batchSize, (number + 1) * batchSize),
    ),
  )
  await inParallel(connections, batches, (batch) => publisher.publishMany(batch))
}

/** Works through all of them in order, so many at once. */
export async function inParallel<Item>(
  width: number,
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (next < items.length) await work(items[next++]!)
    }),
  )
}
