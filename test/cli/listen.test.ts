import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { PassThrough } from 'node:stream'
import type { ReadStream } from 'node:tty'
import { Webhook } from 'standardwebhooks'
import { expect, onTestFinished, test } from 'vitest'
import { createServer } from '../../src/api/server.ts'
import { type KeyAction, readKeys, ResendKeys } from '../../src/cli/remote/resend-keys.ts'
import { RecentEvents } from '../../src/cli/remote/forward.ts'
import { connectionChanges } from '../../src/cli/remote/connection-changes.ts'
import { PostriderApiError, PostriderClient } from '../../src/client/client.ts'
import { startApi } from '../support/api.ts'
import { Receiver } from '../support/receiver.ts'
import { Command, runCommand, temporaryDirectory } from './command.ts'

const api = await startApi()

async function setUp({ url = api.url } = {}) {
  const { id, manage } = await api.createProject()
  const project = new PostriderClient({ baseUrl: url, key: manage }).project(id)
  const cwd = temporaryDirectory()
  const env = { POSTRIDER_URL: url, POSTRIDER_KEY: manage, POSTRIDER_PROJECT: id }
  const receiver = await Receiver.start()
  onTestFinished(() => receiver.close())
  const listen = (...args: string[]) =>
    new Command(['listen', '--forward-to', `${receiver.url}hooks`, ...args], { cwd, env })
  return { project, receiver, listen, cwd, env, key: manage, dataDir: join(cwd, '.postrider') }
}

test('events are forwarded as deliveries are sent, signed with a secret that stays', async () => {
  const { project, receiver, listen, dataDir, key } = await setUp()
  const command = listen('--types', 'order.*')
  await command.said('connected, waiting for events')
  const secretFile = join(dataDir, 'listen-secret')
  const secret = readFileSync(secretFile, 'utf8').trim()
  expect(statSync(secretFile).mode & 0o777).toBe(0o600)
  await project.publishEvent({ type: 'user.created', data: 1 })
  const { id } = await project.publishEvent({ type: 'order.paid', data: { total: 12 } })
  const [request] = await receiver.waitFor(1)
  expect(request).toMatchObject({ method: 'POST', url: '/hooks' })
  expect(request!.headers).toMatchObject({
    'content-type': 'application/json',
    'user-agent': expect.stringMatching(/^Postrider\//),
    'webhook-id': id,
    'webhook-timestamp': expect.stringMatching(/^\d{10}$/),
    'postrider-event': 'order.paid',
    'postrider-delivery': expect.stringMatching(/^[0-9a-f-]{36}$/),
    'postrider-attempt': '1',
  })
  const event = new Webhook(secret).verify(request!.rawBody, request!.headers as Record<string, string>)
  expect(event).toEqual((await project.getEvent(id)).payload)
  await command.said(new RegExp(`#1  order\\.paid  ${id}  204  \\d+ ms`))
  // Where nobody looks it is told where it is, not what it is.
  expect(command.stdout).toContain(`Secret: kept in ${secretFile}`)
  command.child.kill('SIGINT')
  const { exitCode, stdout, stderr } = await command.ended
  expect(exitCode).toBe(0)
  expect(stdout + stderr).not.toContain(key)
  expect(stdout + stderr).not.toContain(secret)
  // oxlint-disable-next-line no-control-regex
  expect(stdout).not.toMatch(/\u001b/)

  const again = listen('--json')
  await again.said('"connected"')
  expect(JSON.parse(again.stdout.split('\n')[0]!)).toMatchObject({
    event: 'listening',
    secret_file: secretFile,
  })
})

test('with --json each line is one object, failures are told, and a given secret is used', async () => {
  const { project, receiver, listen } = await setUp()
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
  receiver.answer = () => ({ status: 500 })
  const command = listen('--json', '--secret', secret)
  await command.said('"connected"')
  const first = await project.publishEvent({ type: 'a.b', data: 1 })
  const [request] = await receiver.waitFor(1)
  new Webhook(secret).verify(request!.rawBody, request!.headers as Record<string, string>)
  await command.said('"number":1')
  await receiver.close()
  const second = await project.publishEvent({ type: 'a.b', data: 2 })
  await command.said('"number":2')
  command.child.kill('SIGTERM')
  const { stdout, stderr, exitCode } = await command.ended
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
  const lines = stdout.trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { event: 'listening', secret_file: null },
    { event: 'connected' },
    {
      event: 'forwarded',
      number: 1,
      id: first.id,
      type: 'a.b',
      attempt: 1,
      response_status: 500,
      error: null,
    },
    { event: 'forwarded', number: 2, id: second.id, response_status: null, error: 'connection refused' },
  ])
})

test('it comes back when the server does, and what was published meanwhile is forwarded once', async () => {
  const first = createServer({ postrider: api.postrider, adminKey: api.adminKey, port: 0, rateLimit: false })
  const { url } = await first.start()
  const { project, receiver, listen } = await setUp({ url })
  const aside = new PostriderClient({ baseUrl: api.url, key: api.adminKey }).project(project.id)
  const command = listen('--json')
  await command.said('"connected"')
  const before = await project.publishEvent({ type: 'a.b', data: 1 })
  await command.said('"number":1')
  await first.stop()
  await command.said('"reconnecting"')
  const meanwhile = await aside.publishEvent({ type: 'a.b', data: 2 })
  const port = Number(new URL(url).port)
  const second = createServer({ postrider: api.postrider, adminKey: api.adminKey, port, rateLimit: false })
  await second.start()
  onTestFinished(() => second.stop())
  await command.said('"number":2')
  const after = await aside.publishEvent({ type: 'a.b', data: 3 })
  await command.said('"number":3')
  const ids = (await receiver.waitFor(3)).map(({ headers }) => headers['webhook-id'])
  expect(ids).toEqual([before.id, meanwhile.id, after.id])
  expect(receiver.requests).toHaveLength(3)
})

test('a wrong URL or secret is told before anything happens, without the secret', async () => {
  const { env, listen, dataDir } = await setUp()
  const [url, none, secret, types] = await Promise.all([
    runCommand(['listen', '--forward-to', 'localhost:3000'], { env }),
    runCommand(['listen'], { env }),
    listen('--secret', 'whsec_geheim').ended,
    listen('--types', 'a b').ended,
  ])
  expect(url).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('an address such as http://localhost:3000'),
  })
  expect(none).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("'--forward-to <url>' not specified"),
  })
  expect(secret).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--secret must') })
  expect(secret.stderr).not.toContain('geheim')
  expect(types).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('types must be event types') })
  writeFileSync(join(dataDir, 'listen-secret'), 'whsec_geheim\n')
  const damaged = await listen().ended
  expect(damaged).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('listen-secret is damaged') })
  expect(damaged.stderr).not.toContain('geheim')
})

const script = '/usr/bin/script'

/** On a terminal of its own. */
async function setUpTerminal() {
  const { project, receiver, env, cwd } = await setUp()
  const main = resolve(import.meta.dirname, '../../src/main.ts')
  const line = `${process.execPath} ${main} listen --forward-to ${receiver.url}`
  const terminal = new Command(['-qefc', line, '/dev/null'], { program: [script], env, cwd, stdin: 'pipe' })
  await terminal.said('Keys:   r sends the last again')
  await terminal.said('connected')
  return { project, receiver, terminal }
}

test.skipIf(process.platform !== 'linux' || !existsSync(script))(
  'on a terminal a second Ctrl-C ends it at once, whatever is in flight',
  async () => {
    const { project, receiver, terminal } = await setUpTerminal()
    const answer = Promise.withResolvers<{ status: number }>()
    receiver.answer = () => answer.promise
    await project.publishEvent({ type: 'a.b', data: 1 })
    await receiver.waitFor(1)
    // The same one twice within a moment is one: so many, until it has ended and nobody reads them.
    const keyboard = terminal.child.stdin!.on('error', () => {})
    const pressing = setInterval(() => keyboard.write('\u0003'), 100)
    onTestFinished(() => clearInterval(pressing))
    expect((await terminal.ended).exitCode).toBe(130)
    expect(terminal.stdout).not.toContain('#1')
    answer.resolve({ status: 204 })
  },
)

test.skipIf(process.platform !== 'linux' || !existsSync(script))(
  'on a terminal keys send events again, and end it',
  async () => {
    const { project, receiver, terminal } = await setUpTerminal()
    const { id } = await project.publishEvent({ type: 'a.b', data: 1 })
    await terminal.said('#1')
    terminal.child.stdin!.write('r')
    await terminal.said('again, attempt 2')
    terminal.child.stdin!.write('1')
    await terminal.said(`#1  a.b  ${id}: r sends it again`)
    terminal.child.stdin!.write('r')
    await terminal.said('again, attempt 3')
    terminal.child.stdin!.write('q')
    expect((await terminal.ended).exitCode).toBe(0)
    const sent = receiver.requests.map(({ headers }) => headers)
    expect(sent.map((headers) => headers['postrider-attempt'])).toEqual(['1', '2', '3'])
    expect(new Set(sent.map((headers) => headers['webhook-id']))).toEqual(new Set([id]))
  },
)

/** What the keys of a terminal do, one after the other. */
function pressed(keys: string, { last = 12, first = 1 } = {}): (KeyAction | undefined)[] {
  const terminal = Object.assign(new PassThrough(), { modes: [] as boolean[] })
  const setRawMode = (mode: boolean): void => void terminal.modes.push(mode)
  const actions: (KeyAction | undefined)[] = []
  const meaning = new ResendKeys()
  const stop = readKeys(Object.assign(terminal, { setRawMode }) as unknown as ReadStream, (key) =>
    actions.push(meaning.press(key, { last, has: (number) => number >= first && number <= last })),
  )
  terminal.write(keys)
  terminal.read()
  stop()
  expect(terminal.modes).toEqual([true, false])
  return actions
}

test('keys of a terminal choose what is sent again', () => {
  const resend = (number: number) => ({ kind: 'resend', number })
  const choose = (number: number) => ({ kind: 'choose', number })
  expect(pressed('r')).toEqual([resend(12)])
  expect(pressed('3r\r')).toEqual([choose(3), resend(3), resend(12)])
  expect(pressed('11r')).toEqual([choose(1), choose(11), resend(11)])
  expect(pressed('99r')).toEqual([choose(9), choose(9), resend(9)])
  expect(pressed('48r')).toEqual([choose(4), choose(8), resend(8)])
  expect(pressed('12r', { first: 5 })).toEqual([undefined, choose(12), resend(12)])
  expect(pressed('\u001b[A\u001b[A\u001b[Br')).toEqual([choose(12), choose(11), choose(12), resend(12)])
  expect(pressed('\u001b[B')).toEqual([undefined])
  expect(pressed('5xr')).toEqual([choose(5), undefined, resend(12)])
  expect(pressed('r', { last: 0 })).toEqual([undefined])
  for (const end of ['q', '\u0003', '\u0004']) expect(pressed(end)).toEqual([{ kind: 'end' }])
})

test('a connection that is tried again and again is told of once, and again for another reason', () => {
  const told: string[] = []
  const tell = connectionChanges((state, error) => void told.push(error ? error.detail : state))
  const refused = new PostriderApiError('unreachable', 'refused')
  tell('open')
  for (const error of [undefined, refused, refused, new PostriderApiError('timeout', 'late'), refused])
    tell('lost', error)
  tell('open')
  tell('lost', refused)
  expect(told).toEqual(['open', 'lost', 'refused', 'late', 'refused', 'open', 'refused'])
})

test('the last hundred events are kept to be sent again, fewer where they are large', () => {
  const recent = new RecentEvents()
  for (let count = 1; count <= 150; count += 1) recent.add({ id: `${count}`, type: 'a', body: '{}' })
  expect(recent.last).toBe(150)
  expect(recent.get(50)).toBeUndefined()
  expect(recent.get(51)).toMatchObject({ number: 51, id: '51', attempts: 0 })
  const large = new RecentEvents()
  for (let count = 1; count <= 5; count += 1)
    large.add({ id: `${count}`, type: 'a', body: 'x'.repeat(6_000_000) })
  expect([1, 2, 3, 4, 5].map((number) => large.get(number) !== undefined)).toEqual([
    false,
    false,
    false,
    true,
    true,
  ])
})
