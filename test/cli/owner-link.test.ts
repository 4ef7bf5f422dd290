import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { announceUntilOwned, inviteOwner } from '../../src/cli/owner-link.ts'
import { readConfig } from '../../src/config.ts'
import { Links } from '../../src/registry/links.ts'
import { Sessions } from '../../src/registry/sessions.ts'
import { hasOwner } from '../../src/registry/users.ts'
import { Invitations } from '../../src/registry/invitations.ts'
import { makeUser, password } from '../support/browser.ts'
import { MovedClock } from '../support/clock.ts'
import { createEmptyDatabase, createTestDatabase } from '../support/database.ts'
import { runCommand, temporaryDirectory } from './command.ts'

afterEach(() => vi.restoreAllMocks())

async function prepare() {
  const { database, connectionString } = await createTestDatabase()
  const clock = new MovedClock()
  const config = readConfig({ DATABASE_URL: connectionString, POSTRIDER_DATA_DIR: temporaryDirectory() })
  const links = new Links({ database, clock, sessions: new Sessions({ database, clock }) })
  const announced = {
    config,
    home: 'https://hooks.example/base',
    invitations: new Invitations({ database, clock }),
  }
  const logins = { hasOwner: () => hasOwner(database) }
  const said: string[] = []
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said.push(String(text))
    return true
  })
  const start = async (isTerminal: boolean) => {
    said.length = 0
    process.stderr.isTTY = isTerminal
    await announceUntilOwned(announced, { logins })
    return said.join('')
  }
  return { database, config, links, start, said, file: join(config.dataDir, 'owner-link') }
}

const visit = { address: undefined, userAgent: undefined, requestId: undefined }
const tokenIn = (text: string) => /\/base\/setup#token=([\w-]{43})/.exec(text)?.[1]

test('each start shows a link at a terminal, until there is an owner', async () => {
  const { links, start, file } = await prepare()
  const [first, second] = [tokenIn(await start(true))!, tokenIn(await start(true))!]
  expect(second).not.toBe(first)
  expect(() => statSync(file)).toThrow('ENOENT')
  // One that was opened before a restart still works.
  await links.accept({ token: first, email: 'ada@example.com', name: 'Ada', password }, visit)
  await expect(links.read(second)).rejects.toMatchObject({ code: 'not_found' })
  expect(await start(true)).toBe('')
})

test('where there is no terminal, the link is in a file for the owner alone, and the file goes', async () => {
  const { database, links, start, file } = await prepare()
  const said = [await start(false), await start(false)]
  for (const text of said) {
    expect(text).toContain(`was written into ${file}.`)
    expect(tokenIn(text)).toBeUndefined()
  }
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect((await links.read(tokenIn(readFileSync(file, 'utf8'))!)).kind).toBe('owner')
  await makeUser({ database }, { isOwner: true, hasPassword: false })
  expect(await start(false)).toBe('')
  expect(() => statSync(file)).toThrow('ENOENT')
})

test('postrider users invite-owner makes one, also where there is an owner', async () => {
  const { config, links, said, file } = await prepare()
  expect(await inviteOwner({ ...config, publicUrl: 'https://hooks.example/base' })).toBe(0)
  expect(said.join('')).toContain(file)
  const token = tokenIn(readFileSync(file, 'utf8'))!
  await links.accept({ token, email: 'ada@example.com', name: 'Ada', password }, visit)
  expect(await inviteOwner(config)).toBe(0)
  expect(said.join('')).toContain('There is an owner already')
  expect(readFileSync(file, 'utf8')).toMatch(/^http:\/\/127\.0\.0\.1:8080\/setup#token=[\w-]{43}\n$/)
})

test('postrider users says what it can do, and what is missing', async () => {
  const { connectionString } = await createEmptyDatabase()
  const env = { DATABASE_URL: connectionString }
  const [wrong, tooEarly] = await Promise.all([
    runCommand(['users', 'list'], { env }),
    runCommand(['users', 'invite-owner'], { env }),
  ])
  expect(wrong).toMatchObject({ exitCode: 2 })
  expect(wrong.stderr).toContain('Allowed choices are invite-owner.')
  expect(tooEarly).toMatchObject({
    exitCode: 1,
    stderr: "postrider: the schema is not up to date: 'postrider migrate' makes it so\n",
  })
})
