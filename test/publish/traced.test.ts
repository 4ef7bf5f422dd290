import { describe, expect, it } from 'vitest'
import type { Queryable } from '../../src/database/database.ts'
import { publish, publishMany } from '../../src/publish/publish.ts'
import { createTestDatabase } from '../support/database.ts'
import { insertProject } from '../support/seed.ts'

const { database } = await createTestDatabase()
const projectId = await insertProject(database)
const event = { projectId, type: 'order.paid', data: {} }

const ours = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const theirs = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00'

async function storedWith(queryable: Queryable, id: string): Promise<string | null> {
  const { rows } = await queryable.query<{ traceparent: string | null }>(
    'SELECT traceparent FROM postrider.events WHERE project_id = $1::uuid AND id = $2::uuid',
    [projectId, id],
  )
  return rows[0]!.traceparent
}

async function settingIn(queryable: Queryable): Promise<string | null> {
  const { rows } = await queryable.query<{ setting: string | null }>(
    `SELECT NULLIF(current_setting('postrider.traceparent', true), '') AS setting`,
  )
  return rows[0]!.setting
}

describe('an event that is published in a trace', () => {
  it('is stored with it, and the next one on the same connection without', async () => {
    const one = await publish(database, event, { traceparent: ours })
    const many = await publishMany(database, [event, event], { traceparent: theirs })
    const without = await publish(database, event)
    expect(await storedWith(database, one.id)).toBe(ours)
    for (const { id } of many) expect(await storedWith(database, id)).toBe(theirs)
    expect(await storedWith(database, without.id)).toBeNull()
    expect(many).toEqual([
      { id: expect.any(String), deliveries: 0, duplicate: false },
      { id: expect.any(String), deliveries: 0, duplicate: false },
    ])
  })

  it('leaves nothing behind in a transaction of the caller', async () => {
    await database.transaction(async (transaction) => {
      const traced = await publish(transaction, event, { traceparent: ours })
      expect(await settingIn(transaction)).toBeNull()
      const [second] = await publishMany(transaction, [event, event], { traceparent: theirs })
      expect(await settingIn(transaction)).toBeNull()
      const plain = await publish(transaction, event)
      expect(await storedWith(transaction, traced.id)).toBe(ours)
      expect(await storedWith(transaction, second!.id)).toBe(theirs)
      expect(await storedWith(transaction, plain.id)).toBeNull()
    })
  })

  it('leaves a trace that the caller has set as it was', async () => {
    await database.transaction(async (transaction) => {
      await transaction.query(`SET LOCAL postrider.traceparent = '${theirs}'`)
      const plain = await publish(transaction, event)
      const traced = await publish(transaction, event, { traceparent: ours })
      const after = await publishMany(transaction, [event])
      expect(await settingIn(transaction)).toBe(theirs)
      expect(await storedWith(transaction, plain.id)).toBe(theirs)
      expect(await storedWith(transaction, traced.id)).toBe(ours)
      expect(await storedWith(transaction, after[0]!.id)).toBe(theirs)
    })
    expect(await settingIn(database)).toBeNull()
  })

  it('leaves the trace of the caller alone when it is refused, back at a savepoint', async () => {
    await database.transaction(async (transaction) => {
      await transaction.query(`SET LOCAL postrider.traceparent = '${theirs}'`)
      await transaction.query('SAVEPOINT before')
      await expect(
        publish(transaction, { ...event, type: 'not a type' }, { traceparent: ours }),
      ).rejects.toMatchObject({ code: 'validation_failed' })
      await transaction.query('ROLLBACK TO before')
      expect(await settingIn(transaction)).toBe(theirs)
    })
  })

  it('keeps that of whoever published it first', async () => {
    const { id } = await publish(database, event, { traceparent: ours })
    expect(await publish(database, { ...event, id }, { traceparent: theirs })).toMatchObject({
      duplicate: true,
    })
    expect(await storedWith(database, id)).toBe(ours)
  })

  it.each(['', 'trace me', `${ours}\nx-evil: 1`, ours.toUpperCase()])(
    'by SQL with %j, which is none, is published without one',
    async (setting) => {
      await database.transaction(async (transaction) => {
        await transaction.query(`SELECT set_config('postrider.traceparent', $1::text, true)`, [setting])
        const { rows } = await transaction.query<{ id: string }>(
          `SELECT (postrider.publish($1::uuid, 'order.paid', '{}')).id AS id`,
          [projectId],
        )
        expect(await storedWith(transaction, rows[0]!.id)).toBeNull()
      })
    },
  )
})
