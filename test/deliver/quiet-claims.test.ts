import { expect, it } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { publish } from '../../src/publish/publish.ts'
import { createTestDatabase } from '../support/database.ts'
import { deliveryOf, storedDelivery, TestWorker } from '../support/engine.ts'
import { Receiver } from '../support/receiver.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'

it('a worker that waits for a slow receiver does not ask the database for more again and again', async () => {
  const { database } = await createTestDatabase()
  let answer = (): void => {}
  const answered = new Promise<void>((resolve) => {
    answer = resolve
  })
  await using receiver = await Receiver.start({ answer: () => answered.then(() => ({ status: 200 })) })
  const projectId = await insertProject(database)
  await insertWebhook(database, { projectId, url: `${receiver.url}/hooks` })
  const { id } = await publish(database, { projectId, type: 'invoice.paid', data: {} })
  let claims = 0
  await using worker = new TestWorker({ database, clock: systemClock, onClaim: () => (claims += 1) })
  await worker.start()
  await receiver.waitFor(1)

  // Somebody publishes for others, and it looks. What has been on its way for a second is marked: that long it is left alone.
  const before = claims
  worker.wake()
  await expect
    .poll(async () => (await storedDelivery(database, await deliveryOf(database, id)))['status'])
    .toBe('delivering')
  expect(claims).toBeGreaterThan(before)
  expect(claims - before).toBeLessThan(5)

  answer()
  await worker.ended(1)
})
