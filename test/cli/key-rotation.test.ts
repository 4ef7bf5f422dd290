import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/cli/environment.ts'
import { completeKeys } from '../../src/cli/keys.ts'
import { Postrider } from '../../src/postrider.ts'
import { verify } from '../../src/verify/verify.ts'
import { createEmptyDatabase, createTestDatabase } from '../support/database.ts'
import { Receiver } from '../support/receiver.ts'
import { runCommand, temporaryDirectory } from './command.ts'

const [k1, k2, k3] = [1, 2, 3].map((number) => ({ id: `k${number}`, key: Buffer.alloc(32, number) }))
type Keys = (typeof k1)[]

function environment(connectionString: string, keys: Keys): Record<string, string> {
  const entries = keys.map((key) => `${key!.id}:${key!.key.toString('base64')}`)
  return { DATABASE_URL: connectionString, POSTRIDER_ENCRYPTION_KEYS: entries.join(',') }
}

function open(connectionString: string, keys: Keys): Postrider {
  return new Postrider({
    connectionString,
    encryptionKeys: keys.map((key) => key!),
    allowHttp: true,
    allowPrivate: ['127.0.0.0/8'],
  })
}

/** A project with webhooks that each have a header of their own; what signs and opens them is `k1`. */
async function fill(connectionString: string, url: string, count: number) {
  const postrider = open(connectionString, [k1])
  const { id: projectId } = await postrider.projects.create({ name: 'p' })
  const created = await Promise.all(
    Array.from({ length: count }, (_, number) =>
      postrider.webhooks.create(projectId, {
        name: `w${number}`,
        url: `${url}${number}`,
        event_types: [`e${number % 10}`],
        headers: { 'x-token': `token of ${number}` },
        signature_scheme: number % 2 === 0 ? 'v1' : 'v1a',
      }),
    ),
  )
  await postrider.stop()
  const known = created.map(({ id, secret, public_keys }) => ({ id, secrets: [secret ?? public_keys[0]!] }))
  return { projectId, known }
}

test('postrider keys rotate, while servers work: no delivery fails, no change is lost', async () => {
  await using receiver = await Receiver.start()
  const { connectionString, database } = await createTestDatabase()
  const { projectId, known } = await fill(connectionString, receiver.url, 120)
  const servers = [open(connectionString, [k2, k1]), open(connectionString, [k2, k1])]
  await Promise.all(servers.map((server) => server.start()))
  const [server, other] = servers

  const rotation = runCommand(['keys', 'rotate'], { env: environment(connectionString, [k2, k1]) })
  const state = { isRunning: true }
  void rotation.finally(() => (state.isRunning = false))
  let deliveries = 0
  for (let round = 0; state.isRunning || round < 10; round += 1) {
    const events = Array.from({ length: 10 }, (_, type) => ({ projectId, type: `e${type}`, data: { round } }))
    const publications = await server!.publishMany(events)
    deliveries += publications.reduce((sum, publication) => sum + publication.deliveries, 0)
    const changed = known[round % known.length]!
    await other!.webhooks.update(projectId, changed.id, { headers: { 'x-token': `changed in ${round}` } })
    const replaced = known[(round * 7 + 60) % known.length]!
    const { secret, public_key } = await other!.webhooks.regenerateSecret(projectId, replaced.id, {
      overlap_seconds: 0,
    })
    replaced.secrets.push(secret ?? public_key!)
  }
  const { stdout, stderr, exitCode } = await rotation

  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
  expect(stdout).toMatch(/^\d+ values encrypted with "k2"$/m)
  expect(stdout).toMatch(
    /^k2 {2}240 values, and what is stored from now on\nk1 {2}0 values: no longer needed\n/m,
  )
  await receiver.waitFor(deliveries)
  for (const { url, headers, body } of receiver.requests) {
    const number = Number(url.slice(1))
    expect(verify({ secret: known[number]!.secrets, headers, body })).toMatchObject({
      type: `e${number % 10}`,
    })
    expect(headers['x-token']).toMatch(/^(token of|changed in) \d+$/)
  }
  await Promise.all(servers.map((each) => each.stop()))
  const { rows } = await database.query(
    `SELECT status, attempts, COUNT(*)::integer AS count FROM postrider.deliveries GROUP BY 1, 2`,
  )
  expect(rows).toEqual([{ status: 'delivered', attempts: 1, count: deliveries }])

  // The old key is gone, and nothing needs it.
  await using later = await Receiver.start()
  const last = open(connectionString, [k2])
  await last.start()
  const [first] = known
  await last.webhooks.update(projectId, first!.id, { url: later.url, event_types: ['last'] })
  await last.publish({ projectId, type: 'last', data: {} })
  const [request] = await later.waitFor(1)
  expect(
    verify({ secret: first!.secrets.at(-1)!, headers: request!.headers, body: request!.body }).type,
  ).toBe('last')
  await last.stop()
  await expect(open(connectionString, [k1]).start()).rejects.toThrow('need the encryption key "k2"')
})

describe('postrider keys', () => {
  test('status tells what each key is needed for, and changes nothing', async () => {
    const { connectionString } = await createTestDatabase()
    await fill(connectionString, 'http://127.0.0.1/', 2)
    const env = environment(connectionString, [k3, k2, k1])
    const told =
      'k3  0 values, and what is stored from now on\nk2  0 values: no longer needed\nk1  4 values: still needed\n'
    for (let time = 0; time < 2; time += 1) {
      expect(await runCommand(['keys', 'status'], { env })).toEqual({ stdout: told, stderr: '', exitCode: 0 })
    }
  })

  test('rotate with one key says how to rotate', async () => {
    const { connectionString } = await createTestDatabase()
    await fill(connectionString, 'http://127.0.0.1/', 1)
    const { stdout, exitCode } = await runCommand(['keys', 'rotate'], {
      env: environment(connectionString, [k1]),
    })
    expect(stdout).toMatch(
      /^k1 {2}2 values, and what is stored from now on\nThere is one key\. Put a new one in front/,
    )
    expect(exitCode).toBe(0)
  })

  test('a key that is missing is named, and nothing is changed', async () => {
    const { connectionString, database } = await createTestDatabase()
    await fill(connectionString, 'http://127.0.0.1/', 1)
    const env = environment(connectionString, [k3, k2])
    const rotated = await runCommand(['keys', 'rotate'], { env })
    expect(rotated).toEqual({
      stdout: '',
      stderr: 'postrider: POSTRIDER_ENCRYPTION_KEYS lacks "k1", which stored secrets need\n',
      exitCode: 1,
    })
    expect((await runCommand(['keys', 'status'], { env })).stdout).toContain(
      'k1  2 values: THIS KEY IS MISSING',
    )
    const { rows } = await database.query(`SELECT FROM postrider.webhooks WHERE secret LIKE 'v1.k1.%'`)
    expect(rows).toHaveLength(1)

    const started = await runCommand(['worker'], { env })
    expect(started.stderr).toBe(
      'postrider: Stored secrets need the encryption key "k1", which is not among the keys given: add it to them.\n',
    )
    expect(started.exitCode).toBe(1)
  })

  test('a value that belongs elsewhere is told by its place, and ends it with 1 after all others', async () => {
    const { connectionString, database } = await createTestDatabase()
    const { known } = await fill(connectionString, 'http://127.0.0.1/', 2)
    await database.query(
      `UPDATE postrider.webhooks SET secret = (SELECT secret FROM postrider.webhooks WHERE id = $1) WHERE id = $2`,
      [known[0]!.id, known[1]!.id],
    )
    const { stdout, exitCode } = await runCommand(['keys', 'rotate'], {
      env: environment(connectionString, [k2, k1]),
    })
    expect(stdout).toBe(
      `3 values encrypted with "k2"\nwebhook ${known[1]!.id}: what stands in "secret" cannot be opened with any key, and stays\n` +
        'k2  3 values, and what is stored from now on\nk1  1 value: still needed\n',
    )
    expect(exitCode).toBe(1)
  })

  test('a schema that is not up to date is told, with the command that makes it so', async () => {
    const { connectionString } = await createEmptyDatabase()
    const { stderr, exitCode } = await runCommand(['keys', 'status'], {
      env: environment(connectionString, [k1]),
    })
    expect({ stderr, exitCode }).toEqual({
      stderr: "postrider: the schema is not up to date: 'postrider migrate' makes it so\n",
      exitCode: 1,
    })
  })
})

test('the command of the documentation puts a new key in front of those of the embedded database', async () => {
  const directory = temporaryDirectory()
  mkdirSync(join(directory, '.postrider'))
  writeFileSync(join(directory, '.postrider/encryption-keys'), `k1:${k1!.key.toString('base64')}\n`, {
    mode: 0o600,
  })
  const text = readFileSync(join(import.meta.dirname, '../../docs/secrets.md'), 'utf8')
  const [, command] = /```sh\n(sed .*)\n```/.exec(text) ?? []
  execFileSync('sh', ['-c', command!], { cwd: directory })
  const config = loadConfig({ POSTRIDER_DATA_DIR: join(directory, '.postrider') }, directory)
  const { encryptionKeys } = await completeKeys(config, { needed: ['encryptionKeys'], onNewKey: () => {} })
  expect(encryptionKeys).toEqual([{ id: 'k2', key: expect.any(Buffer) }, k1])
})
