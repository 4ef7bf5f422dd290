import { expect, test } from 'vitest'
import { startApi } from '../support/api.ts'
import { document } from '../support/openapi.ts'
import { Receiver } from '../support/receiver.ts'

const api = await startApi({ engine: { timeoutMs: 5_000 } })
const project = await api.createProject()
const webhooks = `${project.path}/webhooks`
const url = 'https://example.com/hook'

const create = (policy: unknown) => api.call('POST', webhooks, { json: { name: 'w', url, policy } })

async function createWebhook(policy?: object) {
  const answer = await create(policy)
  expect(answer.status).toBe(201)
  return answer.body
}

const own = {
  retry_seconds: [5, 50, 500],
  timeout_ms: 2_000,
  max_in_flight: 2,
  rate_per_second: 1.5,
  ordered: true,
}

test('a policy is optional, and shown whole by every call that shows a webhook', async () => {
  const { policy: usual } = await createWebhook()
  expect(usual).toEqual({
    retry_seconds: [60, 300, 900, 3_600, 14_400],
    timeout_ms: expect.any(Number),
    max_in_flight: expect.any(Number),
    rate_per_second: null,
    ordered: false,
  })
  expect((await createWebhook({})).policy).toEqual(usual)
  expect((await createWebhook({ ordered: true })).policy).toEqual({ ...usual, ordered: true })

  const { id, policy } = await createWebhook(own)
  expect(policy).toEqual(own)
  const path = `${webhooks}/${id}`
  expect((await api.call('GET', path)).body.policy).toEqual(own)
  expect((await api.call('GET', webhooks)).body.webhooks[0]).toMatchObject({ id, policy: own })
  expect((await api.call('PATCH', path, { json: { name: 'x' } })).body.policy).toEqual(own)
})

test('PATCH changes the members that it names, and null takes one back to what the deployment says', async () => {
  const { policy: usual } = await createWebhook()
  const { id } = await createWebhook(own)
  const patch = async (policy: object) => {
    const answer = await api.call('PATCH', `${webhooks}/${id}`, { json: { policy } })
    expect(answer.status).toBe(200)
    return answer.body.policy
  }
  expect(await patch({})).toEqual(own)
  expect(await patch({ rate_per_second: 2 })).toEqual({ ...own, rate_per_second: 2 })
  expect(await patch({ rate_per_second: null, retry_seconds: [] })).toEqual({
    ...own,
    rate_per_second: null,
    retry_seconds: [],
  })
  expect(await patch({ retry_seconds: null, timeout_ms: null, max_in_flight: null, ordered: null })).toEqual(
    usual,
  )
})

test.each([
  ['retry_seconds', [[], [1], [604_800], Array.from({ length: 20 }, () => 1), null]],
  ['timeout_ms', [1_000, 15_000, null]],
  ['max_in_flight', [1, 1_000, null]],
  ['rate_per_second', [0.01, 0.5, 3, 10_000, null]],
  ['ordered', [true, false, null]],
])('%s may be %j', async (member, values) => {
  const { id } = await createWebhook()
  for (const value of values) {
    const given = { [member]: value }
    const shown = value === null ? {} : given
    expect(await create(given)).toMatchObject({ status: 201, body: { policy: shown } })
    expect(await api.call('PATCH', `${webhooks}/${id}`, { json: { policy: given } })).toMatchObject({
      status: 200,
      body: { policy: shown },
    })
  }
})

const tooMany = Array.from({ length: 21 }, () => 60)

test.each([
  [{ retry_seconds: tooMany }, 'policy.retry_seconds', 'must have at most 20 entries'],
  [{ retry_seconds: [60, 0] }, 'policy.retry_seconds[1]', 'must be at least 1'],
  [{ retry_seconds: [604_801] }, 'policy.retry_seconds[0]', 'must be at most 604800'],
  [{ retry_seconds: [1.5] }, 'policy.retry_seconds[0]', 'must be a whole number'],
  [{ retry_seconds: [null] }, 'policy.retry_seconds[0]', 'must be a whole number'],
  [{ retry_seconds: 60 }, 'policy.retry_seconds', 'must be an array or null'],
  [{ timeout_ms: 999 }, 'policy.timeout_ms', 'must be at least 1000'],
  [{ timeout_ms: 15_001 }, 'policy.timeout_ms', 'must be at most 15000'],
  [{ timeout_ms: 1_000.5 }, 'policy.timeout_ms', 'must be a whole number or null'],
  [{ timeout_ms: '5000' }, 'policy.timeout_ms', 'must be a whole number or null'],
  [{ max_in_flight: 0 }, 'policy.max_in_flight', 'must be at least 1'],
  [{ max_in_flight: 1_001 }, 'policy.max_in_flight', 'must be at most 1000'],
  [{ rate_per_second: 0 }, 'policy.rate_per_second', 'must be at least 0.01'],
  [{ rate_per_second: 10_000.1 }, 'policy.rate_per_second', 'must be at most 10000'],
  [{ rate_per_second: '5' }, 'policy.rate_per_second', 'must be a number or null'],
  [{ ordered: 1 }, 'policy.ordered', 'must be true or false or null'],
  [{ timeout: 5_000 }, 'policy.timeout', 'unknown field `timeout`: did you mean `timeout_ms`?'],
  [{ order: true }, 'policy.order', 'unknown field `order`: did you mean `ordered`?'],
  [
    { ratePerSecond: 1 },
    'policy.ratePerSecond',
    'unknown field `ratePerSecond`: did you mean `rate_per_second`?',
  ],
  [null, 'policy', 'must be an object'],
  [[], 'policy', 'must be an object'],
  ['fast', 'policy', 'must be an object'],
])('%j is refused when it is created, changed and tested as a draft', async (policy, path, message) => {
  const { id, policy: before } = await createWebhook()
  const refused = { status: 422, body: { code: 'validation_failed', errors: [{ path, message }] } }
  expect(await create(policy)).toMatchObject(refused)
  expect(await api.call('PATCH', `${webhooks}/${id}`, { json: { policy } })).toMatchObject(refused)
  expect(await api.call('POST', `${webhooks}/test`, { json: { url, policy } })).toMatchObject(refused)
  expect((await api.call('GET', `${webhooks}/${id}`)).body.policy).toEqual(before)
})

test('a number too large for any number is none', async () => {
  const raw = `{"name":"w","url":"${url}","policy":{"rate_per_second":1e400}}`
  expect(await api.call('POST', webhooks, { raw })).toMatchObject({
    status: 422,
    body: { errors: [{ path: 'policy.rate_per_second' }] },
  })
})

test('a test send ends at the deadline of the webhook, stored or not', async () => {
  await using receiver = await Receiver.start()
  receiver.answer = () => Promise.withResolvers<never>().promise
  const policy = { timeout_ms: 1_000, rate_per_second: 0.01, max_in_flight: 1, ordered: true }
  const json = { name: 'w', url: receiver.url, policy }
  const { id } = (await api.call('POST', webhooks, { json })).body
  const answers = await Promise.all([
    api.call('POST', `${webhooks}/${id}/test`),
    api.call('POST', `${webhooks}/${id}/test`),
    api.call('POST', `${webhooks}/test`, { json }),
  ])
  for (const { body } of answers) {
    expect(body).toMatchObject({ success: false, error: 'timeout: no whole answer within the deadline' })
  }
})

test('the document says what each member means, where it is given and where it is shown', () => {
  for (const name of ['WebhookPolicy', 'WebhookPolicyChanges']) {
    const { properties } = document.components.schemas[name] as {
      properties: Record<string, { description?: string }>
    }
    expect(Object.keys(properties)).toEqual(Object.keys(own))
    for (const { description } of Object.values(properties)) expect(description).toMatch(/\w{3}/)
  }
  const reference = { $ref: '#/components/schemas/WebhookPolicyChanges' }
  for (const name of ['NewWebhook', 'WebhookChanges', 'WebhookDraft']) {
    expect(document.components.schemas[name]).toMatchObject({ properties: { policy: reference } })
  }
})
