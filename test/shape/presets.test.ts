import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { presets } from '../../src/shape/presets.ts'
import { shapeComplaints } from '../../src/shape/shape.ts'
import { startApi } from '../support/api.ts'
import type { AnswerFunction } from '../support/receiver.ts'
import { Receiver } from '../support/receiver.ts'
import { discord, github, slack } from '../support/services.ts'

/** The presets as somebody uses them, against stand-ins that are as strict as the services. */

const api = await startApi({ engine: { pollMs: 20 } })
const project = await api.createProject()
beforeAll(() => api.postrider.start())
afterAll(() => api.stopServer())

const placeholders: Record<string, string> = { OWNER: 'acme', REPO: 'site', TOKEN: 'ghp_secret' }

/** A webhook made of a preset, to a stand-in of its service. */
async function subscribe(name: string, answer: AnswerFunction, changes: object = {}) {
  const receiver = await Receiver.start({ answer })
  const preset = presets.find((each) => each.name === name)!
  const filled = (text: string) => text.replaceAll(/\b(OWNER|REPO|TOKEN)\b/g, (word) => placeholders[word]!)
  const { pathname } = new URL(filled(preset.url))
  const json = {
    name,
    url: `http://127.0.0.1:${receiver.port}${pathname}`,
    headers: Object.fromEntries(
      Object.entries(preset.headers).map(([header, value]) => [header, filled(value)]),
    ),
    payload_template: preset.payload_template,
    ...changes,
  }
  const created = await api.call('POST', `${project.path}/webhooks`, { json })
  expect(created.status).toBe(201)
  return {
    receiver,
    path: `${project.path}/webhooks/${created.body.id}`,
    [Symbol.asyncDispose]: () => receiver.close(),
  }
}

const deployed = {
  type: 'config.deployed',
  data: { version: 7, regions: ['eu-west-1'], by: { name: 'Ada' } },
}

/** Publishes, and answers how its delivery at this webhook stands after the first try. */
async function published(path: string, event: object = deployed) {
  const { id } = (await api.call('POST', `${project.path}/events`, { json: event })).body
  for (;;) {
    const { deliveries } = (await api.call('GET', `${project.path}/events/${id}`)).body
    const own = deliveries.find((each: { webhook_id: string }) => path.endsWith(each.webhook_id))
    if (own.attempts > 0) return own
    await new Promise(setImmediate)
  }
}

it('are templates that Postrider takes', () => {
  expect(presets.flatMap(({ payload_template }) => shapeComplaints({ payload_template }))).toEqual([])
})

it('are told by the API as they are', async () => {
  const answer = await api.call('GET', `${project.path}/webhook-presets`, { key: project.view })
  expect(answer).toMatchObject({ status: 200, body: { presets } })
})

describe('GitHub', () => {
  const dispatches = github({ owner: 'acme', repo: 'site', token: 'ghp_secret' })

  it('takes a dispatch for what was published', async () => {
    await using webhook = await subscribe('github', dispatches)
    expect(await published(webhook.path)).toMatchObject({ status: 'delivered', last_response_status: 204 })
    const [request] = webhook.receiver.requests
    expect(JSON.parse(request!.body)).toEqual({
      event_type: 'config.deployed',
      client_payload: deployed.data,
    })
    expect(request!.headers).toMatchObject({
      accept: 'application/vnd.github+json',
      'x-github-api-version': '2022-11-28',
      'user-agent': expect.stringMatching(/^Postrider\//),
    })
    await api.call('DELETE', webhook.path)
  })

  it.each<[string, object, object, number]>([
    ['the usual body', { payload_template: null }, deployed, 422],
    ['a wrong token', { headers: { authorization: 'Bearer other' } }, deployed, 401],
    ['data that is no object', {}, { ...deployed, data: [1] }, 422],
    [
      'data with more than 10 members',
      {},
      { ...deployed, data: Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`m${index}`, 1])) },
      422,
    ],
    ['a type of more than 100 characters', {}, { ...deployed, type: 'a'.repeat(101) }, 422],
  ])('refuses %s', async (_, changes, event, status) => {
    await using webhook = await subscribe('github', dispatches, changes)
    expect(await published(webhook.path, event)).toMatchObject({
      status: 'pending',
      last_response_status: status,
    })
    await api.call('DELETE', webhook.path)
  })
})

it('Slack takes a message, and not the usual body', async () => {
  await using webhook = await subscribe('slack', slack)
  expect(await published(webhook.path)).toMatchObject({ status: 'delivered', last_response_status: 200 })
  expect(JSON.parse(webhook.receiver.requests[0]!.body)).toMatchObject({ text: 'config.deployed' })
  await api.call('PATCH', webhook.path, { json: { payload_template: null } })
  expect(await published(webhook.path)).toMatchObject({ status: 'pending', last_response_status: 400 })
  await api.call('DELETE', webhook.path)
})

it('Discord takes a message, and not one that is too long', async () => {
  await using webhook = await subscribe('discord', discord)
  expect(await published(webhook.path)).toMatchObject({ status: 'delivered', last_response_status: 204 })
  expect(JSON.parse(webhook.receiver.requests[0]!.body)).toMatchObject({ content: 'config.deployed' })
  await api.call('PATCH', webhook.path, { json: { payload_template: { content: '$.data' } } })
  expect(await published(webhook.path, { type: 'a', data: 'x'.repeat(2_001) })).toMatchObject({
    last_response_status: 400,
  })
  expect(await published(webhook.path, { type: 'a', data: 'x'.repeat(2_000) })).toMatchObject({
    last_response_status: 204,
  })
  await api.call('DELETE', webhook.path)
})
