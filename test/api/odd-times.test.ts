import { expect, test } from 'vitest'
import { startApi } from '../support/api.ts'
import { insertProject } from '../support/seed.ts'

/** Rows that were written by hand may hold any time that PostgreSQL knows: they are listed like any others. */

const api = await startApi()

const times: [stored: string, shown: string][] = [
  ['infinity', '9999-12-31T23:59:59.999Z'],
  ['294276-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999Z'],
  ['10000-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z'],
  ['9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999Z'],
  ['2026-01-01T00:00:00.123456Z', '2026-01-01T00:00:00.123Z'],
  ['1970-01-01T00:00:00Z', '1970-01-01T00:00:00.000Z'],
  ['1969-12-31T23:59:59.999999Z', '1969-12-31T23:59:59.999Z'],
  ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
  ['0001-12-31T23:59:59Z BC', '0001-01-01T00:00:00.000Z'],
  ['4714-11-24T00:00:00Z BC', '0001-01-01T00:00:00.000Z'],
  ['-infinity', '0001-01-01T00:00:00.000Z'],
]

test('a list goes on over each of them, one by one, and none is lost or comes twice', async () => {
  const written: string[] = []
  for (const [stored] of times) {
    // Three of each: their ids alone tell them apart.
    for (let count = 0; count < 3; count += 1) {
      const id = await insertProject(api.database, stored)
      await api.database.query(
        `UPDATE postrider.projects SET created_at = $2::timestamptz WHERE id = $1::uuid`,
        [id, stored],
      )
      written.push(id)
    }
  }
  const read: { id: string; name: string; created_at: string }[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const page = await api.call('GET', `/api/projects?limit=1${cursor && `&cursor=${cursor}`}`)
    read.push(...page.body.projects)
    cursor = page.body.next_cursor
  }
  expect(read.map(({ id }) => id).toSorted()).toEqual(written.toSorted())
  expect(read.map(({ name, created_at }) => [name, created_at])).toEqual(
    times.flatMap((time) => [time, time, time]),
  )
})

test('the calls about a delivery answer whatever its times are', async () => {
  const { path } = await api.createProject()
  await api.call('POST', `${path}/webhooks`, { json: { name: 'a', url: 'https://example.com' } })
  const { id } = (await api.call('POST', `${path}/events`, { json: { type: 'a', data: 1 } })).body
  const [delivery] = (await api.call('GET', `${path}/events/${id}`)).body.deliveries
  for (const [stored] of times) {
    await api.database.query(
      `UPDATE postrider.deliveries SET created_at = $2::timestamptz, last_attempt_at = $2::timestamptz WHERE id = $1::uuid`,
      [delivery.id, stored],
    )
    for (const call of [
      `/deliveries/${delivery.id}`,
      `/deliveries/${delivery.id}/attempts`,
      `/deliveries`,
      `/events/${id}`,
    ]) {
      expect(await api.call('GET', path + call)).toMatchObject({ status: 200 })
    }
  }
})
