import { expect, test } from 'vitest'
import { startApi } from '../support/api.ts'

const api = await startApi()
const project = await api.createProject()

const lists = [
  { path: `${project.path}/applications`, plural: 'applications', create: () => ({ name: 'a' }) },
  { path: `${project.path}/api-keys`, plural: 'api_keys', create: () => ({ name: 'a', role: 'view' }) },
  {
    path: `${project.path}/webhooks`,
    plural: 'webhooks',
    create: () => ({ name: 'a', url: 'https://example.com', event_types: ['none'] }),
  },
  { path: `${project.path}/events`, plural: 'events', create: () => ({ type: 'a', data: 1 }) },
  { path: '/api/projects', plural: 'projects', create: () => ({ name: 'a' }) },
]

test.each(lists)(
  '$plural are read page by page, and rows that come in between move nothing',
  async ({ path, plural, create }) => {
    const add = async () => (await api.call('POST', path, { json: create() })).body.id as string
    const existing: string[] = (await api.call('GET', `${path}?limit=100`)).body[plural].map(
      ({ id }: { id: string }) => id,
    )
    const ids = existing.toReversed()
    for (let count = 0; count < 7; count += 1) ids.push(await add())

    const read: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const page = await api.call('GET', `${path}?limit=3${cursor && `&cursor=${cursor}`}`)
      expect(page.body[plural].length).toBeLessThanOrEqual(3)
      read.push(...page.body[plural].map(({ id }: { id: string }) => id))
      cursor = page.body.next_cursor
      await add()
    }
    expect(read).toEqual(ids.toReversed())
  },
)

test('events of one batch share a moment, and no page loses or repeats one', async () => {
  const own = await api.createProject()
  const json = { events: Array.from({ length: 250 }, () => ({ type: 'a', data: 1 })) }
  const published = (await api.call('POST', `${own.path}/events/batch`, { json })).body.events
  const read: string[] = []
  let cursor = ''
  do {
    const page: { events: { id: string }[]; next_cursor: string } = (
      await api.call('GET', `${own.path}/events?limit=99${cursor && `&cursor=${cursor}`}`)
    ).body
    read.push(...page.events.map(({ id }) => id))
    cursor = page.next_cursor
  } while (cursor)
  expect(read.toSorted()).toEqual(published.map(({ id }: { id: string }) => id).toSorted())
})

test('50 are given when nothing is said', async () => {
  const own = await api.createProject()
  const json = { events: Array.from({ length: 60 }, () => ({ type: 'a', data: 1 })) }
  await api.call('POST', `${own.path}/events/batch`, { json })
  expect((await api.call('GET', `${own.path}/events`)).body.events).toHaveLength(50)
  expect((await api.call('GET', `${own.path}/events?limit=100`)).body).toMatchObject({ next_cursor: null })
})

test('a cursor of one project shows nothing of it in another', async () => {
  const [one, other] = [await api.createProject(), await api.createProject()]
  for (let count = 0; count < 3; count += 1)
    await api.call('POST', `${one.path}/events`, { json: { type: 'a', data: 1 } })
  const { next_cursor } = (await api.call('GET', `${one.path}/events?limit=1`)).body
  const answer = await api.call('GET', `${other.path}/events?cursor=${next_cursor}`, { key: other.view })
  expect(answer.body).toEqual({ events: [], next_cursor: null })
})
