import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import examples from '@octokit/webhooks-examples' with { type: 'json' }
import { expect, it } from 'vitest'
import { adminKey, startPostrider } from '../support/running.ts'

it('real GitHub events arrive verified and equal, numbers to the digit', async () => {
  await using running = await startPostrider()
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    [join(import.meta.dirname, '../../examples/github-events.ts')],
    { env: { ...process.env, POSTRIDER_URL: running.url, POSTRIDER_KEY: adminKey } },
  )
  const eventTypes = examples as unknown as { examples: object[] }[]
  const count = eventTypes.reduce((sum, { examples: payloads }) => sum + payloads.length, 0)
  expect(count).toBeGreaterThan(300)
  expect(stderr).toBe('')
  expect(stdout).toContain(`received ${count}, each verified; ${count} equal to what was published`)
}, 90_000)
