import { expect, test } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { fuzz, reportOf } from '../support/fuzz.ts'
import { startGround } from '../support/fuzz-ground.ts'

/** The short form of `npm run fuzz`. */
test(
  'a thousand requests of every kind are answered as the document says',
  { timeout: 120_000 },
  async () => {
    const { connectionString } = await createTestDatabase()
    await using ground = await startGround(connectionString)
    const report = await fuzz(ground, { requests: 1_000, seed: 1 })
    expect(report.requests).toBeGreaterThanOrEqual(1_000)
    // What is never answered well is not tested: nearly every operation is.
    const succeeded = [...report.statuses].filter(([, counts]) =>
      [...counts.keys()].some((status) => status < 300),
    )
    expect({ report: reportOf(report), succeeded: succeeded.length > 30 }).toMatchObject({ succeeded: true })
  },
)
