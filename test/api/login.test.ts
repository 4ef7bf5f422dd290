import { Client } from 'pg'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createApi } from '../../src/api/api.ts'
import { noRateLimits } from '../../src/api/rate-limit.ts'
import { createServer } from '../../src/api/server.ts'
import { PostriderError } from '../../src/contract/errors.ts'
import { Postrider } from '../../src/postrider.ts'
import { startApi, type TestApi } from '../support/api.ts'
import { Browser, makeUser, password } from '../support/browser.ts'

/** How people come in: by links, by passwords, and by keys until there is an owner. */

const api = await startApi()
const project = await api.createProject()

afterEach(() => vi.restoreAllMocks())

function tokenOf(url: string): string {
  return /#token=(.+)$/.exec(url)![1]!
}

async function invite(email: string, role = 'view', { path } = project): Promise<string> {
  const answer = await api.call('POST', `${path}/invitations`, { json: { email, role } })
  expect(answer.status).toBe(201)
  return tokenOf(answer.body.url)
}

async function expire(token: string): Promise<void> {
  const { rowCount } = await api.database.query(
    `UPDATE postrider.invitations
     SET expires_at = now() - interval '1 second'
     WHERE token_hash = sha256($1::bytea)`,
    [token],
  )
  expect(rowCount).toBe(1)
}

const accept = (browser: Browser, json: object) => browser.call('POST', '/api/links/accept', { json })
const read = (token: string) => api.call('POST', '/api/links/read', { key: null, json: { token } })

describe('the link of the owner', async () => {
  const fresh = await startApi()
  const ownerLink = async () => (await fresh.postrider.invitations.createOwnerLink()).token

  test('makes whoever opens it the owner, once; other such links end with it', async () => {
    const [token, other] = [await ownerLink(), await ownerLink()]
    const details = await fresh.call('POST', '/api/links/read', { key: null, json: { token } })
    expect(details.body).toMatchObject({ kind: 'owner', email: null, role: null, has_account: false })
    const browser = new Browser(fresh)
    expect(await browser.state()).toEqual({
      session: null,
      login: { key: true, single_sign_on: false },
    })
    const json = { token, email: 'Ada@Example.com', name: 'Ada', password }
    const answer = await accept(browser, json)
    expect(answer).toMatchObject({ status: 201, body: { login: { key: false } } })
    expect(answer.body.session).toMatchObject({
      kind: 'user',
      is_owner: true,
      projects: null,
      user: { email: 'Ada@Example.com', name: 'Ada', has_password: true },
    })
    expect((await browser.call('GET', '/api/projects')).status).toBe(200)
    for (const used of [token, other]) {
      expect(await accept(new Browser(fresh), { ...json, token: used })).toMatchObject({
        status: 404,
        body: { code: 'not_found' },
      })
    }
  })

  test('of those who use it at once lets in one', async () => {
    const token = await ownerLink()
    const answers = await Promise.all(
      ['a', 'b'].map((name) =>
        accept(new Browser(fresh), { token, email: `${name}@example.com`, name, password }),
      ),
    )
    expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(['201', '404'])
  })

  test('needs an email, a name and a password that is long enough', async () => {
    const token = await ownerLink()
    const whole = { token, email: 'new@example.com', name: 'New', password }
    for (const [path, json] of Object.entries({
      email: { ...whole, email: undefined },
      name: { ...whole, name: undefined },
      password: { ...whole, password: 'elevenchars' },
    })) {
      expect(await accept(new Browser(fresh), json)).toMatchObject({
        status: 422,
        body: { errors: [{ path }] },
      })
    }
    expect(await accept(new Browser(fresh), whole)).toMatchObject({ status: 201 })
  })

  test('of an operator sets a new password where the owner forgot it, and ends what was open', async () => {
    const owner = await makeUser(fresh, { isOwner: true })
    const before = await Browser.of(fresh, owner)
    const json = { token: await ownerLink(), email: owner.email.toUpperCase(), password: `${password} 2` }
    const { body } = await accept(new Browser(fresh), json)
    expect(body.session.user).toMatchObject({ id: owner.id, email: owner.email })
    expect((await before.call('GET', '/api/projects')).status).toBe(401)
  })
})

describe('an invitation', () => {
  test('lets somebody new into one project, with its role', async () => {
    const token = await invite('grace@example.com', 'publish')
    expect((await read(token)).body).toMatchObject({
      kind: 'member',
      email: 'grace@example.com',
      project_name: 'test',
      role: 'publish',
      has_account: false,
    })
    const grace = new Browser(api)
    const { body } = await accept(grace, { token, name: 'Grace', password })
    expect(body.session).toMatchObject({
      is_owner: false,
      projects: [{ id: project.id, name: 'test', role: 'publish' }],
    })
    expect((await grace.call('GET', project.path)).status).toBe(200)
    expect((await grace.call('GET', '/api/projects')).status).toBe(403)
    const { body: listed } = await api.call('GET', `${project.path}/members`)
    expect(listed.members).toMatchObject([{ email: 'grace@example.com', name: 'Grace', role: 'publish' }])
    expect((await api.call('GET', `${project.path}/invitations`)).body.invitations).toEqual([])
    // Used up.
    expect((await read(token)).status).toBe(404)
    expect((await accept(new Browser(api), { token, password })).status).toBe(404)
  })

  test('is refused for whoever is a member already, however the email is written', async () => {
    const member = await makeUser(api, { roles: { [project.id]: 'view' } })
    const json = { email: member.email.toUpperCase(), role: 'manage' }
    expect(await api.call('POST', `${project.path}/invitations`, { json })).toMatchObject({
      status: 409,
      body: { code: 'already_exists' },
    })
  })

  test('opens nothing when it has expired, was taken back or replaced', async () => {
    const [expired, takenBack, replaced] = [
      await invite('expired@example.com'),
      await invite('back@example.com'),
      await invite('twice@example.com'),
    ]
    await expire(expired)
    const { body } = await api.call('GET', `${project.path}/invitations`)
    const { id } = body.invitations.find(({ email }: { email: string }) => email === 'back@example.com')
    expect((await api.call('DELETE', `${project.path}/invitations/${id}`)).status).toBe(204)
    const anew = await invite('TWICE@example.com', 'manage')
    for (const token of [expired, takenBack, replaced, 'x', `${anew}x`]) {
      expect((await read(token)).status).toBe(404)
      expect((await accept(new Browser(api), { token, name: 'N', password })).status).toBe(404)
    }
    expect((await read(anew)).body).toMatchObject({ role: 'manage', email: 'twice@example.com' })
  })

  test('takes the password of a user there is, and stays when it is wrong', async () => {
    const user = await makeUser(api)
    const token = await invite(user.email, 'manage')
    expect((await read(token)).body).toMatchObject({ has_account: true })
    const wrong = await accept(new Browser(api), { token, password: `${password}!` })
    expect(wrong).toMatchObject({ status: 401, body: { code: 'unauthorized' } })
    expect(wrong.headers.getSetCookie()).toEqual([])
    const { body } = await accept(new Browser(api), { token, password })
    expect(body.session).toMatchObject({ user: { id: user.id, name: 'Ada' }, projects: [{ role: 'manage' }] })
  })

  test('gives nobody the account of somebody else', async () => {
    const single = await makeUser(api, { hasPassword: false })
    await api.database.query(
      `UPDATE postrider.users SET oidc_issuer = 'i', oidc_subject = $1::text WHERE id = $1::uuid`,
      [single.id],
    )
    const elsewhere = await api.createProject()
    const member = await makeUser(api, { hasPassword: false, roles: { [elsewhere.id]: 'manage' } })
    for (const { email } of [single, member]) {
      const token = await invite(email)
      expect(await accept(new Browser(api), { token, name: 'Me', password })).toMatchObject({ status: 409 })
    }
    // Somebody who is only named, as the author of webhooks from before there were logins, may still come in.
    const { id, email } = await makeUser(api, { hasPassword: false })
    const { body } = await accept(new Browser(api), { token: await invite(email), password })
    expect(body.session.user.id).toBe(id)
  })

  test('of another project is not to be seen or taken back', async () => {
    await invite('hidden@example.com')
    const { body } = await api.call('GET', `${project.path}/invitations`)
    const other = await api.createProject()
    const path = `${other.path}/invitations/${body.invitations[0].id}`
    expect((await api.call('DELETE', path, { key: other.manage })).status).toBe(404)
    const listed = await api.call('GET', `${other.path}/invitations`, { key: other.view })
    expect(listed.body.invitations).toEqual([])
  })
})

test('a link for a forgotten password sets a new one, once, and ends what was open', async () => {
  const user = await makeUser(api, { roles: { [project.id]: 'view' } })
  const before = await Browser.of(api, user)
  const make = () => api.call('POST', `/api/users/${user.id}/password-link`)
  const [replaced, { body }] = [await make(), await make()]
  expect((await read(tokenOf(replaced.body.url))).status).toBe(404)
  const token = tokenOf(body.url)
  expect((await read(token)).body).toMatchObject({ kind: 'password', email: user.email })
  expect((await accept(new Browser(api), { token, password: 'too short' })).status).toBe(422)
  expect((await accept(new Browser(api), { token, password: `${password}, new` })).status).toBe(201)
  expect((await before.call('GET', project.path)).status).toBe(401)
  expect((await accept(new Browser(api), { token, password })).status).toBe(404)
  const browser = new Browser(api)
  expect((await browser.logIn({ email: user.email, password })).status).toBe(401)
  expect((await browser.logIn({ email: user.email, password: `${password}, new` })).status).toBe(201)
})

describe('a login by password', () => {
  test('takes the email however it is written, and tells who it is', async () => {
    const user = await makeUser(api, { roles: { [project.id]: 'manage' } })
    const browser = new Browser(api)
    const answer = await browser.logIn({ email: user.email.toUpperCase(), password })
    expect(answer).toMatchObject({ status: 201, body: { session: { user: { id: user.id } } } })
    expect(await browser.state()).toEqual(answer.body)
  })

  test('answers an unknown email, a wrong password and a disabled user alike, after the same steps', async () => {
    const user = await makeUser(api)
    const disabled = await makeUser(api)
    const single = await makeUser(api, { hasPassword: false })
    await api.call('PATCH', `/api/users/${disabled.id}`, { json: { is_disabled: true } })
    const attempts = {
      'wrong password': { email: user.email, password: `${password}x` },
      'unknown email': { email: 'nobody@example.com', password },
      disabled: { email: disabled.email, password },
      'no password': { email: single.email, password },
    }
    const seen = new Map<string, object>()
    const tookMs: number[] = []
    for (const [name, json] of Object.entries(attempts)) {
      const statements = listen()
      const startedMs = performance.now()
      const { status, text, headers } = await new Browser(api).logIn(json)
      tookMs.push(performance.now() - startedMs)
      expect(headers.getSetCookie()).toEqual([])
      seen.set(name, { status, text, statements })
      vi.restoreAllMocks()
    }
    for (const each of seen.values()) expect(each).toEqual([...seen.values()][0])
    expect([...seen.values()][0]).toMatchObject({ status: 401 })
    // The hash takes longer than all else: where it was left out, it would be a small part of the time.
    expect(Math.min(...tookMs)).toBeGreaterThan(Math.max(...tookMs) / 4)
  })

  test('tells in the log how often it was tried wrongly before', async () => {
    const user = await makeUser(api)
    const browser = new Browser(api)
    for (const wrong of ['a', 'b']) await browser.logIn({ email: user.email, password: wrong })
    await browser.logIn({ email: user.email, password })
    const { body } = await api.call('GET', `/api/admin/audit-log?resource_id=${user.id}&limit=1`)
    expect(body.audit_log).toMatchObject([
      {
        action: 'session.created',
        project_id: null,
        actor: { kind: 'user', id: user.id, name: 'Ada' },
        after: { method: 'password', failed_logins: 2 },
        address: '127.0.0.1',
      },
    ])
  })

  test('needs both or a key, and says what is missing', async () => {
    for (const [json, path] of [
      [{}, 'email'],
      [{ email: 'a@example.com' }, 'password'],
      [{ password }, 'email'],
      [{ key: 'k', email: 'a@example.com' }, 'key'],
    ] as const) {
      expect(await new Browser(api).logIn(json)).toMatchObject({ status: 422, body: { errors: [{ path }] } })
    }
  })

  test('is limited as whoever it is tried, and from where, before any password is looked at', async () => {
    const asked: unknown[] = []
    const limited = createApi({
      engine: api.postrider,
      addressOf: () => '192.0.2.1',
      limits: {
        ...noRateLimits,
        login(account, address) {
          asked.push([account, address])
          throw new PostriderError('rate_limited', 'Too many.', { retryAfterSeconds: 1 })
        },
      },
    })
    const statements = listen()
    for (const json of [{ email: 'Ada@example.com', password }, { key: 'k' }]) {
      const response = await limited.fetch(
        new Request('http://localhost/api/session', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(json),
        }),
      )
      expect(response.status).toBe(429)
    }
    expect(asked).toEqual([
      ['Ada@example.com', '192.0.2.1'],
      [undefined, '192.0.2.1'],
    ])
    expect(statements).toEqual([])
  })
})

test('no password, token or link is in any line of the log', async () => {
  const lines: string[] = []
  const note = (fields: object, message: string) => void lines.push(JSON.stringify({ ...fields, message }))
  const logged = createApi({
    engine: api.postrider,
    logger: { debug: note, info: note, warn: note, error: note },
  })
  const post = async (path: string, json: object) => {
    const response = await logged.fetch(
      new Request(`http://localhost${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(json),
      }),
    )
    return { cookies: response.headers.getSetCookie(), text: await response.text() }
  }
  const token = await invite('logged@example.com')
  await post('/api/links/read', { token })
  const accepted = await post('/api/links/accept', { token, name: 'L', password })
  const wrong = await post('/api/session', { email: 'logged@example.com', password: 'a wrong password' })
  const right = await post('/api/session', { email: 'logged@example.com', password })
  const told = [token, password, 'a wrong password']
  for (const { cookies, text } of [accepted, right]) {
    told.push(/=([\w-]{43});/.exec(cookies[0]!)![1]!, JSON.parse(text).session.csrf_token)
  }
  expect(wrong.text).not.toContain('a wrong password')
  expect(lines).toHaveLength(4)
  for (const secret of told) expect(lines.join()).not.toContain(secret)
})

describe('a login by key', async () => {
  const fresh = await startApi()
  const own = await fresh.createProject()

  test('stands for the project key, and ends with it in every process', async () => {
    await using elsewhere = await startAnother(fresh)
    const { body: created } = await fresh.call('POST', `${own.path}/api-keys`, {
      json: { name: 'mine', role: 'publish' },
    })
    const browser = new Browser(fresh)
    expect((await browser.logIn({ key: created.key })).body.session).toMatchObject({
      kind: 'api_key',
      user: null,
      is_owner: false,
      projects: [{ id: own.id, name: 'test', role: 'publish' }],
    })
    const statuses = async () => [
      (await browser.call('GET', `${elsewhere.url}${own.path}`)).status,
      (await browser.call('POST', `${own.path}/events`, { json: { type: 'a', data: 1 } })).status,
      (await browser.call('POST', `${own.path}/applications`, { json: { name: 'a' } })).status,
    ]
    expect(await statuses()).toEqual([200, 202, 403])
    expect((await browser.call('GET', '/api/sessions')).status).toBe(403)
    await fresh.call('DELETE', `${own.path}/api-keys/${created.id}`)
    expect(await statuses()).toEqual([401, 401, 401])
  })

  test('stands for the admin key, and ends when that is another one', async () => {
    await using changed = await startAnother(fresh, { adminKey: 'another admin key' })
    const browser = new Browser(fresh)
    const { body } = await browser.logIn({ key: fresh.adminKey })
    expect(body.session).toMatchObject({ kind: 'admin_key', is_owner: true, projects: null })
    expect((await browser.call('GET', '/api/projects')).status).toBe(200)
    expect((await browser.call('GET', `${changed.url}/api/projects`)).status).toBe(401)
  })

  test('is refused as soon as there is an owner, right or wrong', async () => {
    const wrong = await new Browser(fresh).logIn({ key: `${own.view}x` })
    expect(wrong).toMatchObject({ status: 401 })
    await makeUser(fresh, { isOwner: true })
    const answers = await Promise.all(
      [own.view, fresh.adminKey, 'wrong'].map((key) => new Browser(fresh).logIn({ key })),
    )
    for (const { status, text } of answers) {
      expect({ status, text }).toEqual({ status: 403, text: answers[0]!.text })
    }
    expect((await new Browser(fresh).state()).login).toEqual({ key: false, single_sign_on: false })
  })
})

/** Another process on the same database, as far as the two share nothing but that. */
async function startAnother(of: TestApi, options: { adminKey?: string } = {}) {
  const postrider = new Postrider({ connectionString: of.connectionString })
  const server = createServer({ postrider, adminKey: of.adminKey, rateLimit: false, ...options, port: 0 })
  const { url } = await server.start()
  return {
    url,
    async [Symbol.asyncDispose]() {
      await server.stop()
      await postrider.stop()
    },
  }
}

/** Every statement about users that goes to the database from here on, without its values. */
function listen(): string[] {
  const statements: string[] = []
  const { query } = Client.prototype as unknown as { query: (this: Client) => unknown }
  vi.spyOn(Client.prototype, 'query').mockImplementation(function (this: Client, ...parameters: unknown[]) {
    const [given] = parameters as [string | { text: string }]
    const text = typeof given === 'string' ? given : given.text
    // Not what is done beside calls, such as noting when a key was used.
    if (text.includes('postrider.users')) statements.push(text)
    return Reflect.apply(query, this, parameters)
  } as never)
  return statements
}
