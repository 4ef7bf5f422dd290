import { describe, expect, test } from 'vitest'
import type { Access } from '../../src/contract/routes.ts'
import { newId } from '../../src/ids.ts'
import { generateKey, idOfKey } from '../../src/registry/api-key.ts'
import { startApi } from '../support/api.ts'
import { Receiver } from '../support/receiver.ts'
import {
  callerOf,
  everythingOf,
  exampleOf,
  type Ids,
  idsInBody,
  idsInQuery,
  makeThings,
  noId,
  pathOf,
  put,
  table,
  visible,
} from '../support/walk.ts'

/** Every call there is, those that are added later too, with every key that may not make it. */

const api = await startApi()
const call = callerOf(api)
const [own, other, deleted] = [
  await api.createProject(),
  await api.createProject(),
  await api.createProject(),
]
const [ownIds, otherIds] = [await makeThings(api, own.id), await makeThings(api, other.id)]
await api.call('DELETE', deleted.path)

/** What a call needs, said in another way than the table says it, so that a change there is seen here. */
function neededBy(method: string, path: string): Access {
  const exception = exceptions[`${method} ${path}`]
  if (exception) return exception
  if (!path.startsWith('/api/')) return 'anyone'
  if (!path.startsWith('/api/projects/{project_id}')) return 'admin'
  return method === 'GET' ? 'view' : 'manage'
}

const exceptions: Record<string, Access> = {
  'PATCH /api/projects/{project_id}': 'admin',
  'DELETE /api/projects/{project_id}': 'admin',
  'POST /api/projects/{project_id}/events': 'publish',
  'POST /api/projects/{project_id}/events/batch': 'publish',
  'GET /api/projects/{project_id}/audit-log': 'manage',
  'GET /api/session': 'anyone',
  'POST /api/session': 'anyone',
  'DELETE /api/session': 'anyone',
  'GET /api/session/oidc': 'anyone',
  'GET /api/session/oidc/callback': 'anyone',
  'POST /api/links/read': 'anyone',
  'POST /api/links/accept': 'anyone',
  'POST /api/session/password': 'session',
  'GET /api/sessions': 'session',
  'DELETE /api/sessions': 'session',
  'DELETE /api/sessions/{session_id}': 'session',
}

const roles = ['view', 'publish', 'manage'] as const
const withKey = table.filter(({ access }) => access !== 'anyone')
/** What a key may not do, whichever it is. */
const forPeople = table.filter(({ access }) => access === 'session')
const inProject = table.filter(({ path }) => path.includes('{project_id}'))

/** Keys that open nothing. */
const wrongKeys: Record<string, string> = {
  'a word': 'nonsense',
  'a mistyped key': mistyped(own.manage),
  'the id of a key with another secret': generateKey(idOfKey(own.manage)!),
  'an unknown id': generateKey(newId()),
  'a revoked key': await revokedKey(),
  'an expired key': await expiredKey(),
  'the key of a deleted project': deleted.manage,
  'almost the admin key': `${api.adminKey}x`,
}

test.each(table)('$name needs what such a call should need', ({ method, path, access }) => {
  expect(access).toBe(neededBy(method, path))
})

test.each(withKey)('$name is 401 without a right key, the same for each', async (route) => {
  const none = await call(route, ownIds, { key: null })
  expect(none).toMatchObject({ status: 401, body: { code: 'unauthorized' } })
  const wrong = await call(route, ownIds, { key: 'wrong' })
  expect(wrong).toMatchObject({ status: 401, body: { code: 'unauthorized' } })
  expect(wrong.headers.get('www-authenticate')).toBe('Bearer realm="postrider"')
  for (const [name, key] of Object.entries(wrongKeys)) {
    expect({ name, ...visible(await call(route, ownIds, { key })) }).toEqual({ name, ...visible(wrong) })
  }
  for (const ids of [otherIds, {}, { ...ownIds, project_id: 'nonsense' }]) {
    expect(visible(await call(route, ids, { key: wrongKeys['an expired key']! }))).toEqual(visible(wrong))
  }
})

test.each(forPeople)('$name is 403 for every key', async (route) => {
  for (const key of [own.view, own.manage, api.adminKey]) {
    expect(await call(route, ownIds, { key })).toMatchObject({ status: 403, body: { code: 'forbidden' } })
  }
})

test.each(withKey)('$name is 403 for a role that is too low', async (route) => {
  if (route.access === 'session') return
  const low = roles.slice(0, route.access === 'admin' ? 3 : roles.indexOf(route.access as 'view'))
  for (const role of low) {
    const answer = await call(route, ownIds, { key: own[role] })
    expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } })
    // The thing that is named makes no difference, so nothing is learned about what exists.
    const unknown = await call(route, { project_id: own.id }, { key: own[role] })
    expect(visible(answer)).toEqual(visible(unknown))
  }
})

test.each(table)('$name opens for each key that may make it', async (route) => {
  if (route.access === 'session') return
  const keys = { none: null, ...own, admin: api.adminKey }
  const order = ['none', ...roles, 'admin'] as const
  for (const name of order.slice(route.access === 'anyone' ? 0 : order.indexOf(route.access))) {
    // With ids that name nothing and a body that is no JSON it fails for that, and changes nothing.
    if (route.path === '/api/projects/{project_id}' && route.method === 'DELETE') continue
    // Nobody is logged in: there is nothing to log out of.
    if (route.name === 'logOut') continue
    const options = { key: keys[name], ...(route.method !== 'GET' && { raw: '{', json: undefined }) }
    const { status } = await call(route, { project_id: own.id }, options)
    expect([200, 400, 404]).toContain(status)
  }
})

test.each(inProject)('$name of another project answers as for one that does not exist', async (route) => {
  const unknown = visible(await call(route, {}))
  expect(unknown).toMatchObject({ status: 404 })
  for (const key of [own.view, own.publish, own.manage]) {
    for (const id of [other.id, other.id.toUpperCase(), deleted.id, noId, 'nonsense']) {
      expect(visible(await call(route, { ...otherIds, project_id: id }, { key }))).toEqual(unknown)
    }
  }
  expect(visible(await call(route, { ...otherIds, project_id: deleted.id }))).toEqual(unknown)
})

describe('what is of another project', async () => {
  const before = await everythingOf(api, otherIds)

  const named = inProject.flatMap((route) =>
    Array.from(route.path.matchAll(/\{(\w+)\}/g), ([, param]) => ({ ...route, param: param! })).filter(
      ({ param }) => param !== 'project_id' && otherIds[param] !== ownIds[param],
    ),
  )

  test.each(named)('answers as an unknown one as $param of $name', async ({ param, ...route }) => {
    for (const key of [own.manage, api.adminKey]) {
      const unknown = await call(route, { ...ownIds, [param]: noId }, { key })
      const role = route.access === 'admin' && key !== api.adminKey ? 403 : 404
      expect(unknown.status).toBe(role)
      for (const id of [otherIds[param]!, otherIds[param]!.toUpperCase(), 'nonsense']) {
        expect(visible(await call(route, { ...ownIds, [param]: id }, { key }))).toEqual(visible(unknown))
      }
    }
  })

  const inQueries = inProject.flatMap((route) => idsInQuery(route).map((place) => ({ ...route, place })))

  test.each(inQueries)('finds what an unknown one finds as ?$place of $name', async ({ place, ...route }) => {
    const asked = (id: string) =>
      api.call('GET', `${pathOf(route.path, ownIds)}?${place}=${id}`, { key: own.manage })
    const unknown = await asked(noId)
    // `resource_id` and the like may be the id of anything.
    const idsOf = (ids: Ids) => (place in ids ? [ids[place]!] : Object.values(ids))
    // Names are not ids: the same one may be there in both.
    for (const id of idsOf(otherIds).filter((id) => id !== ownIds['name']))
      expect(visible(await asked(id))).toEqual(visible(unknown))
    const found = await Promise.all(idsOf(ownIds).map(asked))
    expect(found.some(({ status, text }) => status === 200 && text !== unknown.text)).toBe(true)
  })

  const inBodies = inProject.flatMap((route) => idsInBody(route).map((place) => ({ ...route, place })))

  test.each(inBodies)('is taken as an unknown one as $place of $name', async ({ place, ...route }) => {
    await using receiver = await Receiver.start()
    const param = place.split('.').at(-1)!
    const sent = async (id: string) => {
      const { json } = exampleOf(route)
      if ('url' in json!) put(json, 'url', receiver.url)
      const answer = await call(route, ownIds, { key: own.manage, json: put(json!, place, id) })
      return { status: answer.status, text: answer.text.replace(/"response_time_ms":\d+/, '') }
    }
    expect(await sent(otherIds[param]!)).toEqual(await sent(noId))
    expect(await sent(ownIds[param]!)).toMatchObject({ status: Number(Object.keys(route.answers)[0]) })
  })

  test('has not been touched by any of this', async () => {
    expect(await everythingOf(api, otherIds)).toEqual(before)
  })

  test('shows in no list, and an id of it is free here', async () => {
    const [full, bare] = [await api.createProject(), await api.createProject()]
    const ids = await makeThings(api, full.id)
    for (const { method, path, query } of inProject) {
      if (method !== 'GET' || !query?.properties['cursor'] || /_id\}.*_id\}/.test(path)) continue
      if (path.endsWith('/api-keys') || path.endsWith('/audit-log')) continue
      const { body } = await api.call('GET', pathOf(path, { project_id: bare.id }), { key: bare.manage })
      expect(Object.values(body)).toEqual([[], null])
    }
    const event = { id: ids['event_id'], type: 'a', data: 'of the other' }
    expect(await api.call('POST', `${bare.path}/events`, { key: bare.manage, json: event })).toMatchObject({
      status: 202,
      body: { id: event.id, duplicate: false },
    })
    const application = { id: ids['application_id'], name: 'of the other' }
    expect(
      await api.call('POST', `${bare.path}/applications`, { key: bare.manage, json: application }),
    ).toMatchObject({ status: 201 })
  })
})

test('what is no key opens nothing', async () => {
  for (const authorization of [
    '',
    'Bearer',
    'Bearer ',
    own.manage,
    `Basic ${Buffer.from(`x:${own.manage}`).toString('base64')}`,
    `Bearer ${own.manage}x`,
    `Bearer ${own.manage.toUpperCase()}`,
    `Bearer ${api.adminKey.slice(1)}`,
    `Bearer prk_${'0'.repeat(32)}_${'A'.repeat(49)}`,
    `Bearer ${own.manage}, Bearer ${api.adminKey}`,
    "Bearer ' OR 1=1 --",
    `Bearer ${'A'.repeat(10_000)}`,
  ]) {
    const answer = await api.call('GET', own.path, { key: null, headers: { authorization } })
    expect({ authorization, ...answer }).toMatchObject({ authorization, status: 401 })
  }
  const headers = { authorization: `bearer  ${own.view}` }
  expect((await api.call('GET', own.path, { key: null, headers })).status).toBe(200)
})

function mistyped(key: string): string {
  const at = key.length - 8
  return key.slice(0, at) + (key[at] === 'A' ? 'B' : 'A') + key.slice(at + 1)
}

async function newKey(): Promise<{ id: string; key: string }> {
  const json = { name: 'k', role: 'manage', expires_at: '9999-01-01T00:00:00Z' }
  return (await api.call('POST', `${own.path}/api-keys`, { json })).body
}

async function revokedKey(): Promise<string> {
  const { id, key } = await newKey()
  await api.call('DELETE', `${own.path}/api-keys/${id}`)
  return key
}

async function expiredKey(): Promise<string> {
  const { id, key } = await newKey()
  await api.database.query(
    `UPDATE postrider.api_keys SET expires_at = now() - interval '1 minute' WHERE id = $1::uuid`,
    [id],
  )
  return key
}
