import { describe, expect, test } from 'vitest'
import { createApi } from '../../src/api/api.ts'
import { createServer } from '../../src/api/server.ts'
import { Postrider } from '../../src/postrider.ts'
import { startApi } from '../support/api.ts'
import { Browser, makeUser, password } from '../support/browser.ts'
import { exampleOf, noId, pathOf, table } from '../support/walk.ts'

/** What a session opens and what not; `api` and `elsewhere` share nothing but the database. */

const api = await startApi()
const project = await api.createProject()
const other = await api.createProject()
const roles = ['view', 'publish', 'manage'] as const
const users = {
  owner: await makeUser(api, { isOwner: true }),
  view: await makeUser(api, { roles: { [project.id]: 'view' } }),
  publish: await makeUser(api, { roles: { [project.id]: 'publish' } }),
  manage: await makeUser(api, { roles: { [project.id]: 'manage' } }),
}
const browsers = {
  owner: await Browser.of(api, users.owner),
  view: await Browser.of(api, users.view),
  publish: await Browser.of(api, users.publish),
  manage: await Browser.of(api, users.manage),
}

const changing = table.filter(({ method, access }) => method !== 'GET' && access !== 'anyone')
const ofProjects = table.filter(({ access }) => access !== 'anyone' && access !== 'session')

async function startElsewhere() {
  const postrider = new Postrider({ connectionString: api.connectionString })
  const server = createServer({ postrider, adminKey: null, port: 0, rateLimit: false })
  const { url } = await server.start()
  return {
    url,
    async [Symbol.asyncDispose]() {
      await server.stop()
      await postrider.stop()
    },
  }
}

describe('a call that changes something', () => {
  const foreign = { origin: 'https://evil.example' }
  const attempts: Record<string, object> = {
    'without a token': { csrfToken: null },
    'with another token': { csrfToken: browsers.view.csrfToken },
    'from another origin': foreign,
    'from no origin': { origin: null },
    'from an opaque origin': { origin: 'null' },
    'from our name on another port': { origin: api.url.replace(/\d+$/, '1') },
    'from a site beside ours': { headers: { 'sec-fetch-site': 'same-site' } },
    'from another site': { headers: { 'sec-fetch-site': 'cross-site' } },
  }

  test.each(changing)('$name is refused with a session unless our own page makes it', async (route) => {
    for (const [name, attempt] of Object.entries(attempts)) {
      const path = pathOf(route.path, { project_id: project.id })
      const answer = await browsers.owner.call(route.method, path, { ...exampleOf(route), ...attempt })
      expect({ name, ...answer }).toMatchObject({ name, status: 403, body: { code: 'forbidden' } })
    }
  })

  test('of logging in or out is refused to pages of others, too', async () => {
    for (const attempt of [foreign, { headers: { 'sec-fetch-site': 'cross-site' } }]) {
      const json = { email: users.view.email, password }
      expect((await new Browser(api).call('POST', '/api/session', { json, ...attempt })).status).toBe(403)
      expect((await browsers.view.call('DELETE', '/api/session', attempt)).status).toBe(403)
    }
    expect((await browsers.view.call('GET', project.path)).status).toBe(200)
  })

  test('is let pass from the public address, and with a key from anywhere', async () => {
    const fetchVia = createApi({ engine: api.postrider, publicUrl: 'https://hooks.example/base' }).fetch
    const { token } = await api.postrider.sessions.open(
      api.database,
      { userId: users.manage.id },
      { address: undefined, userAgent: undefined, requestId: undefined },
    )
    const cookie = `__Secure-postrider_session=${token}`
    const state = await fetchVia(new Request('http://inside/api/session', { headers: { cookie } }))
    const { session } = (await state.json()) as { session: { csrf_token: string } }
    const create = (headers: Record<string, string>) =>
      fetchVia(
        new Request(`http://inside${project.path}/applications`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: '{"name":"a"}',
        }),
      )
    const ours = { cookie, 'x-csrf-token': session.csrf_token }
    expect((await create({ ...ours, origin: 'https://hooks.example' })).status).toBe(201)
    expect((await create({ ...ours, origin: 'https://hooks.example.evil.example' })).status).toBe(403)
    const invited = await fetchVia(
      new Request(`http://inside${project.path}/invitations`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...ours, origin: 'https://hooks.example' },
        body: '{"email":"new@example.com","role":"view"}',
      }),
    )
    const { url } = (await invited.json()) as { url: string }
    expect(url).toMatch(/^https:\/\/hooks\.example\/base\/invitation#token=[\w-]{43}$/)
    const authorization = `Bearer ${project.manage}`
    expect((await create({ authorization, origin: 'https://evil.example' })).status).toBe(201)
  })
})

describe('a role', () => {
  test.each(ofProjects)('$name opens to a member as to a key of the same role', async (route) => {
    for (const id of [project.id, other.id, noId, 'nonsense']) {
      for (const role of roles) {
        // With a body that is no JSON what is allowed fails for that, and changes nothing.
        const broken = { ...(route.body && { raw: '{' }) }
        const path = pathOf(route.path, { project_id: id })
        const byKey = await api.call(route.method, path, { key: project[role], ...broken })
        const bySession = await browsers[role].call(route.method, path, broken)
        expect({ id, role, status: bySession.status }).toEqual({ id, role, status: byKey.status })
      }
    }
  })

  test('that may only view changes nothing, whatever it is asked with', async () => {
    for (const route of changing.filter(({ access }) => access !== 'session')) {
      const path = pathOf(route.path, { project_id: project.id })
      const { status } = await browsers.view.call(route.method, path, exampleOf(route))
      expect({ name: route.name, status }).toEqual({ name: route.name, status: 403 })
    }
  })

  test('counts from the moment on that it is changed, and the project closes to who is removed', async () => {
    const user = await makeUser(api, { roles: { [project.id]: 'view' } })
    const browser = await Browser.of(api, user)
    const create = async () =>
      (await browser.call('POST', `${project.path}/applications`, { json: { name: 'a' } })).status
    expect(await create()).toBe(403)
    const member = `${project.path}/members/${user.id}`
    const changed = await browsers.manage.call('PATCH', member, { json: { role: 'manage' } })
    expect(changed).toMatchObject({ status: 200, body: { user_id: user.id, role: 'manage' } })
    expect(await create()).toBe(201)
    expect((await browsers.manage.call('DELETE', member)).status).toBe(204)
    expect(await create()).toBe(404)
    const { body } = await api.call('GET', `${project.path}/audit-log?resource_id=${user.id}`)
    expect(body.audit_log.map((entry: object) => entry)).toMatchObject([
      { action: 'member.deleted', actor: { kind: 'user', id: users.manage.id }, before: { role: 'manage' } },
      { action: 'member.updated', before: { role: 'view' }, after: { role: 'manage' } },
      { action: 'member.created', actor: { kind: 'sql' } },
    ])
  })

  test('of an owner opens everything in all projects', async () => {
    for (const { path } of [project, other]) {
      const json = { name: 'Renamed' }
      expect((await browsers.owner.call('PATCH', path, { json })).status).toBe(200)
    }
    expect((await browsers.owner.call('GET', '/api/users')).body.users.length).toBeGreaterThan(3)
  })
})

test('a webhook says which user made it, and the log names them', async () => {
  const json = { name: 'w', url: 'http://127.0.0.1:1024/' }
  const { body } = await browsers.manage.call('POST', `${project.path}/webhooks`, { json })
  expect(body.created_by_id).toBe(users.manage.id)
  const { body: log } = await api.call('GET', `${project.path}/audit-log?resource_id=${body.id}`)
  expect(log.audit_log).toMatchObject([
    { action: 'webhook.created', actor: { kind: 'user', id: users.manage.id, name: 'Ada' } },
  ])
  const byKey = await api.call('POST', `${project.path}/webhooks`, { key: project.manage, json })
  expect(byKey.body.created_by_id).toBeNull()
})

describe('a session', () => {
  test('that is ended is refused at once in every process', async () => {
    await using elsewhere = await startElsewhere()
    const user = await makeUser(api, { roles: { [project.id]: 'view' } })
    const [browser, stolen] = [await Browser.of(api, user), await Browser.of(api, user)]
    const there = async () => (await stolen.call('GET', elsewhere.url + project.path)).status
    const { body } = await browser.call('GET', '/api/sessions')
    expect(body.sessions).toMatchObject([
      { is_current: false, address: '127.0.0.1', user_agent: 'test' },
      { is_current: true },
    ])
    expect(await there()).toBe(200)
    expect((await browser.call('DELETE', `/api/sessions/${body.sessions[0].id}`)).status).toBe(204)
    expect(await there()).toBe(401)
    expect((await browser.call('DELETE', `/api/sessions/${body.sessions[0].id}`)).status).toBe(404)
    expect((await browser.call('GET', project.path)).status).toBe(200)
  })

  test('of somebody else cannot be seen or ended', async () => {
    const { body } = await browsers.view.call('GET', '/api/sessions')
    const [{ id }] = body.sessions
    expect((await browsers.owner.call('DELETE', `/api/sessions/${id}`)).status).toBe(404)
    const { body: own } = await browsers.owner.call('GET', '/api/sessions')
    expect(own.sessions.some((session: { id: string }) => session.id === id)).toBe(false)
  })

  test('can end all others of its user, and then itself', async () => {
    const user = await makeUser(api, { roles: { [project.id]: 'view' } })
    const [browser, first, second] = [
      await Browser.of(api, user),
      await Browser.of(api, user),
      await Browser.of(api, user),
    ]
    expect((await browser.call('DELETE', '/api/sessions')).status).toBe(204)
    for (const ended of [first, second]) expect((await ended.call('GET', project.path)).status).toBe(401)
    const copied = browser.cookies.get('postrider_session')!
    expect((await browser.call('DELETE', '/api/session')).status).toBe(204)
    expect(browser.cookies.size).toBe(0)
    browser.cookies.set('postrider_session', copied)
    expect((await browser.call('GET', project.path)).status).toBe(401)
  })

  test('ends with the user who is disabled, and does not come back', async () => {
    const user = await makeUser(api, { roles: { [project.id]: 'view' } })
    const browser = await Browser.of(api, user)
    const change = (json: object) => browsers.owner.call('PATCH', `/api/users/${user.id}`, { json })
    expect((await change({ is_disabled: true })).body).toMatchObject({ is_disabled: true })
    expect((await browser.call('GET', project.path)).status).toBe(401)
    expect((await change({ is_disabled: false })).body).toMatchObject({ is_disabled: false })
    expect((await browser.call('GET', project.path)).status).toBe(401)
  })

  test('is nothing beside a key that is sent', async () => {
    const headers = { authorization: `Bearer ${project.view}` }
    const json = { name: 'a' }
    const path = `${project.path}/applications`
    expect((await browsers.manage.call('POST', path, { headers, json })).status).toBe(403)
    const wrong = { authorization: 'Bearer wrong' }
    expect((await browsers.manage.call('GET', project.path, { headers: wrong })).status).toBe(401)
  })

  test('that has ended is none: whoever asks is told so, and the cookie goes', async () => {
    for (const token of ['A'.repeat(43), 'nonsense', '']) {
      const browser = new Browser(api)
      browser.cookies.set('postrider_session', token)
      expect(await browser.call('GET', project.path)).toMatchObject({ status: 401 })
      expect((await browser.state()).session).toBeNull()
      expect(browser.cookies.size).toBe(0)
    }
  })

  test('is made anew by each login: one that was planted before opens nothing', async () => {
    const user = await makeUser(api, { roles: { [project.id]: 'view' } })
    const browser = new Browser(api)
    const planted = 'B'.repeat(43)
    browser.cookies.set('postrider_session', planted)
    expect((await browser.logIn({ email: user.email, password })).status).toBe(201)
    const first = browser.cookies.get('postrider_session')!
    expect(first).not.toBe(planted)
    // Somebody else's, whom a page made a victim log in as, ends with the login of the victim.
    const attacker = await Browser.of(api, users.view)
    browser.cookies.set('postrider_session', attacker.cookies.get('postrider_session')!)
    expect((await browser.logIn({ email: user.email, password })).status).toBe(201)
    expect(browser.cookies.get('postrider_session')).not.toBe(first)
    expect((await attacker.call('GET', project.path)).status).toBe(401)
    const left = new Browser(api)
    left.cookies.set('postrider_session', planted)
    expect((await left.call('GET', project.path)).status).toBe(401)
    browsers.view = await Browser.of(api, users.view)
  })

  test('stays when its password is changed, and all others end', async () => {
    const user = await makeUser(api, { roles: { [project.id]: 'view' } })
    const [browser, other] = [await Browser.of(api, user), await Browser.of(api, user)]
    const { body } = await api.call('POST', `/api/users/${user.id}/password-link`)
    const change = (current_password: string, new_password: string) =>
      browser.call('POST', '/api/session/password', { json: { current_password, new_password } })
    expect(await change('wrong', 'a new password')).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'current_password' }] },
    })
    expect((await change(password, 'too short')).status).toBe(422)
    expect((await change(password, 'a new password')).status).toBe(204)
    expect((await browser.call('GET', project.path)).status).toBe(200)
    expect((await other.call('GET', project.path)).status).toBe(401)
    const [, token] = body.url.split('#token=')
    expect((await api.call('POST', '/api/links/read', { json: { token } })).status).toBe(404)
  })
})

describe('the cookie', () => {
  const login = async (url: string, options: { publicUrl?: string; basePath?: string }) => {
    const { fetch } = createApi({ engine: api.postrider, ...options })
    const response = await fetch(
      new Request(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email: users.publish.email, password }),
      }),
    )
    expect(response.status).toBe(201)
    return response.headers.getSetCookie().map((cookie) => cookie.replace(/=[\w-]{43};/, '=…;'))
  }
  const rest = 'Max-Age=2592000; HttpOnly; SameSite=Lax'

  test.each([
    ['http://localhost/api/session', {}, `postrider_session=…; Path=/; ${rest}`],
    [
      'http://localhost/api/session',
      { publicUrl: 'https://hooks.example' },
      `__Host-postrider_session=…; Path=/; ${rest}; Secure`,
    ],
    [
      'http://localhost/api/session',
      { publicUrl: 'https://hooks.example/base' },
      `__Secure-postrider_session=…; Path=/base; ${rest}; Secure`,
    ],
    [
      'https://shop.example/webhooks/api/session',
      { basePath: '/webhooks' },
      `__Secure-postrider_session=…; Path=/webhooks; ${rest}; Secure`,
    ],
  ])('of a login at %s with %j is only for where it belongs', async (url, options, cookie) => {
    expect(await login(url, options)).toEqual([cookie])
  })
})

test('who is owner can be changed, but for the last one', async () => {
  const fresh = await startApi()
  const [first, second] = [await makeUser(fresh, { isOwner: true }), await makeUser(fresh)]
  const change = (id: string, json: object) => fresh.call('PATCH', `/api/users/${id}`, { json })
  for (const json of [{ is_owner: false }, { is_disabled: true }]) {
    expect(await change(first.id, json)).toMatchObject({ status: 409, body: { code: 'conflict' } })
  }
  expect((await change(second.id, { is_owner: true })).status).toBe(200)
  const answers = await Promise.all([
    change(first.id, { is_owner: false }),
    change(second.id, { is_disabled: true }),
  ])
  expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(['200', '409'])
  expect((await change(noId, { name: 'x' })).status).toBe(404)
})
