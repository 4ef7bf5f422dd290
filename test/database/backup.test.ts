import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { blocksOf } from '../docs/blocks.ts'
import { createEmptyDatabase } from '../support/database.ts'
import { engineOn, expectToGoOn, live } from '../support/living.ts'
import { Receiver } from '../support/receiver.ts'
import { startTestServer } from '../support/server.ts'

/** Debian's: pg_dump is not among what npm has, and dumps no server that is newer than itself. */
const binaries = '/usr/lib/postgresql/15/bin'
const hasPgDump = spawnSync(join(binaries, 'pg_dump'), ['--version']).status === 0

test.skipIf(!hasPgDump || process.env['TEST_POSTGRES_BIN'])(
  'what docs/backup.md dumps while it runs goes on when it is restored on a fresh server, under the same keys (with pg_dump)',
  async () => {
    await using receiver = await Receiver.start()
    const [old, fresh] = await Promise.all([startTestServer({ binaries }), startTestServer({ binaries })])
    onTestFinished(async () => {
      await Promise.all([old.stop(), fresh.stop()])
    })
    const directory = mkdtempSync(join(tmpdir(), 'postrider-backup-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    await using source = await createEmptyDatabase(old.url)
    await using target = await createEmptyDatabase(fresh.url)
    const run = (start: string, url: string): void => {
      const env = {
        ...process.env,
        PATH: `${binaries}:${process.env['PATH']}`,
        DATABASE_URL: url,
        NEW_URL: url,
      }
      execFileSync('bash', ['-euo', 'pipefail', '-c', block(start)], { cwd: directory, env })
    }

    const living = await live(source.connectionString, receiver)
    // Somebody is at work meanwhile.
    const engine = engineOn(source.connectionString)
    await engine.connect()
    run('pg_dump', source.connectionString)
    await engine.stop()
    run('psql', target.connectionString)
    run('pg_restore', target.connectionString)

    const without = engineOn(target.connectionString, [{ id: 'other', key: Buffer.alloc(32, 8) }])
    await expect(without.start()).rejects.toThrow(
      'Stored secrets need the encryption key "test", which is not among the keys given: add it to them.',
    )
    await without.stop()
    const wrong = engineOn(target.connectionString, [{ id: 'test', key: Buffer.alloc(32, 8) }])
    await expect(wrong.start()).rejects.toThrow(/test/)
    await wrong.stop()
    await expectToGoOn(target.connectionString, receiver, living)
    // And is analyzed, so that its plans are right from the first hour on.
    const database = new Database({ connectionString: target.connectionString, maxConnections: 1 })
    const { rows } = await database.query<{ analyzed: boolean }>(
      `SELECT last_analyze IS NOT NULL AS analyzed
       FROM pg_stat_user_tables
       WHERE relid = 'postrider.deliveries'::regclass`,
    )
    await database.close()
    expect(rows).toEqual([{ analyzed: true }])
  },
  60_000,
)

/** The one block of the page that begins with this program. */
function block(start: string): string {
  const found = blocksOf('docs/backup.md').filter(({ code }) => code.startsWith(start))
  if (found.length !== 1)
    throw new Error(`docs/backup.md has ${found.length} blocks that begin with ${start}`)
  return found[0]!.code
}
