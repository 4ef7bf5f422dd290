import { createApi } from '../api/api.ts'
import type { CreatedWebhook, NewWebhook } from '../contract/webhooks.ts'
import { embeddedDir, makePassingDir, removePassingDir } from '../database/directories.ts'
import { startEmbedded } from '../database/embedded.ts'
import { inOrder, type Lifecycle } from '../lifecycle.ts'
import { Postrider, type PostriderOptions } from '../postrider.ts'
import type { NewEvent, Publication } from '../publish/publish.ts'
import type { TestReceiver } from './receiver.ts'
import { TestTime } from './time.ts'

export type TestPostriderOptions = Partial<Omit<PostriderOptions, 'connectionString' | 'pool'>> & {
  /**
   * A database for tests, which is migrated; several may use it at once, since each has a project of its own. Where it
   * holds secrets already, `encryptionKeys` must be those of it. Without a database an embedded PostgreSQL is started,
   * which takes a second or two, and is gone afterwards.
   */
  connectionString?: string | undefined
}

/** A whole Postrider for tests, with a project of its own. It may send to this machine, and over http. */
export interface TestPostrider extends AsyncDisposable {
  postrider: Postrider
  connectionString: string
  projectId: string
  /** A key of the project that may do everything in it. */
  key: string
  /** The HTTP API without a socket, for a client: `new PostriderClient({ baseUrl: 'http://postrider', key, fetch })`. */
  fetch: typeof fetch
  /** Moves what waits for its next try: `advance(seconds)`, `advanceToNextTry()`, `settled()`. */
  time: TestTime
  /** Publishes an event in the project. */
  publish: (event: Omit<NewEvent, 'projectId'>) => Promise<Publication>
  /** A webhook of the project that goes to this receiver, which trusts it from then on. */
  subscribe: (receiver: TestReceiver, webhook?: Partial<NewWebhook>) => Promise<CreatedWebhook>
  /** Deletes the project with all that it has, and stops everything. */
  stop: () => Promise<void>
}

/**
 * Starts one. An attempt takes 1 s at most, unless `timeoutMs` says otherwise, so that a receiver that hangs holds up no
 * test.
 *
 *     await using webhooks = await startTestPostrider()
 *     await using receiver = await startReceiver()
 *     await webhooks.subscribe(receiver, { event_types: ['order.*'] })
 *     await webhooks.publish({ type: 'order.paid', data: { order: 1 } })
 *     const { event } = await receiver.next('order.paid')
 */
export async function startTestPostrider(options: TestPostriderOptions = {}): Promise<TestPostrider> {
  const database =
    options.connectionString === undefined ? passingDatabase() : givenDatabase(options.connectionString)
  let test: Running
  const whole = inOrder([
    database,
    {
      start: async () => {
        test = await start({ ...options, connectionString: database.connectionString() })
      },
      stop: () => test.end(),
    },
  ])
  await whole.start()
  return { ...test!.running, stop: () => whole.stop(), [Symbol.asyncDispose]: () => whole.stop() }
}

/** The same for all tests that share a database: each worker can sign for all projects. */
const encryptionKeys = [{ id: 'testing', key: Buffer.alloc(32, 'postrider') }]

interface Running {
  running: Omit<TestPostrider, 'stop' | typeof Symbol.asyncDispose>
  end: () => Promise<void>
}

async function start(options: TestPostriderOptions & { connectionString: string }): Promise<Running> {
  const { connectionString } = options
  const postrider = new Postrider({
    encryptionKeys,
    allowHttp: true,
    allowPrivate: ['127.0.0.0/8', '::1/128'],
    timeoutMs: 1_000,
    pollMs: 100,
    concurrency: 8,
    ...options,
  })
  try {
    await postrider.migrate()
    await postrider.start()
    const project = await postrider.projects.create({ name: 'test' })
    const { key } = await postrider.apiKeys.create(project.id, { name: 'test', role: 'manage' })
    const api = createApi({ engine: postrider })
    const time = new TestTime({ connectionString, projectId: project.id })
    const running: Running['running'] = {
      postrider,
      connectionString,
      projectId: project.id,
      key,
      fetch: (input, init) => api.fetch(new Request(input, init)),
      time,
      publish: (event) => postrider.publish({ ...event, projectId: project.id }),
      async subscribe(receiver, webhook) {
        const created = await postrider.webhooks.create(project.id, {
          name: 'test',
          url: receiver.url,
          ...webhook,
        })
        const { secret, public_keys } = created
        for (const each of secret === null ? public_keys : [secret]) receiver.trust(each)
        return created
      },
    }
    const end = async (): Promise<void> => {
      api.endStreams()
      try {
        await postrider.projects.delete(project.id)
      } finally {
        await time.close()
        await postrider.stop()
      }
    }
    return { running, end }
  } catch (error) {
    await postrider.stop()
    throw error
  }
}

interface TestDatabase extends Lifecycle {
  connectionString(): string
}

function givenDatabase(connectionString: string): TestDatabase {
  return { connectionString: () => connectionString, start: async () => {}, stop: async () => {} }
}

/** An embedded server that need not outlive a crash of the machine. */
function passingDatabase(): TestDatabase {
  let directory: string
  let server: Awaited<ReturnType<typeof startEmbedded>>
  return {
    connectionString: () => server.connectionString,
    async start() {
      directory = await makePassingDir('testing')
      try {
        server = await startEmbedded({
          dataDir: embeddedDir(directory),
          settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' },
        })
      } catch (error) {
        await removePassingDir(directory)
        throw error
      }
    },
    async stop() {
      await server.stop()
      await removePassingDir(directory)
    },
  }
}
