import { expect, test } from 'vitest'
import { LargeBodies } from '../../src/api/large-bodies.ts'
import { startApi } from '../support/api.ts'

test('bodies are taken in hand in order, as many as there is room for, and one however large it is', async () => {
  const bodies = new LargeBodies({ mostInHand: 10, mostHeld: 100 })
  const begun: string[] = []
  const turn = async (name: string, bytes: number) => {
    const end = await bodies.turn(bytes)
    begun.push(name)
    return end
  }
  const [first, second] = await Promise.all([turn('first', 6), turn('second', 4)])
  const third = turn('third', 50)
  const fourth = turn('fourth', 1)
  first()
  first()
  expect(begun).toEqual(['first', 'second'])
  second()
  const end = await third
  expect(begun).toEqual(['first', 'second', 'third'])
  end()
  await fourth
  expect(begun).toEqual(['first', 'second', 'third', 'fourth'])
})

test('more than there is room for is refused with when to try again, and what is given back is there again', () => {
  const bodies = new LargeBodies({ mostInHand: 10, mostHeld: 100 })
  const giveBack = bodies.hold(60)
  expect(() => bodies.hold(41)).toThrow(
    expect.objectContaining({ code: 'rate_limited', retryAfterSeconds: 1 }),
  )
  bodies.hold(40)
  expect(() => bodies.hold(1)).toThrow('Too many large bodies')
  giveBack()
  giveBack()
  bodies.hold(60)
  expect(() => bodies.hold(1)).toThrow('Too many large bodies')
})

test('many large batches at once, right, wrong and broken off, are all answered, and others meanwhile', async () => {
  const api = await startApi()
  const { path } = await api.createProject()
  const call = (raw: string, signal?: AbortSignal) =>
    fetch(`${api.url}${path}/events/batch`, {
      method: 'POST',
      headers: { authorization: `Bearer ${api.adminKey}`, 'content-type': 'application/json' },
      body: raw,
      signal: signal ?? null,
    }).then(
      async (answer) => (await answer.text(), answer.status),
      () => 'broken off',
    )
  const event = JSON.stringify({ type: 'a', data: 'x'.repeat(200_000) })
  const right = `{"events":[${Array<string>(4).fill(event).join()}]}`
  const broken = new AbortController()
  const answers = [
    ...Array.from({ length: 24 }, () => call(right)),
    ...Array.from({ length: 8 }, () => call(`${right}}`)),
    ...Array.from({ length: 8 }, () => call(right, broken.signal)),
  ]
  broken.abort()
  const other = await api.call('GET', '/healthz')
  expect(other.status).toBe(200)
  const statuses = await Promise.all(answers)
  expect(statuses.slice(0, 24)).toEqual(Array<number>(24).fill(202))
  expect(statuses.slice(24, 32)).toEqual(Array<number>(8).fill(400))
  // Nothing of the room was lost on the way.
  expect(await call(right)).toBe(202)
})
