import { expect, test } from 'vitest'
import { openapi } from '../../src/contract/openapi.ts'
import { Receiver } from '../support/receiver.ts'
import { startPostrider } from '../support/running.ts'
import { validatorOf } from '../support/openapi.ts'

const { webhooks } = JSON.parse(JSON.stringify(openapi({ serverUrl: '/' }))) as {
  webhooks: { event: { post: ReceiveEvent } }
}
const { parameters, requestBody, responses } = webhooks.event.post

interface ReceiveEvent {
  parameters: { name: string; in: string; required: boolean; schema: { type: string } }[]
  requestBody: { content: Record<string, { schema: object }> }
  responses: Record<string, { description: string }>
}

test('what a receiver really gets is what the document tells of', async () => {
  await using receiver = await Receiver.start()
  await using running = await startPostrider()
  const { postrider } = running
  const { id: projectId } = await postrider.projects.create({ name: 'a' })
  const { id: applicationId } = await postrider.applications.create(projectId, { name: 'a' })
  await postrider.webhooks.create(projectId, { name: 'a', url: receiver.url, headers: { 'x-own': 'a' } })
  await postrider.publish({ projectId, type: 'a.b', data: { n: 1 } })
  await postrider.publish({ projectId, type: 'a', data: null, applicationId, environmentName: 'live' })
  await receiver.waitFor(2)

  for (const { headers, body } of receiver.requests) {
    for (const { name, required, schema } of parameters) {
      if (!required && headers[name] === undefined) continue
      const text = String(headers[name])
      const value = schema.type === 'integer' ? Number(text) : text
      expect({ name, value, errors: validatorOf(schema).Errors(value)[1] }).toEqual({
        name,
        value,
        errors: [],
      })
    }
    const [mediaType] = Object.keys(requestBody.content)
    expect(headers['content-type']).toBe(mediaType)
    const { schema } = requestBody.content[mediaType!]!
    expect(validatorOf(schema).Errors(JSON.parse(body))[1]).toEqual([])
    // Nothing is sent that the document does not know, but what the connection needs and the webhook's own.
    const known = [...parameters.map(({ name }) => name), 'content-type', 'x-own']
    const transport = ['host', 'connection', 'content-length', 'accept-encoding', 'accept']
    expect(Object.keys(headers).filter((name) => ![...known, ...transport].includes(name))).toEqual([])
  }
  expect(receiver.requests).toHaveLength(2)
})

test('each answer that means something of its own is told of', () => {
  expect(Object.keys(responses)).toEqual(['410', '429', '503', '2XX', 'default'])
})
