import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, delimiter, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { blocksOf } from './docs/blocks.ts'
import { installed } from './docs/installed.ts'
import { walkReadme } from './support/readme.ts'
import { adminKey, startPostrider } from './support/running.ts'
import { Database } from '../src/database/database.ts'

/**
 * Whoever has the README and nothing else gets as far as a verified webhook. What else the README shows is tried with the
 * other documents, in test/docs; the packed Postrider does the same in scripts/release.
 */

const root = join(import.meta.dirname, '..')
const blocks = blocksOf('README.md')
const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0

it('names only npm scripts that exist', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const shell = blocks.filter(({ language }) => language === 'sh').map(({ code }) => code)
  const named = Array.from(shell.join('\n').matchAll(/npm (?:run )?([a-z:]+)\b/g), ([, name]) => name!)
  expect(named).toEqual(expect.arrayContaining(['start', 'test', 'demo']))
  expect(named.filter((name) => !(name in scripts) && name !== 'ci' && name !== 'install')).toEqual([])
})

describe.skipIf(!has('curl') || !has('jq'))('with the README alone (with curl and jq)', () => {
  it('an application with Express and Drizzle sends its first verified webhook', async () => {
    await using running = await startPostrider()
    using application = installed('pg', 'express', 'drizzle-orm')
    await using walked = await walkReadme({
      directory: application.directory,
      url: running.url,
      adminKey,
      databaseUrl: running.connectionString,
      env: { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}` },
    })
    await walked.pay(7)

    const database = new Database({ connectionString: running.connectionString })
    const { rows: orders } = await database.query('SELECT paid FROM orders')
    expect(orders).toEqual([{ paid: true }])
    await database.close()

    const forged = await fetch(`${walked.receiverUrl}/webhooks`, {
      method: 'POST',
      body: '{"type": "order.paid"}',
    })
    expect(forged.status).toBe(400)
    expect(walked.receiverOutput()).not.toContain('undefined')
  }, 60_000)
})
