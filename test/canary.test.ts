import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { routes } from '../src/contract/routes.ts'
import type { Database } from '../src/database/database.ts'
import { generateSecret, publicKeyOf } from '../src/registry/secret.ts'
import { Command } from './cli/command.ts'
import { makeCertificate } from './support/certificate.ts'
import { createTestDatabase } from './support/database.ts'
import { type ReceivedRequest, Receiver } from './support/receiver.ts'

/** Secrets that are known here are looked for in everything that a server says, shows and stores. */

interface Finding {
  what: string
  where: string
}

/** Everything that was said, shown or stored. */
class Heard {
  readonly #texts: { where: string; text: string; except: ReadonlySet<string> }[] = []

  /** `except`: what is told there on purpose, and nowhere else. */
  add(where: string, text: string, except: readonly string[] = []): void {
    this.#texts.push({ where, text, except: new Set(except) })
  }

  get length(): number {
    return this.#texts.length
  }

  find(secrets: ReadonlyMap<string, string>): Finding[] {
    return [...secrets].flatMap(([what, secret]) =>
      this.#texts
        .filter(
          ({ text, except }) => !except.has(secret) && formsOf(secret).some((form) => text.includes(form)),
        )
        .map(({ where }) => ({ what, where })),
    )
  }
}

/** A secret as it stands, encoded, and in parts that are long enough to give it away. */
function formsOf(secret: string): string[] {
  const bare = secret.replace(/^wh(sec|sk)_/, '')
  const bytes = Buffer.from(bare)
  return [
    bare,
    bare.slice(0, 16),
    bare.slice(-16),
    JSON.stringify(bare).slice(1, -1),
    JSON.stringify(bare).slice(1, -1).replaceAll('/', '\\/'),
    encodeURIComponent(bare),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('hex'),
    bytes.toJSON().data.join(),
    Buffer.from(bare, 'base64').toString('hex'),
  ].filter(({ length }) => length >= 12)
}

const canary = (name: string): string => `canary-${name}-${randomBytes(15).toString('base64url')}`

/** What somebody who answers with all that he got answers. */
function echo({ headers, rawHeaders, body }: ReceivedRequest) {
  return {
    status: 500,
    headers: { 'x-all': JSON.stringify(rawHeaders), 'content-type': 'application/json' },
    body: JSON.stringify({ headers, rawHeaders, body }).replaceAll('/', '\\/'),
  }
}

test('no secret is in any log line, error, answer, history, metric or dump of the database', async () => {
  await using receiver = await Receiver.start()
  receiver.answer = (request) => {
    const got = String(request.headers['x-token'])
    if (request.url === '/echo') return echo(request)
    if (request.url === '/html') return { body: `<p>${got}</p>`, status: 200 }
    if (request.url === '/long') return { body: `${'x'.repeat(16_370)}${got}`, status: 200 }
    return { status: request.url === '/gone' ? 410 : 204 }
  }
  await using untrusted = await Receiver.start({ tls: makeCertificate({ name: '127.0.0.1' }) })
  const { connectionString, database } = await createTestDatabase()
  const heard = new Heard()
  const secrets = new Map<string, string>()
  const secret = (what: string, value: string): string => {
    secrets.set(what, value)
    return value
  }

  const encryptionKey = secret('encryption key', randomBytes(32).toString('base64'))
  const olderKey = secret('older encryption key', randomBytes(32).toString('base64'))
  const adminKey = secret('admin key', canary('admin'))
  const env = {
    DATABASE_URL: connectionString,
    POSTRIDER_PORT: '0',
    POSTRIDER_ADMIN_KEY: adminKey,
    POSTRIDER_ENCRYPTION_KEYS: `k2:${encryptionKey},k1:${olderKey}`,
    POSTRIDER_ALLOW_HTTP: 'true',
    POSTRIDER_ALLOW_PRIVATE: '127.0.0.0/8',
    POSTRIDER_RATE_LIMIT: 'off',
    POSTRIDER_LOG_LEVEL: 'trace',
  }
  const server = new Command(['serve'], { env })
  await server.said('"Postrider is up"')
  const [, url] = /"url":"([^"]+)"/.exec(server.stdout)!

  const call = async (method: string, path: string, options: CallOptions = {}) => {
    const { json, raw = json === undefined ? undefined : JSON.stringify(json), key = adminKey } = options
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...options.headers },
      ...(raw !== undefined && { body: raw }),
    })
    const text = await response.text()
    const answer = isJson(response) && text !== '' ? JSON.parse(text) : {}
    const told = (options.tells ?? []).map((name) => answer[name]).filter((value) => value !== null)
    for (const value of told) secret(`${options.tells!.join()} ${secrets.size}`, value)
    const headers = JSON.stringify([...response.headers])
    heard.add(`${method} ${path} ${response.status}`, headers + text, told)
    return { status: response.status, body: answer }
  }

  // Everything is made, with secrets of every kind.
  const { id: projectId } = (await call('POST', '/api/projects', { json: { name: 'p' } })).body
  const project = `/api/projects/${projectId}`
  const keys = await Promise.all(
    ['view', 'publish', 'manage'].map((role) =>
      call('POST', `${project}/api-keys`, { json: { name: role, role }, tells: ['key'] }),
    ),
  )
  const { key } = keys[2]!.body as { key: string }
  const application = (await call('POST', `${project}/applications`, { json: { name: 'a' }, key })).body
  const token = secret('header value', `${canary('to/ken')} "quoted" & <b>`)
  const password = secret('password', canary('pass:word'))
  const basic = secret('basic credentials', Buffer.from(`user:${password}`).toString('base64'))
  const headers = { 'X-Token': token, authorization: `Basic ${basic}` }
  const webhook = async (path: string, more: object = {}) => {
    const json = { name: path, url: receiver.url + path, headers, ...more }
    const answer = await call('POST', `${project}/webhooks`, { json, key, tells: ['secret'] })
    expect(answer.status).toBe(201)
    return answer.body.id as string
  }
  const privateKey = secret('private key', generateSecret('v1a'))
  secret(
    'seed of the private key',
    Buffer.from(privateKey.slice(5), 'base64').subarray(0, 32).toString('base64'),
  )
  const own = generateSecret()
  const once = { retry_seconds: [] }
  const echoing = await webhook('echo', { secret: own })
  const asymmetric = await webhook('html', { signature_scheme: 'v1a', secret: privateKey, policy: once })
  for (const path of ['ok', 'long', 'gone']) await webhook(path, { policy: once })
  await webhook('untrusted', { url: untrusted.url, policy: once })
  const nobody = await Receiver.start()
  const closedPort = nobody.port
  await nobody.close()
  await webhook('nobody', { url: `http://127.0.0.1:${closedPort}/`, policy: once })
  const damaged = await webhook('damaged')
  secrets.set('secret of the caller', own)
  await database.query(
    `UPDATE postrider.webhooks SET secret = (SELECT secret FROM postrider.webhooks WHERE id = $1) WHERE id = $2`,
    [echoing, damaged],
  )
  await call('POST', `${project}/webhooks/${echoing}/regenerate-secret`, { key, tells: ['secret'] })
  await call('POST', `${project}/webhooks/${asymmetric}/regenerate-secret`, { key })

  // Deliveries that succeed, fail in every way, and come back with what they were sent.
  await call('POST', `${project}/events`, { json: { type: 'a', data: { n: 1 } }, key })
  const deliveries = await eventually(database, 8)
  for (const id of [echoing, asymmetric, damaged]) {
    await call('POST', `${project}/webhooks/${id}/test`, { json: { data: 1 }, key })
  }
  const draft = { url: `${receiver.url}echo`, headers, secret: secret('secret of a draft', generateSecret()) }
  await call('POST', `${project}/webhooks/test`, { json: draft, key })
  await call('POST', `${project}/deliveries/${deliveries[0]}/retry`, { key })

  // Wrong input, with secrets in it.
  const wrong = secret('mistyped secret', `whsec_${canary('mistyped')}`)
  const value = secret('mistyped header value', canary('value'))
  const wrongKey = secret('key of nobody', `prk_${randomBytes(16).toString('hex')}_${canary('nobody')}`)
  const mistakes: [path: string, options: CallOptions][] = [
    ['webhooks', { json: { name: 'w', url: 'https://example.com', secret: wrong } }],
    ['webhooks', { json: { name: 'w', url: 'https://example.com', signature_scheme: 'v1a', secret: own } }],
    ['webhooks', { json: { name: 'w', url: 'https://example.com', headers: { 'x-a': `${value}\n` } } }],
    ['webhooks', { json: { name: 'w', url: 'https://example.com', headers: { host: value } } }],
    ['webhooks', { json: { name: 'w', url: 'https://example.com', headers: [value] } }],
    ['webhooks', { json: { name: 'w', url: 'https://example.com', secrt: value } }],
    ['webhooks', { json: { name: 'w', url: 'https://example.com', secret: { value } } }],
    ['webhooks', { raw: `{"name":"w","secret":"${wrong}",` }],
    ['webhooks', { raw: `{"headers":{"x":"${value}"} "name"` }],
    ['webhooks/test', { json: { ...draft, url: 'http://10.0.0.1/' } }],
    [`webhooks/${echoing}/regenerate-secret`, { json: { secret: wrong } }],
    ['events', { json: { type: 'a', data: 1 }, key: wrongKey }],
    ['events', { json: { type: 'a', data: 1 }, headers: { authorization: `Basic ${wrongKey}` } }],
    [`events/${encodeURIComponent(wrongKey)}`, {}],
  ]
  for (const [path, options] of mistakes) {
    const { status } = await call('POST', `${project}/${path}`, { key, ...options })
    expect([path, status >= 400 && status < 500]).toEqual([path, true])
  }
  for (const query of [`cursor=${wrongKey}`, `limit=${wrongKey}`, `key=${wrongKey}`]) {
    expect((await call('GET', `${project}/deliveries?${query}`, { key })).status).toBe(422)
  }

  // Mistakes of ours: statements that fail, with secrets among their values.
  await database.query(`ALTER TABLE postrider.webhooks ADD CONSTRAINT canary CHECK (name <> 'refused')`)
  const refused = { name: 'refused', url: receiver.url, headers, secret: own }
  expect((await call('POST', `${project}/webhooks`, { json: refused, key })).status).toBe(500)
  await database.query(`ALTER TABLE postrider.webhooks DROP CONSTRAINT canary`)
  await database.query(`ALTER TABLE postrider.webhooks RENAME COLUMN description TO was_description`)
  expect((await call('POST', `${project}/webhooks`, { json: { ...refused, name: 'w' }, key })).status).toBe(
    503,
  )
  await database.query(`ALTER TABLE postrider.webhooks RENAME COLUMN was_description TO description`)

  for (const [table, rows] of await dump(database)) heard.add(`table ${table} before the rotation`, rows)

  // A rotation of encryption keys, and a worker whose proxy refuses it.
  const rotation = new Command(['keys', 'rotate'], { env })
  await rotation.ended
  const proxyPassword = secret('password of the proxy', canary('proxy'))
  await using proxy = await Receiver.start({ answer: (request) => ({ ...echo(request), status: 407 }) })
  server.child.kill('SIGTERM')
  const atEnd = await server.ended
  const proxied = new Command(['serve'], {
    env: { ...env, POSTRIDER_PROXY: `http://user:${proxyPassword}@127.0.0.1:${proxy.port}` },
  })
  await proxied.said('"Postrider is up"')
  const proxiedUrl = /"url":"([^"]+)"/.exec(proxied.stdout)![1]!
  const bearer = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  for (const [path, body] of [
    ['events', { type: 'b', data: 2 }],
    [`webhooks/${asymmetric}/test`, {}],
  ] as const) {
    const init = { method: 'POST', headers: bearer, body: JSON.stringify(body) }
    const response = await fetch(`${proxiedUrl}${project}/${path}`, init)
    heard.add(`${path} through the proxy`, await response.text())
  }
  await eventually(database, 8 + 1 + 7)

  // Everything that can be read is read.
  const ids: Record<string, string> = {
    project_id: projectId,
    webhook_id: echoing,
    application_id: application.id,
    event_id: (await first(database, 'events'))!,
    delivery_id: (await first(database, 'deliveries'))!,
  }
  for (const { id } of await rowsOf(database, 'deliveries')) {
    const answer = await fetch(`${proxiedUrl}${project}/deliveries/${String(id)}/attempts`, {
      headers: bearer,
    })
    heard.add('attempts', await answer.text())
  }
  for (const { method, path } of Object.values(routes)) {
    // A stream does not end, and shows what the lists show.
    if (method !== 'GET' || /\/live(\/|$)/.test(path)) continue
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? projectId)
    const answer = await fetch(proxiedUrl + filled, { headers: { authorization: `Bearer ${adminKey}` } })
    heard.add(`GET ${path}`, await answer.text())
  }
  proxied.child.kill('SIGTERM')
  for (const { stdout, stderr } of [atEnd, await rotation.ended, await proxied.ended]) {
    heard.add('stdout', stdout)
    heard.add('stderr', stderr)
  }
  const before = heard.length
  for (const [table, rows] of await dump(database)) heard.add(`table ${table}`, rows)
  expect(heard.length - before).toBeGreaterThan(15)
  const pgDump = join(process.env['TEST_POSTGRES_BIN'] ?? '/nowhere', 'pg_dump')
  if (existsSync(pgDump)) {
    const sql = execFileSync(pgDump, [connectionString]).toString()
    expect(sql).toContain('v1.k2.')
    heard.add('pg_dump', sql)
  }

  // The search finds what is there, and each of these things did happen.
  const control = new Heard()
  control.add('request', JSON.stringify(receiver.requests.map(({ headers: sent }) => sent)))
  control.add('answer', JSON.stringify({ key, own }))
  const foundThere = new Set(control.find(secrets).map(({ what }) => what))
  for (const what of ['header value', 'basic credentials', 'secret of the caller'])
    expect(foundThere).toContain(what)
  const errors = (await rowsOf(database, 'deliveries')).map(({ last_error }) => String(last_error)).join('\n')
  for (const happened of [/http 500/, /tls/, /refused/, /cannot be signed/, /410/, /proxy/]) {
    expect(errors).toMatch(happened)
  }
  expect(atEnd.stdout).toMatch(/"level":"error".*"request failed"/)
  expect(secrets.size).toBeGreaterThan(20)
  expect(publicKeyOf(privateKey)).toMatch(/^whpk_/)

  expect(heard.find(secrets)).toEqual([])
}, 60_000)

interface CallOptions {
  json?: unknown
  raw?: string
  key?: string
  headers?: Record<string, string>
  /** Members of the answer that are secrets, told this once. */
  tells?: string[]
}

function isJson(response: Response): boolean {
  return /json/.test(response.headers.get('content-type') ?? '')
}

/** Until so many attempts have been recorded; answers the ids of their deliveries. */
async function eventually(database: Database, attempts: number): Promise<string[]> {
  const read = async () => rowsOf(database, 'webhook_delivery_attempts')
  await expect.poll(async () => (await read()).length, { timeout: 15_000 }).toBeGreaterThanOrEqual(attempts)
  return (await read()).map(({ delivery_id }) => String(delivery_id))
}

async function rowsOf(database: Database, table: string): Promise<Record<string, unknown>[]> {
  return (await database.query(`SELECT * FROM postrider.${table}`)).rows
}

async function first(database: Database, table: string): Promise<string | undefined> {
  return String((await rowsOf(database, table))[0]?.['id'])
}

/** Every row of every table of the database, as `COPY` would write it. */
async function dump(database: Database): Promise<[table: string, rows: string][]> {
  const { rows: tables } = await database.query<{ name: string }>(
    `SELECT format('%I.%I', schemaname, tablename) AS name
     FROM pg_tables
     WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
  )
  return Promise.all(
    tables.map(async ({ name }): Promise<[string, string]> => {
      const { rows } = await database.query<{ text: string }>(
        `SELECT dumped::text AS text FROM ${name} AS dumped`,
      )
      return [name, rows.map(({ text }) => text).join('\n')]
    }),
  )
}
