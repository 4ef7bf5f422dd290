import { describe, expect, it } from 'vitest'
import type { AttemptRow, DeliveryRow, Evidence } from '../../chaos/evidence.ts'
import type { ReceivedRequest } from '../../chaos/receiver.ts'
import { judge } from '../../chaos/verdict.ts'

/** One event of one delivery, published, sent at 1.0 s, recorded as delivered at 1.1 s. */
function evidence(changes: {
  requests?: Partial<ReceivedRequest>[]
  delivery?: Partial<DeliveryRow>
  attempts?: Partial<AttemptRow>[]
  stored?: string[]
}): Evidence {
  const { requests = [{}], delivery = {}, attempts = [{}], stored = ['event'] } = changes
  return {
    accepted: new Set(['event']),
    stored: new Set(stored),
    requests: requests.map((request) => ({
      eventId: 'event',
      deliveryId: 'delivery',
      attempt: 1,
      signedMs: 1_000,
      receivedMs: 1_000,
      answer: 204,
      ...request,
    })),
    deliveries: [
      {
        id: 'delivery',
        event_id: 'event',
        status: 'delivered',
        attempts: 1,
        scheduled_ms: 0,
        last_attempt_ms: 1_000,
        delivered_ms: 1_100,
        last_error: null,
        ...delivery,
      },
    ],
    attempts: attempts.map((attempt) => ({
      delivery_id: 'delivery',
      attempt: 1,
      outcome: 'delivered',
      started_ms: 1_000,
      ...attempt,
    })),
  }
}

const cutOffAndSentAgain = {
  requests: [{}, { attempt: 2, receivedMs: 16_500 }],
  delivery: { delivered_ms: 16_600 },
  attempts: [{ outcome: 'interrupted' }, { attempt: 2 }] satisfies Partial<AttemptRow>[],
}

const expected = { faults: [], flightMs: 500, recoverySeconds: 17 }
const faults = [{ fromMs: 1_400, toMs: 1_400 }]

describe('the verdict', () => {
  it('finds nothing in a delivery that went well', () => {
    expect(judge(evidence({}), expected).violations).toEqual([])
  })

  it.each<[string, Parameters<typeof evidence>[0], string]>([
    ['an event that never arrived', { requests: [] }, '1 events were lost, such as event'],
    [
      'one that the receiver refused only',
      { requests: [{ answer: 500 }] },
      '1 events were lost, such as event',
    ],
    ['an event that was accepted and is gone', { stored: [] }, '1 events were accepted and do not exist'],
    [
      'a delivery that never ended',
      { delivery: { status: 'pending' } },
      '1 deliveries did not end as delivered',
    ],
    ['one recorded that never arrived', { requests: [] }, '1 deliveries are recorded as delivered and never'],
    [
      'a send that begins after its delivery was recorded',
      {
        requests: [{}, { attempt: 2, receivedMs: 1_101 }],
        attempts: [{}, { attempt: 2, outcome: 'interrupted' }],
      },
      '1 sends were of what had been recorded',
    ],
    ['a number that is sent twice', { requests: [{}, {}] }, '1 sends bore the number of an earlier attempt'],
    ['a send that nobody wrote down', { attempts: [] }, '1 sends are missing in the history'],
    ['two successes of one delivery', { attempts: [{}, { attempt: 2 }] }, '1 deliveries have more than one'],
    [
      'a duplicate that no fault explains',
      cutOffAndSentAgain,
      '1 duplicates were of what was in flight at no fault',
    ],
  ])('finds %s', (_what, changes, violation) => {
    const { violations } = judge(evidence(changes), expected)
    expect(violations.join('\n')).toContain(violation)
  })

  it('measures how long what was cut off waited, without outages', () => {
    const wait = (outages: { fromMs: number; toMs: number }[]) =>
      judge(evidence(cutOffAndSentAgain), { ...expected, faults, outages }).figures.recoverySeconds?.max
    expect(wait([])).toBe(15.5)
    expect(wait([{ fromMs: 2_000, toMs: 5_000 }])).toBe(12.5)
  })

  it('finds a recovery that took too long', () => {
    const { violations } = judge(evidence(cutOffAndSentAgain), { ...expected, faults, recoverySeconds: 15 })
    expect(violations).toEqual(['recovery p99 15.5 s is over 15 s'])
  })
})
