import type { AttemptRow, Evidence } from './evidence.ts'

/** A time in milliseconds since 1970. */
export interface Span {
  fromMs: number
  toMs: number
}

/**
 * How long each try that was cut off waited for the next one, in ms: from arrival to arrival at the receiver. Of a try
 * that never got there, because it was cut off too, counts when it was begun. An outage, during which nobody could have
 * sent it, does not count.
 */
export function recoveries({ attempts, requests }: Evidence, outages: readonly Span[]): number[] {
  const arrivals = new Map(requests.map((send) => [`${send.deliveryId} ${send.attempt}`, send.receivedMs]))
  const begun = ({ delivery_id, attempt, started_ms }: AttemptRow): number =>
    arrivals.get(`${delivery_id} ${attempt}`) ?? started_ms
  const histories = Map.groupBy(attempts, ({ delivery_id }) => delivery_id)
  return [...histories.values()].flatMap((history) =>
    history.flatMap((attempt, place) => {
      const next = history[place + 1]
      if (attempt.outcome !== 'interrupted' || !next) return []
      const toMs = begun(next)
      // One that stood still may have come after all, later than its successor.
      const fromMs = begun(attempt) < toMs ? begun(attempt) : attempt.started_ms
      const wait = { fromMs, toMs }
      return [Math.max(wait.toMs - wait.fromMs - overlap(wait, outages), 0)]
    }),
  )
}

function overlap(wait: Span, outages: readonly Span[]): number {
  return outages
    .map(({ fromMs, toMs }) => Math.min(toMs, wait.toMs) - Math.max(fromMs, wait.fromMs))
    .filter((ms) => ms > 0)
    .reduce((sum, ms) => sum + ms, 0)
}

/** By nearest rank; undefined of nothing. */
export function percentile(values: readonly number[], percent: number): number | undefined {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.max(Math.ceil((sorted.length * percent) / 100) - 1, 0)]
}
