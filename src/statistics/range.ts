import { invalidField } from '../contract/errors.ts'
import { type BucketName, buckets, maxBuckets } from '../contract/statistics.ts'

/** What is asked for; open ends are 24 hours ago and now. */
export interface RangeRequest {
  since?: Date | undefined
  until?: Date | undefined
}

/** Buckets of one length; the first begins at `since`. */
export interface Range {
  since: Date
  until: Date
  bucketSeconds: number
}

/** The lengths of time that counts are kept by. */
export type Unit = 60 | 3_600 | 86_400

/** For how long. */
export const keptSeconds = { 60: 2 * 86_400, 3_600: 35 * 86_400, 86_400: 400 * 86_400 } as const

export const barCount = 24

/** The bucket for a range of up to so many seconds: 35 to 120 of them. */
const usualBuckets: readonly (readonly [rangeSeconds: number, bucket: BucketName])[] = [
  [2 * 3_600, '1m'],
  [8 * 3_600, '5m'],
  [2 * 86_400, '30m'],
  [4 * 86_400, '1h'],
  [10 * 86_400, '3h'],
  [35 * 86_400, '12h'],
]

/**
 * Buckets for a range: of the length that is wished or else fits, but no shorter than what is still kept of that time.
 *
 * @throws {PostriderError} `validation_failed` for an empty range, and for one of too many buckets
 */
export function resolveBuckets(
  { bucket, ...request }: RangeRequest & { bucket?: BucketName | undefined },
  now: Date,
): Range {
  const { since, until, seconds, unit } = resolve(request, now)
  const bucketSeconds = Math.max(buckets[bucket ?? usualBucket(seconds)], unit)
  if (seconds / bucketSeconds > maxBuckets) {
    throw invalidField(bucket === undefined ? 'since' : 'bucket', `makes more than ${maxBuckets} buckets`)
  }
  return { since: floorTo(since, bucketSeconds), until, bucketSeconds }
}

/** 24 bars that end with the range, as long as it or a little longer. */
export function resolveBars(request: RangeRequest, now: Date): Range {
  const { until, seconds, unit: kept } = resolve(request, now)
  const unit = Math.max(kept, seconds / barCount >= 3_600 ? 3_600 : 60)
  const bucketSeconds = Math.ceil(seconds / barCount / unit) * unit
  const end = floorTo(new Date(until.getTime() + unit * 1_000 - 1), unit)
  return { since: new Date(end.getTime() - barCount * bucketSeconds * 1_000), until, bucketSeconds }
}

/** What the rows are kept by that buckets of this length can be made of. */
export function unitOf({ since, bucketSeconds }: Range): Unit {
  const fits = (unit: Unit): boolean => bucketSeconds % unit === 0 && (since.getTime() / 1_000) % unit === 0
  if (fits(86_400)) return 86_400
  return fits(3_600) ? 3_600 : 60
}

function resolve({ since, until }: RangeRequest, now: Date) {
  const end = until ?? now
  const start = since ?? new Date(end.getTime() - 86_400_000)
  if (end <= start) throw invalidField('until', 'must be later than since')
  const ageSeconds = (now.getTime() - start.getTime()) / 1_000
  // An hour less: what is kept is cut off by the hour.
  const unit: Unit =
    ageSeconds <= keptSeconds[60] - 3_600 ? 60 : ageSeconds <= keptSeconds[3_600] - 3_600 ? 3_600 : 86_400
  return { since: start, until: end, seconds: (end.getTime() - start.getTime()) / 1_000, unit }
}

function usualBucket(seconds: number): BucketName {
  return usualBuckets.find(([rangeSeconds]) => seconds <= rangeSeconds)?.[1] ?? '1d'
}

function floorTo(time: Date, seconds: number): Date {
  return new Date(Math.floor(time.getTime() / (seconds * 1_000)) * seconds * 1_000)
}
