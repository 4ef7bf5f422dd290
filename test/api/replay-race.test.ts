import { expect, test } from 'vitest'
import { startApi } from '../support/api.ts'

test('what is deleted while a replay of it is asked for is there or is not, and never an error of ours', async () => {
  const api = await startApi()
  const statuses = new Set<number>()
  for (let round = 0; round < 20; round += 1) {
    const { path } = await api.createProject()
    const { id } = (
      await api.call('POST', `${path}/webhooks`, { json: { name: 'a', url: 'https://example.com' } })
    ).body
    const replay = () =>
      api.call('POST', `${path}/webhooks/${id}/replay`, { json: { since: '2026-01-01T00:00:00Z' } })
    const gone = api.call('DELETE', round % 2 === 0 ? path : `${path}/webhooks/${id}`)
    for (const answer of await Promise.all([replay(), gone, replay(), replay()])) statuses.add(answer.status)
  }
  expect([...statuses].filter((status) => ![200, 204, 404].includes(status))).toEqual([])
})
