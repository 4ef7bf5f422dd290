import { expect, it } from 'vitest'
import type { Queryable, QueryResult } from '../../src/database/database.ts'
import { LettingOut } from '../../src/deliver/letting-out.ts'
import { silentLogger } from '../../src/log.ts'
import { MovedClock } from '../support/clock.ts'

/** Statements that end when the test lets them. */
function slowDatabase() {
  const running: { text: string; end: (rowCount: number) => void; fail: () => void }[] = []
  const query = (text: string): Promise<QueryResult<never>> =>
    new Promise((resolve, reject) => {
      running.push({
        text,
        end: (rowCount) => resolve({ rows: [], rowCount }),
        fail: () => reject(new Error('Connection terminated')),
      })
    })
  const database: Queryable = { query }
  return { running, database }
}

it('what waits is let out once at a time, also when a part of it failed', async () => {
  const { running, database } = slowDatabase()
  const clock = new MovedClock()
  let more = 0
  const lettingOut = new LettingOut({ database, clock, logger: silentLogger, onMore: () => (more += 1) })
  lettingOut.begin()
  expect(running).toHaveLength(2)
  running[0]!.fail()
  await new Promise(setImmediate)
  // The other one still runs: another turn would do its work beside it.
  clock.advance(1)
  lettingOut.lineMoves()
  lettingOut.begin()
  expect(running).toHaveLength(2)

  running[1]!.end(0)
  await lettingOut.ended()
  // A line moved meanwhile.
  expect(more).toBe(1)
  lettingOut.begin()
  expect(running).toHaveLength(4)
  running[2]!.end(1)
  running[3]!.end(0)
  await lettingOut.ended()
  expect(more).toBe(2)

  // It is too early, and nothing calls for it.
  lettingOut.begin()
  expect(running).toHaveLength(4)
  clock.advance(0.1)
  lettingOut.begin()
  expect(running).toHaveLength(6)

  // Its time comes again while it runs: whoever waits for a wake would sleep over it.
  clock.advance(0.1)
  lettingOut.begin()
  running[4]!.end(0)
  running[5]!.end(0)
  await lettingOut.ended()
  expect(more).toBe(3)
})
