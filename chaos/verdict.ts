import type { DeliveryRow, Evidence } from './evidence.ts'
import type { ReceivedRequest } from './receiver.ts'
import { percentile, recoveries, type Span } from './recovery.ts'

export interface Expected {
  /** When sends were cut off: by the death of a worker, by an outage. Only what was in flight then may be sent twice. */
  faults: readonly Span[]
  /** How long a send is in flight at most: until its answer is in and recorded. */
  flightMs: number
  recoverySeconds: number
  /** When nobody could have sent anything. */
  outages?: readonly Span[]
  /** Events that must end as failed, since they cannot be sent. */
  failed?: ReadonlySet<string>
}

export interface Verdict {
  figures: Figures
  /** What must not be, in words; empty when all is well. */
  violations: string[]
}

/** The same for every scenario, then its own in words. */
export interface Figures {
  events: number
  sends: number
  lost: number
  sentAfterRecorded: number
  duplicates: number
  recoverySeconds: { count: number; p50: number; p99: number; max: number } | undefined
  own: Record<string, string>
}

/** What held and what did not, decided from the evidence alone. */
export function judge(evidence: Evidence, expected: Expected): Verdict {
  const { recoverySeconds: limit, outages = [], failed = new Set() } = expected
  const events = evidence.accepted.union(evidence.stored)
  const lost = lostEvents(evidence, events.difference(failed))
  const sentAfterRecorded = sendsAfterRecorded(evidence)
  const duplicates = duplicateSends(evidence.requests)
  const unexplained = duplicates.filter(({ first }) => !wasInFlight(first, expected))
  const recovery = summary(recoveries(evidence, outages))
  const violations = [
    ...told(lost, 'events were lost'),
    ...told(sentAfterRecorded, 'sends were of what had been recorded as delivered'),
    ...told(forgottenEvents(evidence), 'events were accepted and do not exist'),
    ...told(unfinishedDeliveries(evidence, failed), 'deliveries did not end as delivered'),
    ...told(deliveriesNobodyGot(evidence), 'deliveries are recorded as delivered and never arrived'),
    ...told(repeatedNumbers(evidence.requests), 'sends bore the number of an earlier attempt'),
    ...told(sendsWithoutHistory(evidence), 'sends are missing in the history of attempts'),
    ...told(repeatedSuccesses(evidence), 'deliveries have more than one successful attempt'),
    ...told(
      unexplained.map(({ again }) => numbered(again)),
      'duplicates were of what was in flight at no fault',
    ),
  ]
  if (recovery && recovery.p99 > limit) {
    violations.push(`recovery p99 ${recovery.p99.toFixed(1)} s is over ${limit} s`)
  }
  return {
    figures: {
      events: events.size,
      sends: evidence.requests.length,
      lost: lost.length,
      sentAfterRecorded: sentAfterRecorded.length,
      duplicates: duplicates.length,
      recoverySeconds: recovery,
      own: {},
    },
    violations,
  }
}

/** Accepted, and never taken by the receiver. */
function lostEvents({ requests }: Evidence, events: ReadonlySet<string>): string[] {
  const taken = new Set(requests.filter(isTaken).map(({ eventId }) => eventId))
  return [...events].filter((id) => !taken.has(id))
}

function forgottenEvents({ accepted, stored }: Evidence): string[] {
  return [...accepted].filter((id) => !stored.has(id))
}

/** A send that begins when its delivery is delivered already, and not by itself. */
function sendsAfterRecorded({ requests, deliveries, attempts }: Evidence): string[] {
  const deliveryOf = new Map(deliveries.map((delivery) => [delivery.id, delivery]))
  const successful = new Map(
    attempts
      .filter(({ outcome }) => outcome === 'delivered')
      .map(({ delivery_id, attempt }) => [delivery_id, attempt]),
  )
  return requests
    .filter(({ deliveryId, attempt, receivedMs }) => {
      const deliveredMs = deliveryOf.get(deliveryId)?.delivered_ms ?? Infinity
      return receivedMs > deliveredMs && successful.get(deliveryId) !== attempt
    })
    .map(({ eventId, attempt }) => `${eventId} attempt ${attempt}`)
}

interface Duplicate {
  first: ReceivedRequest
  again: ReceivedRequest
}

/** Sends of what the receiver had taken before, with the one before; what it had refused had to come again. */
function duplicateSends(requests: readonly ReceivedRequest[]): Duplicate[] {
  const taken = new Map<string, ReceivedRequest>()
  const duplicates: Duplicate[] = []
  for (const again of requests) {
    const first = taken.get(again.deliveryId)
    if (first) duplicates.push({ first, again })
    if (isTaken(again)) taken.set(again.deliveryId, again)
  }
  return duplicates
}

/** What was sent before a fault is seen this much after it, at the latest. */
const arrivalMs = 250

/** It had been sent at a fault, and could not have been recorded yet. */
function wasInFlight({ receivedMs }: ReceivedRequest, { faults, flightMs }: Expected): boolean {
  return faults.some(({ fromMs, toMs }) => receivedMs >= fromMs - flightMs && receivedMs <= toMs + arrivalMs)
}

function unfinishedDeliveries({ deliveries }: Evidence, failed: ReadonlySet<string>): string[] {
  const wanted = ({ event_id }: DeliveryRow) => (failed.has(event_id) ? 'failed' : 'delivered')
  return deliveries
    .filter((delivery) => delivery.status !== wanted(delivery))
    .map(({ event_id, status, last_error }) => `${event_id} ${status}${last_error ? ` (${last_error})` : ''}`)
}

function deliveriesNobodyGot({ deliveries, requests }: Evidence): string[] {
  const taken = new Set(requests.filter(isTaken).map(({ deliveryId }) => deliveryId))
  return deliveries
    .filter(({ id, status }) => status === 'delivered' && !taken.has(id))
    .map(({ event_id }) => event_id)
}

function repeatedNumbers(requests: readonly ReceivedRequest[]): string[] {
  const seen = new Set<string>()
  return requests.map(numbered).filter((send) => seen.size === seen.add(send).size)
}

function sendsWithoutHistory({ requests, attempts }: Evidence): string[] {
  const known = new Set(attempts.map(({ delivery_id, attempt }) => `${delivery_id} attempt ${attempt}`))
  return requests.map(numbered).filter((send) => !known.has(send))
}

function repeatedSuccesses({ attempts }: Evidence): string[] {
  const seen = new Set<string>()
  return attempts
    .filter(({ outcome }) => outcome === 'delivered')
    .map(({ delivery_id }) => delivery_id)
    .filter((id) => seen.size === seen.add(id).size)
}

function numbered({ deliveryId, attempt }: ReceivedRequest): string {
  return `${deliveryId} attempt ${attempt}`
}

function isTaken({ answer }: ReceivedRequest): boolean {
  return answer !== 'reset' && answer < 300
}

function told(found: readonly string[], what: string): string[] {
  return found.length === 0 ? [] : [`${found.length} ${what}, such as ${found[0]}`]
}

function summary(waitsMs: readonly number[]): Figures['recoverySeconds'] {
  if (waitsMs.length === 0) return undefined
  const seconds = (percent: number): number => percentile(waitsMs, percent)! / 1_000
  return { count: waitsMs.length, p50: seconds(50), p99: seconds(99), max: seconds(100) }
}
