import { expect, test } from 'vitest'
import { createEmptyDatabase } from '../support/database.ts'
import { runCommand } from './command.ts'

test('postrider migrate moves the schema up, says where it stands, and moves it down', async () => {
  const { connectionString } = await createEmptyDatabase()
  const migrate = async (...args: string[]) => {
    const ended = await runCommand(['migrate', ...args], { env: { DATABASE_URL: connectionString } })
    expect(ended).toMatchObject({ stderr: '', exitCode: 0 })
    return ended.stdout
  }
  expect(await migrate('status')).toMatch(/^0001_webhooks  pending\n/)
  expect(await migrate()).toContain('migration 0001_webhooks applied\n')
  expect(await migrate('up')).toBe('there is nothing to do\n')
  expect(await migrate('status')).toMatch(/^0001_webhooks  applied \d{4}-\d\d-\d\dT\S+Z\n/)
  expect(await migrate('status')).not.toContain('pending')
  expect(await migrate('down')).toMatch(/^migration \d{4}_\w+ reverted$/m)
  expect(await migrate('down', '--to', '0')).toContain('migration 0001_webhooks reverted\n')
  expect(await migrate('down')).toBe('there is nothing to do\n')
  expect(await migrate('status')).not.toContain('applied')
})

test('a database that does not answer is told in one line', async () => {
  const { stderr, exitCode } = await runCommand(['migrate'], {
    env: { DATABASE_URL: 'postgres://a@127.0.0.1:9/d' },
  })
  expect(stderr).toBe('postrider: nothing answers at 127.0.0.1:9: connection refused\n')
  expect(exitCode).toBe(1)
})
