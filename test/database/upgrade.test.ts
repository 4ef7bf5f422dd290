import { EventEmitter, once } from 'node:events'
import { expect, test } from 'vitest'
import { createServer } from '../../src/api/server.ts'
import { migrationStatus } from '../../src/database/migrate.ts'
import { newId } from '../../src/ids.ts'
import { silentLogger } from '../../src/log.ts'
import { Postrider } from '../../src/postrider.ts'
import { Command } from '../cli/command.ts'
import { createEmptyDatabase } from '../support/database.ts'
import { Receiver } from '../support/receiver.ts'
import { hasLastRelease, lastRelease, unpackLastRelease } from '../support/release.ts'

const adminKey = 'the-admin-key-of-this-test'
const key = Buffer.alloc(32, 5)
const events = 30

if (!hasLastRelease)
  process.stdout.write(
    `not tested: the upgrade from ${lastRelease.version}, whose commit is not in this clone\n`,
  )

test.skipIf(!hasLastRelease)(
  'the last release and this one run side by side while the new migrations run under load: everything is delivered once',
  { timeout: 90_000 },
  async () => {
    const { connectionString, database } = await createEmptyDatabase()
    await using receiver = await Receiver.start()
    const last = new Command(['serve'], {
      program: [process.execPath, unpackLastRelease()],
      env: {
        DATABASE_URL: connectionString,
        POSTRIDER_ADMIN_KEY: adminKey,
        POSTRIDER_ENCRYPTION_KEYS: `k1:${key.toString('base64')}`,
        POSTRIDER_PORT: '0',
        POSTRIDER_ALLOW_HTTP: 'true',
        POSTRIDER_ALLOW_PRIVATE: '127.0.0.0/8',
        POSTRIDER_RATE_LIMIT: 'off',
      },
    })
    const lastUrl = await urlOf(last)
    const { applied, pending } = await migrationStatus(database)
    expect(applied.at(-1)!.name).toBe(lastRelease.lastMigration)
    const project = await call(lastUrl, 'POST', '/projects', { name: 'shop' })
    const path = `/projects/${project.id}`
    for (const webhook of webhooks(receiver.url)) await call(lastUrl, 'POST', `${path}/webhooks`, webhook)
    const load = new Load(path, [lastUrl])
    await load.untilMore(events)

    // This code before its migrations: it says that it waits, and for what.
    const waiting: object[] = []
    const errors: unknown[] = []
    const next = new Postrider({
      connectionString,
      encryptionKeys: [{ id: 'k1', key }],
      allowHttp: true,
      allowPrivate: ['127.0.0.0/8'],
      logger: {
        ...silentLogger,
        warn: (fields, message) => {
          if (message.startsWith('waiting')) waiting.push(fields)
        },
        error: (fields) => void errors.push(fields),
      },
    })
    const started = next.start()
    expect(await next.ready()).toEqual({ database: true, migrated: pending.length === 0 })
    const missing = pending.map(({ name }) => name)
    await expect.poll(() => waiting).toEqual(missing.length === 0 ? [] : [{ missing }])
    await next.migrate()
    await started
    expect(await next.ready()).toEqual({ database: true, migrated: true })
    const server = createServer({ postrider: next, adminKey, port: 0, rateLimit: false })
    const { url: nextUrl } = await server.start()

    await load.untilMore(events)
    load.urls = [lastUrl, nextUrl]
    await exercise(lastUrl, path)
    await exercise(nextUrl, path)
    await load.untilMore(events)
    load.urls = [nextUrl]
    last.child.kill('SIGTERM')
    const { exitCode, stdout } = await last.ended
    expect(exitCode).toBe(0)
    await load.untilMore(events)
    await load.end()

    const wanted = load.acknowledged.flatMap((id) =>
      ['/plain', '/ordered', '/shaped'].map((to) => `${to} ${id}`),
    )
    const ours = new Set(wanted)
    const received = () =>
      receiver.requests
        .map(({ url, headers }) => `${url} ${String(headers['webhook-id'])}`)
        .filter((each) => ours.has(each))
    await expect.poll(() => received().length, { timeout: 30_000 }).toBeGreaterThanOrEqual(wanted.length)
    expect(received().toSorted()).toEqual(wanted.toSorted())
    await server.stop()
    await next.stop()
    expect(complaints(stdout)).toEqual([])
    expect(errors).toEqual([])
  },
)

/** Two publishers who go on and on, each time at the next of the servers. */
class Load {
  /** Ids of events. */
  readonly acknowledged: string[] = []
  urls: readonly string[]
  readonly #events = new EventEmitter()
  readonly #enough = new AbortController()
  readonly #publishing: Promise<void[]>

  constructor(path: string, urls: readonly string[]) {
    this.urls = urls
    this.#publishing = Promise.all([0, 1].map((turn) => this.#publish(path, turn)))
    // It is told at the end.
    this.#publishing.catch(() => {
      this.#enough.abort()
      this.#events.emit('more')
    })
  }

  async untilMore(count: number): Promise<void> {
    const wanted = this.acknowledged.length + count
    while (!this.#enough.signal.aborted && this.acknowledged.length < wanted) await once(this.#events, 'more')
  }

  async end(): Promise<void> {
    this.#enough.abort()
    await this.#publishing
  }

  async #publish(path: string, turn: number): Promise<void> {
    let event = { id: newId(), type: 'order.paid', data: { count: 0 } }
    for (let count = turn; !this.#enough.signal.aborted; count += 1) {
      try {
        await call(this.urls[count % this.urls.length]!, 'POST', `${path}/events`, event)
        this.acknowledged.push(event.id)
        this.#events.emit('more')
        event = { id: newId(), type: 'order.paid', data: { count } }
      } catch (error) {
        // While a migration holds a table, or as a server stops, an event is to be published again under its id.
        if (!mayPass(error as Error)) throw error
      }
    }
  }
}

function mayPass({ message }: Error): boolean {
  return message === 'fetch failed' || message.includes(': 503 ')
}

function webhooks(url: string): object[] {
  return [
    { name: 'plain', url: `${url}plain` },
    { name: 'ordered', url: `${url}ordered`, policy: { ordered: true } },
    {
      name: 'shaped',
      url: `${url}shaped`,
      filter: 'event.data.count >= 0',
      payload_template: { count: '$.data.count' },
    },
    { name: 'another', url: `${url}another`, event_types: ['another.type'] },
  ]
}

/** All sorts of calls, as the dashboard makes them: each must be answered. */
async function exercise(url: string, path: string): Promise<void> {
  const ask = (method: string, rest: string, body?: object) => call(url, method, path + rest, body)
  const { webhooks: all } = await ask('GET', '/webhooks')
  const { id } = all.find(({ name }: { name: string }) => name === 'another')
  const event = await ask('POST', '/events', { type: 'another.type', data: { some: 'thing' } })
  const [delivery] = (await ask('GET', `/events/${event.id}`)).deliveries
  await expect.poll(async () => (await ask('GET', `/deliveries/${delivery.id}`)).status).toBe('delivered')
  await ask('POST', `/deliveries/${delivery.id}/retry`)
  await expect.poll(async () => (await ask('GET', `/deliveries/${delivery.id}`)).attempts).toBe(2)
  expect((await ask('GET', `/deliveries/${delivery.id}/attempts`)).attempts).toHaveLength(2)
  await ask('PATCH', `/webhooks/${id}`, { description: 'seen', is_active: false })
  await ask('PATCH', `/webhooks/${id}`, { is_active: true })
  await ask('POST', `/webhooks/${id}/replay`, { since: '2026-01-01T00:00:00Z', dry_run: true })
  await ask('POST', `/webhooks/${id}/test`, {})
  await ask('POST', `/webhooks/${id}/regenerate-secret`, { overlap_seconds: 0 })
  await ask('POST', '/events/batch', { events: [{ type: 'nobody.wants.it', data: 1 }] })
  for (const list of [
    '/events',
    '/deliveries',
    '/statistics',
    '/api-keys',
    '/applications',
    '/event-types',
    '/jobs',
  ])
    await ask('GET', list)
}

// oxlint-disable-next-line typescript/no-explicit-any -- tests say what they expect of an answer by reading it
async function call(url: string, method: string, path: string, body?: object): Promise<any> {
  const response = await fetch(`${url}/api${path}`, {
    method,
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path} at ${url}: ${response.status} ${text}`)
  return JSON.parse(text)
}

async function urlOf(command: Command): Promise<string> {
  await command.said('"Postrider is up"')
  const line = command.stdout.split('\n').find((text) => text.includes('"Postrider is up"'))!
  return (JSON.parse(line) as { url: string }).url
}

/** Lines of a log that somebody would have to look at. */
function complaints(log: string): string[] {
  const isRetried = (line: string): boolean => line.includes('"code":"unavailable"')
  return log.split('\n').filter((line) => line.includes('"level":"error"') && !isRetried(line))
}
