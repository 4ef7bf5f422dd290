import { expect, test } from 'vitest'
import { DatabaseClock } from '../../src/database/clock.ts'
import type { Queryable } from '../../src/database/database.ts'

/** A server whose time is `offsetMs` beside ours, and which takes `roundTripMs` to answer. */
function serverWith(
  offsetMs: number,
  { roundTripMs, name }: { roundTripMs: number; name: string },
): Queryable {
  return {
    query: async () => {
      const endMs = performance.now() + roundTripMs
      const nowMs = performance.timeOrigin + performance.now() + roundTripMs / 2 + offsetMs
      while (performance.now() < endMs);
      return { rows: [{ now_ms: String(nowMs), server: name }] as never[], rowCount: 1 }
    },
  }
}

function besideUsMs(clock: DatabaseClock): number {
  return clock.now().getTime() - (performance.timeOrigin + performance.now())
}

test('an answer that took long tells less than a quick one, but that of another server is its time', async () => {
  const clock = new DatabaseClock()
  await clock.synchronize(serverWith(60_000, { roundTripMs: 0, name: 'first' }))
  expect(besideUsMs(clock)).toBeCloseTo(60_000, -2)
  await clock.synchronize(serverWith(90_000, { roundTripMs: 40, name: 'first' }))
  expect(besideUsMs(clock)).toBeCloseTo(60_000, -2)
  await clock.synchronize(serverWith(-30_000, { roundTripMs: 40, name: 'second' }))
  expect(besideUsMs(clock)).toBeCloseTo(-30_000, -2)
})
