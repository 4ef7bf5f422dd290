import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { Projects } from '../../src/registry/projects.ts'
import { Cipher } from '../../src/registry/secrets.ts'
import type { DefaultPolicy } from '../../src/registry/webhook-policy.ts'
import { Webhooks } from '../../src/registry/webhooks.ts'
import { MovedClock } from '../support/clock.ts'
import { createTestDatabase } from '../support/database.ts'

const { database } = await createTestDatabase()
const { id: projectId } = await new Projects({ database }).create({ name: 'p' })
const url = 'https://example.com/'

function deployment(defaultPolicy: DefaultPolicy): Webhooks {
  return new Webhooks({
    database,
    cipher: new Cipher([{ id: 'k1', key: randomBytes(32) }]),
    policy: { allowHttp: false, allowPrivate: [] },
    clock: new MovedClock(),
    defaultPolicy,
    onReactivate: async () => {},
  })
}

const defaults = { retry_seconds: [1, 2], timeout_ms: 3_000, max_in_flight: 4 }
const webhooks = deployment(defaults)
const own = {
  retry_seconds: [10, 604_800],
  timeout_ms: 1_500,
  max_in_flight: 1_000,
  rate_per_second: 0.3,
  ordered: true,
}

/** What its row says of its policy. */
async function stored(id: string): Promise<unknown> {
  const { rows } = await database.query(
    `SELECT retry_seconds, timeout_ms, max_in_flight, rate_per_second, ordered
     FROM postrider.webhooks
     WHERE id = $1::uuid`,
    [id],
  )
  return rows[0]
}

const nothing = {
  retry_seconds: null,
  timeout_ms: null,
  max_in_flight: null,
  rate_per_second: null,
  ordered: false,
}

test('without a policy of its own a webhook follows the deployment, whatever that says later', async () => {
  const { id, policy } = await webhooks.create(projectId, { name: 'w', url })
  expect(policy).toEqual({ ...defaults, rate_per_second: null, ordered: false })
  expect(await stored(id)).toEqual(nothing)

  const later = { retry_seconds: [], timeout_ms: 15_000, max_in_flight: 64 }
  expect((await deployment(later).get(projectId, id)).policy).toMatchObject(later)
  expect((await deployment(later).update(projectId, id, { name: 'other' })).policy).toMatchObject(later)
  expect(await stored(id)).toEqual(nothing)
})

test('what is shown of the defaults is no part of them', async () => {
  const { id, policy } = await webhooks.create(projectId, { name: 'w', url })
  policy.retry_seconds.push(3)
  expect((await webhooks.get(projectId, id)).policy.retry_seconds).toEqual([1, 2])
})

test('a policy is stored as it was given, to the digit, and shown whole everywhere', async () => {
  const { id, policy } = await webhooks.create(projectId, { name: 'w', url, policy: own })
  expect(policy).toEqual(own)
  expect(await stored(id)).toEqual(own)
  expect((await webhooks.get(projectId, id)).policy).toEqual(own)
  expect((await webhooks.list(projectId)).rows[0]).toMatchObject({ id, policy: own })
  expect((await webhooks.update(projectId, id, { name: 'other' })).policy).toEqual(own)
  expect(await stored(id)).toEqual(own)
})

test('a change touches the members that it names; null gives one back to the deployment', async () => {
  const { id } = await webhooks.create(projectId, { name: 'w', url, policy: own })
  const change = async (policy: object) => (await webhooks.update(projectId, id, { policy })).policy
  expect(await change({})).toEqual(own)
  expect(await change({ timeout_ms: undefined, ordered: undefined })).toEqual(own)
  expect(await change({ timeout_ms: 2_000 })).toEqual({ ...own, timeout_ms: 2_000 })
  expect(await change({ timeout_ms: null, rate_per_second: null })).toEqual({
    ...own,
    timeout_ms: 3_000,
    rate_per_second: null,
  })
  expect(await change({ retry_seconds: null, max_in_flight: null, ordered: null })).toEqual({
    ...defaults,
    rate_per_second: null,
    ordered: false,
  })
  expect(await stored(id)).toEqual(nothing)
  // One try, whatever the deployment says.
  expect((await change({ retry_seconds: [] })).retry_seconds).toEqual([])
})

test('two changes at once of different members both hold', async () => {
  const { id } = await webhooks.create(projectId, { name: 'w', url })
  await Promise.all([
    webhooks.update(projectId, id, { policy: { timeout_ms: 2_000 } }),
    webhooks.update(projectId, id, { policy: { max_in_flight: 2 } }),
    webhooks.update(projectId, id, { policy: { ordered: true } }),
  ])
  expect((await webhooks.get(projectId, id)).policy).toMatchObject({
    timeout_ms: 2_000,
    max_in_flight: 2,
    ordered: true,
  })
})

test('a test waits as long as the webhook says, or else the deployment', async () => {
  const { id } = await webhooks.create(projectId, { name: 'w', url })
  expect(await webhooks.target(projectId, id)).toMatchObject({ timeout_ms: 3_000 })
  await webhooks.update(projectId, id, { policy: { timeout_ms: 1_000 } })
  expect(await webhooks.target(projectId, id)).toMatchObject({ timeout_ms: 1_000 })

  const draft = (policy: object) => webhooks.draftTarget(projectId, { url, policy }).timeout_ms
  expect(webhooks.draftTarget(projectId, { url }).timeout_ms).toBe(3_000)
  expect(draft(own)).toBe(1_500)
  expect(draft({ timeout_ms: null, ordered: true })).toBe(3_000)
  expect(() => draft({ timeout_ms: 999 })).toThrow(/policy\.timeout_ms/)
})
