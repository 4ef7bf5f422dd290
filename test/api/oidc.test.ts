import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { personOf } from '../../src/api/oidc.ts'
import { startApi } from '../support/api.ts'
import { Browser, makeUser, password } from '../support/browser.ts'
import { type Claims, OidcProvider } from '../support/oidc-provider.ts'

/** Single sign-on, with a provider that this test can break. */

const provider = await OidcProvider.start()
afterAll(() => provider[Symbol.asyncDispose]())
const { clientId, clientSecret, issuer } = provider
const api = await startApi({ oidc: { issuer, clientId, clientSecret, allowedDomains: ['example.com'] } })
const project = await api.createProject()

beforeEach(() => {
  provider.claims = { sub: 'nobody' }
  provider.userinfo = undefined
  provider.spoil = (token) => token
  provider.signWith = undefined
  provider.isDown = false
})

let count = 0
function somebody(claims: Partial<Claims> = {}): Claims {
  count += 1
  return {
    sub: `sub-${count}`,
    email: `sso-${count}@example.com`,
    email_verified: true,
    name: 'Grace',
    ...claims,
  }
}

async function invite(email: string, role = 'publish'): Promise<void> {
  const json = { email, role }
  expect((await api.call('POST', `${project.path}/invitations`, { json })).status).toBe(201)
}

/** To the provider and back, as a browser goes; answers where it ends up. */
async function goThrough(browser: Browser, claims: Claims, path = '/api/session/oidc'): Promise<string> {
  provider.claims = claims
  const away = await browser.call('GET', path)
  expect(away.status).toBe(302)
  const there = await fetch(away.headers.get('location')!, { redirect: 'manual' })
  const back = await browser.call('GET', there.headers.get('location')!)
  expect(back.status).toBe(302)
  return back.headers.get('location')!.replace(api.url, '')
}

test('leads to the provider with a state, a nonce and a challenge, and back to where it began', async () => {
  const person = somebody()
  await invite(person.email!)
  const browser = new Browser(api)
  expect(await browser.state()).toMatchObject({ login: { single_sign_on: true } })
  const end = await goThrough(browser, person, '/api/session/oidc?return_to=%2Fprojects%3Fa%3Db')
  expect(end).toBe('/projects?a=b')
  const asked = Object.fromEntries(provider.asked.at(-1)!)
  expect(asked).toMatchObject({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: `${api.url}/api/session/oidc/callback`,
    code_challenge_method: 'S256',
  })
  for (const name of ['state', 'nonce', 'code_challenge']) expect(asked[name]!.length).toBeGreaterThan(40)
  expect([...browser.cookies.keys()]).toEqual(['postrider_session'])
})

test('lets in whoever was invited, with what waited for the email, and knows them again', async () => {
  const person = somebody()
  await invite(person.email!.toUpperCase(), 'publish')
  const browser = new Browser(api)
  expect(await goThrough(browser, person)).toBe('/')
  const { session } = await browser.state()
  expect(session).toMatchObject({
    kind: 'user',
    is_owner: false,
    projects: [{ id: project.id, role: 'publish' }],
    user: { email: person.email, name: 'Grace', has_password: false },
  })
  expect((await api.call('GET', `${project.path}/invitations`)).body.invitations).toEqual([])
  const again = new Browser(api)
  // The provider's own name for them counts: the email may be another one by now.
  expect(await goThrough(again, { ...person, email: 'married@example.com' })).toBe('/')
  expect((await again.state()).session.user.id).toBe(session.user.id)
})

test('lets in a user there is, whose password then opens nothing any more', async () => {
  const user = await makeUser(api, { roles: { [project.id]: 'manage' } })
  const before = await Browser.of(api, user)
  const browser = new Browser(api)
  await goThrough(browser, somebody({ email: user.email }))
  expect((await browser.state()).session).toMatchObject({ user: { id: user.id, has_password: false } })
  // Whoever chose it may have been somebody else, who got hold of an invitation.
  expect((await before.call('GET', project.path)).status).toBe(401)
  expect((await new Browser(api).logIn({ email: user.email, password })).status).toBe(401)
  const { body } = await api.call('GET', `/api/admin/audit-log?resource_id=${user.id}&limit=2`)
  expect(body.audit_log).toMatchObject([
    { action: 'session.created', after: { method: 'single sign-on' } },
    { action: 'user.updated', after: { password_hash: 'changed', oidc_subject: 'changed' } },
  ])
})

test('makes nobody an owner, and lets in nobody who was not invited', async () => {
  const browser = new Browser(api)
  expect(await goThrough(browser, somebody())).toBe('/login?error=uninvited')
  expect((await browser.state()).session).toBeNull()
  const expired = somebody()
  await invite(expired.email!)
  await api.database.query(
    `UPDATE postrider.invitations
     SET expires_at = now() - interval '1 second'
     WHERE email = $1::text`,
    [expired.email],
  )
  expect(await goThrough(browser, expired)).toBe('/login?error=uninvited')
})

test('takes the email that is told at the other door', async () => {
  const person = somebody()
  await invite(person.email!)
  provider.userinfo = person
  expect(await goThrough(new Browser(api), person)).toBe('/')
})

test('refuses an email that is not verified, of another domain, or that somebody else had before', async () => {
  const user = await makeUser(api, { roles: { [project.id]: 'view' } })
  const first = somebody({ email: user.email })
  expect(await goThrough(new Browser(api), first)).toBe('/')
  for (const [claims, error] of [
    [somebody({ email: user.email, email_verified: false }), 'unverified'],
    [somebody({ email: user.email, email_verified: 'no' }), 'unverified'],
    [somebody({ email: 'not an email' }), 'unverified'],
    [{ sub: 'without', email_verified: true }, 'unverified'],
    [somebody({ email: 'a@example.org' }), 'domain'],
    [somebody({ email: 'a@evil.example.com' }), 'domain'],
    [somebody({ email: user.email }), 'uninvited'],
  ] as const) {
    const browser = new Browser(api)
    expect({ claims, end: await goThrough(browser, claims) }).toEqual({
      claims,
      end: `/login?error=${error}`,
    })
    expect((await browser.state()).session).toBeNull()
  }
  await api.call('PATCH', `/api/users/${user.id}`, { json: { is_disabled: true } })
  expect(await goThrough(new Browser(api), first)).toBe('/login?error=disabled')
})

describe('a token', () => {
  const past = Math.floor(Date.now() / 1_000) - 3_600
  const spoiled: Record<string, object> = {
    'of another issuer': { iss: 'https://evil.example' },
    'for another client': { aud: 'somebody else' },
    'of another login': { nonce: 'n' },
    'without a nonce': { nonce: undefined },
    'that has expired': { iat: past, exp: past + 60 },
    'without a subject': { sub: undefined },
  }

  test.each(Object.entries(spoiled))('%s is refused', async (_, change) => {
    const person = somebody()
    await invite(person.email!)
    provider.spoil = (token) => ({ ...token, ...change })
    const browser = new Browser(api)
    expect(await goThrough(browser, person)).toBe('/login?error=failed')
    expect((await browser.state()).session).toBeNull()
  })

  test('that somebody else signed is refused', async () => {
    const person = somebody()
    await invite(person.email!)
    provider.signWith = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey
    expect(await goThrough(new Browser(api), person)).toBe('/login?error=failed')
  })
})

describe('who comes back', () => {
  const callback = '/api/session/oidc/callback'
  const end = async (browser: Browser, path: string) =>
    (await browser.call('GET', path)).headers.get('location')!.replace(api.url, '')

  test('without having gone is sent to the login', async () => {
    expect(await end(new Browser(api), `${callback}?code=c&state=s`)).toBe('/login?error=failed')
  })

  test('with the code of somebody else is not logged in as them', async () => {
    const attacker = somebody()
    await invite(attacker.email!)
    provider.claims = attacker
    const away = await new Browser(api).call('GET', '/api/session/oidc')
    const there = await fetch(away.headers.get('location')!, { redirect: 'manual' })
    const theirs = there.headers.get('location')!.replace(api.url, '')
    const victim = new Browser(api)
    await victim.call('GET', '/api/session/oidc')
    expect(await end(victim, theirs)).toBe('/login?error=failed')
    expect((await victim.state()).session).toBeNull()
  })

  test('a second time with the same code is not let in again', async () => {
    const person = somebody()
    await invite(person.email!)
    provider.claims = person
    const browser = new Browser(api)
    const away = await browser.call('GET', '/api/session/oidc')
    const cookies = new Map(browser.cookies)
    const there = await fetch(away.headers.get('location')!, { redirect: 'manual' })
    const back = there.headers.get('location')!.replace(api.url, '')
    expect(await end(browser, back)).toBe('/')
    const thief = new Browser(api)
    for (const [name, value] of cookies) thief.cookies.set(name, value)
    expect(await end(thief, back)).toBe('/login?error=failed')
  })

  test('refused by the provider, or with a cookie that is no such, is told so', async () => {
    const browser = new Browser(api)
    await browser.call('GET', '/api/session/oidc')
    expect(await end(browser, `${callback}?error=access_denied&state=s`)).toBe('/login?error=refused')
    for (const value of ['x', Buffer.from('{"state":1}').toString('base64url')]) {
      browser.cookies.set('postrider_oidc', value)
      expect(await end(browser, `${callback}?code=c&state=s`)).toBe('/login?error=failed')
    }
  })
})

test('leads back only into the dashboard', async () => {
  const person = somebody()
  await invite(person.email!)
  for (const returnTo of ['https://evil.example', '//evil.example', '@evil.example', '\\evil.example']) {
    const path = `/api/session/oidc?return_to=${encodeURIComponent(returnTo)}`
    provider.claims = person
    const browser = new Browser(api)
    const away = await browser.call('GET', path)
    const there = await fetch(away.headers.get('location')!, { redirect: 'manual' })
    const back = await browser.call('GET', there.headers.get('location')!)
    expect(new URL(back.headers.get('location')!).origin).toBe(api.url)
  }
})

test('a provider that cannot be reached is tried again at the next login', async () => {
  const another = await startApi({ oidc: { issuer, clientId, clientSecret, allowedDomains: [] } })
  const leave = async () =>
    (await another.call('GET', '/api/session/oidc', { key: null })).headers.get('location')!
  provider.isDown = true
  expect(await leave()).toBe(`${another.url}/login?error=failed`)
  provider.isDown = false
  expect(await leave()).toContain(`${issuer}/authorize?`)
})

test('is not there where it is not configured', async () => {
  const without = await startApi()
  for (const path of ['/api/session/oidc', '/api/session/oidc/callback']) {
    expect((await without.call('GET', path, { key: null })).status).toBe(404)
  }
})

test('a name that nobody may have is left out', () => {
  const claims = { iss: 'i', sub: 's', email: 'a@example.com', email_verified: true }
  for (const name of ['\u202eada', '', 'x'.repeat(256), 7]) {
    expect(personOf({ ...claims, name }, { allowedDomains: [] })).toMatchObject({ name: undefined })
  }
})
