import type { Queryable } from '../database/database.ts'
import type { Range, Unit } from './range.ts'

/** How far counting has come. */
export interface Reach {
  attempts_until: Date
  events_until: Date
  hours_until: Date
  days_until: Date
}

/** What is not counted yet is read from the history itself, for no longer than this. */
const longestTailSeconds = 120

/**
 * Runs `read` with how far counting has come, and again if it moved on meanwhile: what is counted by then would be read
 * twice, in the history and among the counts.
 */
export async function withReach<Result>(
  queryable: Queryable,
  read: (reach: Reach) => Promise<Result>,
): Promise<Result> {
  for (let reach = await readReach(queryable); ;) {
    const result = await read(reach)
    const after = await readReach(queryable)
    if (JSON.stringify(after) === JSON.stringify(reach)) return result
    reach = after
  }
}

async function readReach(queryable: Queryable): Promise<Reach> {
  const { rows } = await queryable.query<Reach>(
    `SELECT attempts_until, events_until, hours_until, days_until
     FROM postrider.statistics_reach()`,
  )
  return rows[0]!
}

/** Of which times the rows of each unit are to be read; together they are the range. */
export function spansOf(range: Range, unit: Unit, { hours_until, days_until }: Reach) {
  const end = range.until
  const days = unit === 86_400 ? clamp(days_until, range.since, end) : range.since
  const hours = unit === 60 ? range.since : clamp(hours_until, days, end)
  return {
    units: [86_400, 3_600, 60],
    since: [range.since, days, hours],
    until: [days, hours, end],
  }
}

/** The same for what is wanted of the range as a whole: in the longest units that lie in it. */
export function wholeSpansOf({ since, until }: Range, { hours_until, days_until }: Reach) {
  const [firstHour, firstDay] = [ceilTo(since, 3_600), ceilTo(since, 86_400)]
  const hours = clamp(hours_until, firstHour, until)
  const days = clamp(days_until, firstDay, until)
  const hasHours = firstHour < hours
  const hasDays = hasHours && firstDay < days
  const spans: [unit: Unit, since: Date, until: Date][] = [
    [60, since, hasHours ? firstHour : until],
    [3_600, firstHour, hasDays ? firstDay : hours],
    [86_400, firstDay, days],
    [3_600, days, hours],
    [60, hours, until],
  ]
  const used = spans.filter((_, index) => [true, hasHours, hasDays, hasDays, hasHours][index])
  return {
    units: used.map(([unit]) => unit),
    since: used.map(([, from]) => from),
    until: used.map(([, , to]) => to),
  }
}

function ceilTo(time: Date, seconds: number): Date {
  return new Date(Math.ceil(time.getTime() / (seconds * 1_000)) * seconds * 1_000)
}

function clamp(time: Date, from: Date, to: Date): Date {
  return time < from ? from : time > to ? to : time
}

/**
 * The part of the history to read: attempts recorded since, of a range that goes as far. None where counting is behind
 * for long: then it is told until when is counted.
 */
export function tailOf(
  { until }: Range,
  countedUntil: Date,
  now: Date,
): { since: Date; until: Date } | undefined {
  if (now.getTime() - countedUntil.getTime() > longestTailSeconds * 1_000) return undefined
  return until > countedUntil ? { since: countedUntil, until } : undefined
}

/** The same for events, which are counted by whole minutes: an empty one where there is nothing to read. */
export function eventTailOf(
  { since, until }: Range,
  { events_until }: Reach,
  now: Date,
): [since: Date, until: Date] {
  const isBehind = now.getTime() - events_until.getTime() > (longestTailSeconds + 60) * 1_000
  return [events_until > since ? events_until : since, isBehind ? since : until]
}
