import { expect, it } from 'vitest'
import type { ClaimedDelivery } from '../../src/deliver/claim.ts'
import { Load } from '../../src/deliver/load.ts'

const mebibyte = 1_024 * 1_024

function deliveryOf(bytes: number): ClaimedDelivery {
  return {
    webhook_id: 'webhook',
    ordered: false,
    max_in_flight: null,
    payload: 'x'.repeat(bytes),
  } as ClaimedDelivery
}

function loadOf(capacityBytes: number): Load {
  return new Load({ concurrency: 64, capacity: 256, capacityBytes, maxInFlight: 8 })
}

it('large payloads are claimed by what they weigh, small ones by their number', () => {
  const load = loadOf(16 * mebibyte)
  const large = deliveryOf(256 * 1_024)
  // Nothing is known yet: as many as fit if each is as large as can be.
  expect(load.room).toBe(64)
  for (let count = 0; count < 64; count += 1) load.hold(large)
  expect(load.room).toBe(0)
  load.letGo(large)
  expect(load.room).toBe(1)
  for (let count = 0; count < 63; count += 1) load.letGo(large)
  expect(load.room).toBe(64)

  const small = deliveryOf(1_024)
  for (let count = 0; count < 64; count += 1) load.hold(small)
  expect(load.room).toBe(256 - 64)
})

it('one is claimed however large it is', () => {
  const load = loadOf(mebibyte)
  const huge = deliveryOf(2 * mebibyte)
  for (let count = 0; count < 20; count += 1) {
    expect(load.room).toBeGreaterThan(0)
    load.hold(huge)
    expect(load.room).toBeLessThanOrEqual(0)
    load.letGo(huge)
  }
})
