import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Finding } from '../../src/cli/doctor/finding.ts'
import { Database } from '../../src/database/database.ts'
import { migrate } from '../../src/database/migrate.ts'
import { Replica } from '../../src/database/replica.ts'
import { silentLogger } from '../../src/log.ts'
import { Postrider } from '../../src/postrider.ts'
import { runCommand } from '../cli/command.ts'
import { type Pair, startPair } from '../support/replication.ts'
import { encryptionKeys } from '../support/running.ts'

let pair: Pair
beforeAll(async () => {
  pair = await startPair()
  const database = new Database({ connectionString: pair.primary.url })
  await migrate(database, { direction: 'up' })
  await database.close()
})
afterAll(() => pair[Symbol.asyncDispose]())

/** The server that a pool over both is connected to. */
async function chosen(parameters: string): Promise<string> {
  const database = new Database({ connectionString: `${pair.both}?${parameters}` })
  try {
    const { rows } = await database.query<{ name: string }>(
      `SELECT concat('127.0.0.1:', inet_server_port()) AS name`,
    )
    return rows[0]!.name
  } finally {
    await database.close()
  }
}

describe('of several hosts', () => {
  test('the first that will do is used', async () => {
    await expect.poll(() => pair.standby.query('SELECT')).toEqual([{}])
    const names = { primary: pair.primary.name, standby: pair.standby.name }
    expect(await chosen('')).toBe(names.primary)
    for (const session of ['read-write', 'primary'])
      expect(await chosen(`target_session_attrs=${session}`)).toBe(names.primary)
    for (const session of ['read-only', 'standby', 'prefer-standby'])
      expect(await chosen(`target_session_attrs=${session}`)).toBe(names.standby)
  })

  test('one that accepts connections and says nothing holds up for connect_timeout alone', async () => {
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    const connectionString = pair.both.replace(pair.primary.name, `127.0.0.1:${port}`)
    const database = new Database({ connectionString: `${connectionString}?connect_timeout=1` })
    const { rows } = await database.query('SELECT pg_is_in_recovery() AS is_standby')
    expect(rows).toEqual([{ is_standby: true }])
    await database.close()
    silent.close()
  })

  test('the others are not looked at where one refuses the login', async () => {
    const database = new Database({ connectionString: pair.both.replace(/:[^:@]*@/, ':geheim@') })
    await expect(database.query('SELECT 1')).rejects.toThrow('password authentication failed')
    await database.close()
  })

  test('none that will do is an error that names each with its reason, and no password', async () => {
    const nobody = '127.0.0.1:9'
    const connectionString = pair.both
      .replace(pair.standby.name, nobody)
      .concat('?target_session_attrs=standby')
    const database = new Database({ connectionString })
    const error = (await database.query('SELECT 1').catch((cause: Error) => cause)) as Error
    expect(error.message).toBe(
      `none of the hosts can be used: ${pair.primary.name}: server is not in hot standby mode; ${nobody}: connection refused`,
    )
    expect(error.stack).not.toContain(new URL(pair.primary.url).password)
    await database.close()
  })
})

test('the doctor says whether what is named is a standby of the database', async () => {
  const [listening, reading] = await Promise.all(
    [
      { POSTRIDER_DIRECT_DATABASE_URL: pair.primary.url, POSTRIDER_REPLICA_DATABASE_URL: pair.standby.url },
      { POSTRIDER_REPLICA_DATABASE_URL: pair.primary.url },
    ].map(async (named) => {
      const { stdout } = await runCommand(['doctor', '--json'], {
        env: { DATABASE_URL: `${pair.both}?target_session_attrs=read-write`, ...named },
      })
      const { findings } = JSON.parse(stdout) as { findings: Finding[] }
      return findings
        .filter(({ subject }) => ['replica', 'LISTEN'].includes(subject))
        .map(({ subject, state, message }) => ({ subject, state, message }))
    }),
  )
  expect(listening).toEqual([
    { subject: 'replica', state: 'ok', message: 'is a standby of the database' },
    { subject: 'LISTEN', state: 'ok', message: 'goes to the database itself' },
  ])
  expect(reading).toEqual([
    { subject: 'replica', state: 'problem', message: 'the server named there is no standby' },
  ])
})

test(
  'lists come from the replica, what a caller has just changed from the primary, and everything while the replica is away or behind',
  { timeout: 60_000 },
  async () => {
    const told: string[] = []
    const note = (_fields: object, message: string) => void told.push(message)
    const postrider = new Postrider({
      connectionString: pair.primary.url,
      replicaUrl: pair.standby.url,
      encryptionKeys,
      logger: { ...silentLogger, info: note, warn: note },
    })
    await postrider.connect()
    const project = await postrider.projects.create({ name: 'shop' })
    const other = await postrider.projects.create({ name: 'other' })
    const [ada, ben] = ['ada', 'ben'].map((id) => postrider.inProject(project.id, { kind: 'user', id }))
    await ada!.webhooks.create(project.id, { name: 'billing', url: 'https://receiver.example' })
    const publish = async (type: string) => {
      const [publication] = await ada!.events.publishJson(project.id, JSON.stringify([{ type, data: 1 }]))
      return publication!.id
    }
    const listed = async (calls = ben!) => (await calls.events.list(project.id)).rows.map(({ id }) => id)
    try {
      const first = await publish('a')
      expect(await listed(ada)).toEqual([first])
      await expect.poll(() => listed()).toEqual([first])

      // What the replica was asked stands in its log, with the role that row-level security holds.
      const asked = async () => (await pair.standby.log()).split('\n')
      await expect
        .poll(async () => {
          await listed()
          return (await asked()).filter((line) => line.includes('SET LOCAL ROLE postrider_tenant')).length
        })
        .toBeGreaterThan(0)
      expect((await postrider.inProject(other.id).events.list(project.id)).rows).toEqual([])
      const [delivery] = (await ben!.deliveries.list(project.id)).rows
      expect(await ben!.deliveries.attempts(project.id, delivery!.id)).toEqual([])
      expect((await ben!.search(project.id, 'bill')).webhooks).toHaveLength(1)
      expect((await ben!.statistics.ofProject(project.id)).totals.published).toBe(1)
      expect((await ben!.statistics.failures(project.id)).deliveries).toEqual([])

      await pair.standby.query('SELECT pg_wal_replay_pause()')
      const second = await publish('b')
      expect(await listed(ada)).toEqual([second, first])
      const { deliveries } = await ben!.events.get(project.id, second)
      expect(await ben!.deliveries.attempts(project.id, deliveries[0]!.id)).toEqual([])
      await expect.poll(() => listed()).toEqual([second, first])
      await expect.poll(() => told.at(-1)).toMatch(/read from the primary/)

      await pair.standby.query('SELECT pg_wal_replay_resume()')
      await expect
        .poll(async () => {
          await listed()
          return told.at(-1)
        })
        .toBe('history is read from the replica')
      await pair.standby.kill()
      expect(await listed()).toEqual([second, first])
      expect((await ben!.statistics.ofProject(project.id)).totals.published).toBe(2)
    } finally {
      await postrider.stop()
    }
  },
)

test('a server that is no standby is not read from', async () => {
  const primary = new Database({ connectionString: pair.primary.url })
  const reasons: unknown[] = []
  const replica = new Replica({
    primary,
    connectionString: pair.primary.url,
    logger: { ...silentLogger, warn: (fields) => void reasons.push(fields) },
  })
  const reading = replica.readingFor({}, primary)
  await expect
    .poll(async () => {
      await reading.query('SELECT 1')
      return reasons
    })
    .toEqual([{ reason: 'it is no standby' }])
  await replica.close()
  await primary.close()
})
