import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { moment } from '../../src/cli/remote/declare.ts'
import { plain } from '../../src/cli/remote/output.ts'
import { PostriderClient } from '../../src/client/client.ts'
import { newId } from '../../src/ids.ts'
import { Receiver } from '../support/receiver.ts'
import { adminKey, startPostrider } from '../support/running.ts'
import { Command, runCommand, temporaryDirectory } from './command.ts'

/** The commands that speak to a running server, as processes of their own, against a whole one. */

const running = await startPostrider()
const receiver = await Receiver.start()
const admin = new PostriderClient({ baseUrl: running.url, key: adminKey })
afterAll(async () => {
  await receiver.close()
  await running[Symbol.asyncDispose]()
})

async function setUp() {
  const { id } = await admin.createProject({ name: `p-${newId()}` })
  const project = admin.project(id)
  const { key } = await project.createApiKey({ name: 'cli', role: 'manage' })
  const cwd = temporaryDirectory()
  const env = { POSTRIDER_URL: running.url, POSTRIDER_KEY: key, POSTRIDER_PROJECT: id }
  const run = (...args: string[]) => runCommand(args, { cwd, env })
  /** The one JSON value that a command prints. */
  const json = async (...args: string[]): Promise<unknown> => {
    const { stdout, stderr, exitCode } = await run(...args, '--json')
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
    return JSON.parse(stdout)
  }
  return { id, project, key, cwd, env, run, json }
}

test('events are published, listed and shown, for people and as JSON', async () => {
  const { run, json, cwd, project } = await setUp()
  writeFileSync(join(cwd, 'data.json'), '{"total": 12345678901234567890}')
  const published = await json(
    'events',
    'publish',
    'order.paid',
    '--data',
    '@data.json',
    '--environment',
    'live',
  )
  const { id } = published as { id: string }
  expect(published).toEqual({ id, deliveries: 0, duplicate: false })
  expect(await project.getEvent(id)).toMatchObject({ type: 'order.paid', environment_name: 'live' })
  const [again, list, asJson, show, shown, none] = await Promise.all([
    run('events', 'publish', 'order.paid', '--data', '@data.json', '--environment', 'live', '--id', id),
    run('events', 'list', '--since', '1h'),
    json('events', 'list', '--type', 'order.paid'),
    run('events', 'show', id),
    run('events', 'show', id, '--json'),
    run('events', 'list', '--until', '1h'),
  ])
  expect(again.stdout).toBe(`${id} was published before\n`)
  const [head, row, ...rest] = list.stdout.split('\n')
  expect(head).toMatch(/^ID +TYPE +PUBLISHED +ENVIRONMENT +DELIVERIES$/)
  expect(row).toMatch(new RegExp(`^${id}  order.paid  \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d  live +0$`))
  expect(rest).toEqual([''])
  expect(asJson).toEqual(await project.listEvents({ type: 'order.paid' }))
  expect(show.stdout).toContain('"total": 12345678901234567890')
  expect(show.stdout).toContain('no webhook matched')
  expect(shown.stdout).toContain('"total":12345678901234567890')
  expect(none.stdout).toBe('no events\n')
})

test('an event that a filter kept back says so, and why', async () => {
  const { run, project } = await setUp()
  const filter = 'event.data.total > 100'
  const options = { url: receiver.url, event_types: ['order.*'], filter }
  const { id: webhookId } = await project.createWebhook({ name: 'large orders', ...options })
  const { id } = await project.publishEvent({ type: 'order.paid', data: { total: 5 } })
  await vi.waitFor(async () => expect((await project.getEvent(id)).filtered).toHaveLength(1), {
    timeout: 20_000,
    interval: 50,
  })
  const { stdout } = await run('events', 'show', id)
  expect(stdout.split('\n').slice(-3)).toEqual([
    expect.stringMatching(/^KEPT BACK FROM +WHY +FILTER$/),
    `${webhookId}  the filter does not match  ${filter}`,
    '',
  ])
  expect(stdout).not.toContain('no webhook matched')
})

test('trigger publishes the example of the type, or says what to do without one', async () => {
  const { run, json, project } = await setUp()
  await project.createEventType({ name: 'order.paid', example: { total: 5 } })
  await project.createEventType({ name: 'order.lost' })
  await project.createEventType({ name: 'order.shipped', schema: { examples: [{ total: 6 }] } })
  const [triggered, shipped, bare, unknown, given] = await Promise.all([
    json('trigger', 'order.paid'),
    json('trigger', 'order.shipped'),
    run('trigger', 'order.lost'),
    run('trigger', 'order.found'),
    json('trigger', 'order.found', '--data', '[1]'),
  ])
  const { payload } = await project.getEvent((triggered as { id: string }).id)
  expect(payload.data).toEqual({ total: 5 })
  expect(await project.getEvent((shipped as { id: string }).id)).toMatchObject({
    payload: { data: { total: 6 } },
  })
  expect(bare).toMatchObject({ stdout: '', exitCode: 5 })
  expect(bare.stderr).toContain('the event type order.lost has no example')
  expect(unknown).toMatchObject({ stdout: '', exitCode: 5 })
  expect(unknown.stderr).toContain('there is no event type order.found')
  expect(unknown.stderr).toContain("postrider trigger order.found --data '{}'")
  expect(given).toMatchObject({ duplicate: false })
})

test('webhooks are created, tested, changed and deleted', async () => {
  const { run, json, project } = await setUp()
  const options = ['--types', 'order.*, user.created', '--header', 'x-token: a:b', '--description', 'mine']
  const created = (await json('webhooks', 'create', receiver.url, ...options, '--inactive')) as {
    id: string
    secret: string
  }
  expect(created).toMatchObject({
    name: `127.0.0.1:${receiver.port}`,
    event_types: ['order.*', 'user.created'],
    header_names: ['x-token'],
    is_active: false,
    secret: expect.stringMatching(/^whsec_/),
  })
  const { id } = created
  receiver.answer = ({ headers }) => ({ status: headers['x-token'] === 'a:b' ? 204 : 401 })
  const tested = await run('webhooks', 'test', id, '--type', 'order.paid', '--data', '{"total":1}')
  expect(tested).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^delivered: .* \(\d+ ms\)\n$/) })
  receiver.answer = () => ({ status: 500 })
  const [failed, enabled, list, rotated] = await Promise.all([
    run('webhooks', 'test', id),
    run('webhooks', 'enable', id),
    run('webhooks', 'list'),
    json('webhooks', 'rotate-secret', id, '--overlap-seconds', '0'),
  ])
  expect(failed).toMatchObject({ exitCode: 1, stdout: expect.stringMatching(/^failed: .*500/) })
  expect(enabled.stdout).toBe(`${id} is active\n`)
  expect(list.stdout).toContain(`${id}  127.0.0.1:${receiver.port}`)
  expect(rotated).toMatchObject({ secret: expect.stringMatching(/^whsec_/), previous_expires_at: null })
  const [disabled, shown] = [await run('webhooks', 'disable', id), await run('webhooks', 'show', id)]
  expect(disabled.stdout).toBe(`${id} is inactive\n`)
  expect(shown.stdout).toMatch(/^event types +order\.\*, user\.created$/m)
  expect(shown.stdout).not.toContain(created.secret)
  // Nobody is asked where there is no terminal.
  expect((await run('webhooks', 'delete', id)).stdout).toBe(`${id} is deleted\n`)
  expect((await project.listWebhooks()).webhooks).toEqual([])
})

test('deliveries are listed, shown and retried, one by one or many by a filter', async () => {
  const { run, json, project } = await setUp()
  receiver.answer = () => ({ status: 500 })
  const policy = { retry_seconds: [] }
  const webhook = await project.createWebhook({ name: 'w', url: receiver.url, policy })
  await project.publishEvents({ events: [1, 2, 3].map((data) => ({ type: 'a.b', data })) })
  const failed = async () => (await project.listDeliveries({ status: 'failed' })).deliveries
  await expect.poll(async () => (await failed()).length, { timeout: 10_000 }).toBe(3)
  const known = await failed()
  const [list, shown, asJson, dry, dryJson, unsaid, both] = await Promise.all([
    run('deliveries', 'list', '--status', 'failed', '--code', '5xx'),
    run('deliveries', 'show', known.at(-1)!.id),
    json('deliveries', 'show', known.at(-1)!.id),
    run('deliveries', 'retry', '--webhook', webhook.id, '--dry-run'),
    json('deliveries', 'retry', '--all', '--dry-run'),
    run('deliveries', 'retry'),
    run('deliveries', 'retry', known[0]!.id, '--all'),
  ])
  const dryById = await run('deliveries', 'retry', known[0]!.id, '--dry-run')
  expect(dryById).toMatchObject({ stdout: '', exitCode: 2, stderr: expect.stringContaining('--dry-run') })
  expect(await failed()).toHaveLength(3)
  expect(list.stdout).toMatch(/failed +1\/1 .* http 500$/m)
  expect(shown.stdout).toMatch(/^last error +http 500$/m)
  expect(shown.stdout).toMatch(/^1 .* failed .*500/m)
  expect(asJson).toMatchObject({ status: 'failed', attempt_history: [{ response_status: 500 }] })
  expect(dry.stdout).toBe('3 deliveries would be sent again\n')
  expect(dryJson).toEqual({ count: 3, count_is_exact: true, job: null })
  for (const wrong of [unsaid, both]) {
    expect(wrong).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('say which: ids, or a filter'),
    })
  }
  receiver.answer = () => ({ status: 204 })
  const one = await run('deliveries', 'retry', known[0]!.id)
  expect(one).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining(`${known[0]!.id} is sent again at `),
  })
  const many = await run('deliveries', 'retry', '--status', 'failed', '--type', 'a.b')
  expect(many).toEqual({ exitCode: 0, stderr: '', stdout: '2 deliveries are sent again\n' })
  await expect
    .poll(async () => (await project.listDeliveries({ status: 'delivered' })).deliveries.length, {
      timeout: 10_000,
    })
    .toBe(3)
  expect((await run('deliveries', 'retry', '--all')).stdout).toBe('nothing matches\n')
})

test('tail tells deliveries as they happen, and ends with Ctrl-C', async () => {
  const { env, project } = await setUp()
  receiver.answer = () => ({ status: 204 })
  await project.createWebhook({ name: 'w', url: receiver.url })
  const [words, json] = [
    new Command(['tail', '--type', 'a.b'], { env }),
    new Command(['tail', '--json'], { env }),
  ]
  await Promise.all([words.said('watching the deliveries'), json.said('watching the deliveries')])
  const { id } = await project.publishEvent({ type: 'a.b', data: 1 })
  await Promise.all([words.said(/delivered +a\.b .* 204 +\d+ ms/), json.said('"outcome":"delivered"')])
  for (const command of [words, json]) command.child.kill('SIGINT')
  const [told, lines] = await Promise.all([words.ended, json.ended])
  expect([told.exitCode, lines.exitCode]).toEqual([0, 0])
  expect(told.stdout).toMatch(/^\d\d:\d\d:\d\d {2}new +a\.b/m)
  for (const line of lines.stdout.trimEnd().split('\n')) {
    expect(JSON.parse(line)).toMatchObject({ event: 'delivery', delivery: { event_id: id } })
  }
})

describe('what goes wrong is told in words, with a code of its own', () => {
  test('no server', async () => {
    const gone = await Receiver.start()
    const url = gone.url.slice(0, -1)
    await gone.close()
    const env = { POSTRIDER_URL: url, POSTRIDER_KEY: 'geheim', POSTRIDER_PROJECT: newId() }
    const { stdout, stderr, exitCode } = await runCommand(['events', 'list'], { env })
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 3 })
    expect(stderr).toContain(`postrider: No answer from ${url}: connect ECONNREFUSED`)
    expect(stderr).toContain('--url or POSTRIDER_URL')
    expect(stderr).not.toContain('geheim')
    const streams = [['tail'], ['listen', '--forward-to', running.url]]
    for (const ended of await Promise.all(streams.map((args) => runCommand(args, { env })))) {
      expect(ended).toMatchObject({
        stdout: '',
        exitCode: 3,
        stderr: expect.stringContaining('No answer from'),
      })
    }
  })

  test('a wrong key, one with too low a role, an unknown thing, and a state that does not allow it', async () => {
    const { env, run, project } = await setUp()
    const view = await project.createApiKey({ name: 'v', role: 'view' })
    const webhook = await project.createWebhook({ name: 'w', url: receiver.url })
    const eventId = newId()
    await project.publishEvent({ type: 'a.b', data: 1, id: eventId })
    const [wrong, low, unknown, untold, conflict, invalid, elsewhere] = await Promise.all([
      runCommand(['events', 'list'], { env: { ...env, POSTRIDER_KEY: 'geheim' } }),
      runCommand(['webhooks', 'disable', webhook.id], { env: { ...env, POSTRIDER_KEY: view.key } }),
      run('events', 'show', newId()),
      run('tail', '--webhook', newId()),
      run('events', 'publish', 'a.b', '--data', '2', '--id', eventId),
      run('webhooks', 'create', 'nowhere', '--types', 'a b'),
      run('events', 'list', '--project', newId()),
    ])
    const all = [wrong, low, unknown, untold, conflict, invalid, elsewhere]
    expect(all.map(({ exitCode }) => exitCode)).toEqual([4, 4, 5, 5, 6, 2, 5])
    expect(wrong.stderr).toContain('--key or POSTRIDER_KEY')
    expect(low.stderr).toContain('needs the role "manage"')
    expect(unknown.stderr).toBe('postrider: There is no such event.\n')
    expect(invalid.stderr).toMatch(/event_types\[0\] /)
    for (const { stdout, stderr } of all) {
      expect(stdout).toBe('')
      expect(stderr).not.toMatch(new RegExp(`geheim|${view.key}|${env.POSTRIDER_KEY}`))
    }
  })

  test('a key that was not copied whole, which is not repeated', async () => {
    const { run } = await setUp()
    for (const key of ['pk_geheim\nnext', 'pk_geheim…']) {
      const { stdout, stderr, exitCode } = await run('events', 'list', '--key', key)
      expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 2 })
      expect(stderr).toContain('the key must be one word')
      expect(stderr).not.toContain('geheim')
    }
  })

  test('data that is no JSON, a file that is not there, and a time that is none', async () => {
    const { run } = await setUp()
    const [bad, missing, time, limit] = await Promise.all([
      run('events', 'publish', 'a.b', '--data', '{'),
      run('trigger', 'a.b', '--data', '@nowhere.json'),
      run('events', 'list', '--since', 'yesterday'),
      run('events', 'list', '--limit', '0'),
    ])
    expect(bad).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--data is not JSON') })
    expect(missing).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('nowhere.json') })
    expect(time).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('how long ago, such as 15m') })
    expect(limit).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('from 1 to 100000') })
  })
})

test('the project is the only one, one by its name, or asked for with a list', async () => {
  await using alone = await startPostrider()
  const owner = new PostriderClient({ baseUrl: alone.url, key: adminKey })
  const env = { POSTRIDER_URL: alone.url, POSTRIDER_ADMIN_KEY: adminKey }
  const list = (...args: string[]) => runCommand(['events', 'list', ...args], { env })
  expect(await list()).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('there is no project yet'),
  })
  const shop = await owner.createProject({ name: 'Shop' })
  expect(await list()).toMatchObject({ exitCode: 0, stdout: 'no events\n' })
  await owner.createProject({ name: 'Blog' })
  const { key } = await owner.createApiKey(shop.id, { name: 'k', role: 'view' })
  const [several, named, unknown, blind] = await Promise.all([
    list(),
    list('--project', 'Shop'),
    list('--project', 'Shops'),
    list('--key', key),
  ])
  expect(several.exitCode).toBe(2)
  expect(several.stderr).toContain(`  ${shop.id}  Shop`)
  expect(named.exitCode).toBe(0)
  expect(unknown).toMatchObject({
    exitCode: 5,
    stderr: expect.stringContaining('no project has the name "Shops"'),
  })
  expect(blind).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('a key of a project cannot look it up'),
  })
  // Newest first: the one that is meant is on the second page by then.
  await Promise.all(Array.from({ length: 100 }, (_, index) => owner.createProject({ name: `p${index}` })))
  expect(await list('--project', 'Shop')).toMatchObject({ exitCode: 0, stdout: 'no events\n' })
})

test('the admin key of the data directory is for the server on this machine alone', async () => {
  const cwd = temporaryDirectory()
  writeFileSync(join(cwd, 'admin-key'), `${adminKey}\n`, { mode: 0o600 })
  const { id } = await setUp()
  const env = { POSTRIDER_DATA_DIR: cwd, POSTRIDER_PROJECT: id }
  const port = new URL(running.url).port
  const [own, other] = await Promise.all([
    runCommand(['events', 'list'], { env: { ...env, POSTRIDER_PORT: port } }),
    runCommand(['events', 'list'], { env: { ...env, POSTRIDER_URL: 'https://hooks.example.com' } }),
  ])
  expect(own).toMatchObject({ exitCode: 0, stdout: 'no events\n' })
  expect(other).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('a key for https://hooks.example.com is needed'),
  })
})

test('a time is RFC 3339, a day, or how long ago', () => {
  expect(moment('2026-11-24T09:30:00+01:00')).toBe('2026-11-24T08:30:00.000Z')
  expect(moment('2026-11-24')).toBe('2026-11-24T00:00:00.000Z')
  const ago = Date.now() - Date.parse(moment('2h'))
  expect(Math.abs(ago - 7_200_000)).toBeLessThan(5_000)
  for (const wrong of ['', 'x', '1', '1y', '2026', '2026-13-01', '2026-11-24T25:00:00Z']) {
    expect(() => moment(wrong)).toThrow('It must be a time')
  }
})

test('what others wrote moves no cursor and turns nothing around', () => {
  expect(plain('a\u001b[2Jb\u202ec\r\n')).toBe('a\uFFFD[2Jb\uFFFDc\uFFFD\uFFFD')
})
