import { access, chmod, cp, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { packagedBinaries } from '../../src/database/embedded/binaries.ts'
import { findEmbedded, startEmbedded } from '../../src/database/embedded.ts'
import { readPostmaster } from '../../src/database/embedded/server.ts'
import {
  isRoot,
  onlyRootCanRunThis,
  ordinaryUser,
  pathWithoutUnshare,
  privateDirectory,
  startChild,
  temporaryDataDir,
} from '../support/embedded.ts'
import { temporaryDirectory } from '../support/server.ts'

test.skipIf(onlyRootCanRunThis)('an ordinary user runs it as itself', async () => {
  const dataDir = await temporaryDataDir()
  const user = await ordinaryUser(dataDir)
  const child = await startChild(dataDir, { user })

  expect(await answer(child.connectionString)).toBe(42)
  const { pid } = (await readPostmaster(join(dataDir, 'cluster')))!
  expect(await userOf(pid)).toBe(user?.uid ?? process.getuid?.())
  await child.stop()
})

test('libraries are linked again where install scripts were blocked', async () => {
  const dataDir = await temporaryDataDir()
  const binaries = await copyOfBinaries(await temporaryDirectory())

  const postgres = await startEmbedded({ dataDir, binaries })

  expect(await answer(postgres.connectionString)).toBe(42)
  expect(postgres.binDir).toBe(binaries)
  await postgres.stop()
})

test.skipIf(onlyRootCanRunThis)(
  'binaries that may not be changed are copied and linked in the data directory',
  async () => {
    const dataDir = await temporaryDataDir()
    const user = await ordinaryUser(dataDir)
    const binaries = await copyOfBinaries(await temporaryDirectory())
    const libraries = join(binaries, '..', 'lib')
    await chmod(libraries, 0o555)

    for (let start = 0; start < 2; start++) {
      const child = await startChild(dataDir, { user, binaries })
      expect(await answer(child.connectionString)).toBe(42)
      await child.stop()
    }
    expect((await readdir(dataDir)).filter((name) => name.startsWith('binaries-'))).toHaveLength(1)
    await chmod(libraries, 0o755)
  },
)

describe.skipIf(!isRoot)('as root', () => {
  test.skipIf(onlyRootCanRunThis)('an unprivileged user runs it', async () => {
    const dataDir = await temporaryDataDir()
    const postgres = await startEmbedded({ dataDir })
    const { pid } = (await readPostmaster(join(dataDir, 'cluster')))!

    expect(await answer(postgres.connectionString)).toBe(42)
    expect(await userOf(pid)).toBeGreaterThan(0)
    await postgres.stop()
  })

  test.skipIf(onlyRootCanRunThis)('a directory of an ordinary user stays good for that user', async () => {
    const dataDir = await temporaryDataDir()
    const user = await ordinaryUser(dataDir)
    await (await startChild(dataDir, { user })).stop()

    const asRoot = await startEmbedded({ dataDir })
    expect(await answer(asRoot.connectionString)).toBe(42)
    await asRoot.stop()

    const child = await startChild(dataDir, { user })
    expect(await answer(child.connectionString)).toBe(42)
    await child.stop()
  })

  // In a user namespace where there are such, else with what is needed in a place that can be reached.
  describe.each([
    { means: 'a user namespace', path: () => undefined },
    { means: 'a place that can be reached', path: pathWithoutUnshare },
  ])('below a folder of mode 0700, by $means', ({ path }) => {
    test('it starts, keeps its data, is taken over after a kill -9 and is found', async () => {
      const dataDir = await temporaryDataDir(await privateDirectory())
      const options = { path: await path() }
      const first = await startChild(dataDir, options)
      await answer(first.connectionString, 'CREATE TABLE kept AS SELECT 42 AS answer')
      await first.stop()

      const killed = await startChild(dataDir, options)
      expect(await answer(killed.connectionString, 'SELECT answer FROM kept')).toBe(42)
      await killed.kill()
      expect(await findEmbedded(dataDir)).toBe(killed.connectionString)

      const last = await startChild(dataDir, options)
      expect(last.log).toEqual([expect.stringContaining('was running already')])
      expect(await answer(last.connectionString, 'SELECT answer FROM kept')).toBe(42)
      await last.stop()
      expect(await findEmbedded(dataDir)).toBeNull()
    })

    test('its binaries may lie there as well, without their links', async () => {
      const dataDir = await temporaryDataDir()
      const binaries = await copyOfBinaries(await privateDirectory())

      const child = await startChild(dataDir, { binaries, path: await path() })

      expect(await answer(child.connectionString)).toBe(42)
      await child.stop()
    })
  })

  test('a directory that was deleted is made anew, also when its cluster lay elsewhere', async () => {
    const parent = await privateDirectory()
    const dataDir = await temporaryDataDir(parent)
    const path = await pathWithoutUnshare()
    await (await startChild(dataDir, { path })).stop()
    const place = await readFile(join(dataDir, 'location'), 'utf8')
    await rm(dataDir, { recursive: true })

    const child = await startChild(dataDir, { path })

    expect(await answer(child.connectionString)).toBe(42)
    expect(await readFile(join(dataDir, 'location'), 'utf8')).not.toBe(place)
    await expect(access(place)).rejects.toMatchObject({ code: 'ENOENT' })
    await child.stop()
  })

  test('a cluster made in a user namespace moves, once, where there is none any more', async () => {
    const dataDir = await temporaryDataDir(await privateDirectory())
    const first = await startChild(dataDir)
    await answer(first.connectionString, 'CREATE TABLE kept AS SELECT 42 AS answer')
    await first.stop()

    const path = await pathWithoutUnshare()
    const children = await Promise.all([1, 2, 3].map(() => startChild(dataDir, { path })))

    for (const { connectionString } of children) {
      expect(await answer(connectionString, 'SELECT answer FROM kept')).toBe(42)
    }
    await Promise.all(children.map((child) => child.stop()))
    await expect(access(join(dataDir, 'cluster'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test.skipIf(onlyRootCanRunThis)('an ordinary user is told whose directory it is', async () => {
    const dataDir = await temporaryDataDir()
    await (await startEmbedded({ dataDir })).stop()
    const elsewhere = await temporaryDataDir()
    const user = await ordinaryUser(elsewhere)

    await expect(startChild(dataDir, { user })).rejects.toThrow(/belongs to another user/)
  })
})

/** The package's binaries as they are when its install script did not run. */
async function copyOfBinaries(parent: string): Promise<string> {
  onTestFinished(() => rm(parent, { recursive: true, force: true }))
  const original = join(packagedBinaries(), '..', '..')
  const copy = join(parent, 'package')
  await mkdir(copy)
  await cp(join(original, 'package.json'), join(copy, 'package.json'))
  const links = JSON.parse(await readFile(join(original, 'native', 'pg-symlinks.json'), 'utf8')) as {
    target: string
  }[]
  const isLink = new Set(links.map(({ target }) => join(original, target)))
  await cp(join(original, 'native'), join(copy, 'native'), {
    recursive: true,
    filter: (path) => !isLink.has(path),
  })
  return join(copy, 'native', 'bin')
}

async function answer(connectionString: string, text = 'SELECT 42 AS answer'): Promise<unknown> {
  const client = new Client({ connectionString })
  await client.connect()
  try {
    return (await client.query<{ answer: unknown }>(text)).rows[0]?.answer
  } finally {
    await client.end()
  }
}

async function userOf(pid: number): Promise<number> {
  return (await stat(`/proc/${pid}`)).uid
}
