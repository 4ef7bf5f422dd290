import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Command, runCommand } from './command.ts'

function directoryOf(stdout: string): string {
  return /in (\S*postrider-demo-\S*), and is gone/.exec(stdout)![1]!
}

test('postrider demo --once shows one delivery arrive, verified and recorded, and leaves nothing behind', async () => {
  const { stdout, stderr, exitCode } = await runCommand(['demo', '--once'])
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
  expect(stdout).toContain('"type": "config.deployed"')
  expect(stdout).toMatch(/webhook-signature +v1,/)
  expect(stdout).toContain("✓ signature verified with 'postrider/verify'")
  expect(stdout).toMatch(/status +delivered\n/)
  expect(stdout).toMatch(/attempt 1 +answered 204 after \d+ ms: delivered\n/)
  expect(stdout).toMatch(/dashboard +http:\/\/127\.0\.0\.1:\d+\/ /)
  expect(stdout).not.toContain('\u001B')
  expect(existsSync(directoryOf(stdout))).toBe(false)
}, 60_000)

test('postrider demo goes on until it is stopped, also beside a database and settings of one’s own', async () => {
  const env = { DATABASE_URL: 'postgres://nobody@127.0.0.1:9/none', POSTRIDER_PORT: '1' }
  const demo = new Command(['demo'], { env })
  await demo.said(/last error +http 503\n/)
  await demo.said(/it is tried again in \d+ s/)
  await demo.said(/config\.\w+ arrived, \d+ ms after it was published, signature verified/)
  demo.child.kill('SIGINT')
  const { stdout, stderr, exitCode } = await demo.ended
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
  expect(existsSync(directoryOf(stdout))).toBe(false)
}, 60_000)
