import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { generateSecret } from '../../src/registry/secret.ts'
import { compileCache } from '../support/compile-cache.ts'
import { createTestDatabase } from '../support/database.ts'
import { blocksOf } from './blocks.ts'
import { installed } from './installed.ts'

/** The tests that docs/testing.md shows are run by Node.js, as whoever copies them would; the database is this run's. */

const { connectionString } = await createTestDatabase()
const blocks = blocksOf('docs/testing.md').filter(({ language }) => language === 'ts')

it('the tests in the page about testing pass', async () => {
  using reader = installed()
  const published = blocks
    .slice(0, 2)
    .map(({ code }) => code)
    .join('\n')
    .replace(
      'startTestPostrider()',
      `startTestPostrider({ connectionString: '${connectionString}', timeoutMs: 15_000 })`,
    )
    // On a busy machine.
    .replace('startReceiver()', 'startReceiver({ timeoutMs: 30_000 })')
  const received = `const secret = '${generateSecret()}'\n${blocks[2]!.code}`
  const files = [reader.write('published.test.ts', published), reader.write('received.test.ts', received)]
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--test', '--test-reporter=tap', ...files],
    {
      // Vitest's own would tell it that it is a part of a run.
      env: { PATH: process.env['PATH'], TZ: 'UTC', ...compileCache },
    },
  )
  expect(stdout).toContain('# pass 4\n# fail 0')
}, 60_000)
