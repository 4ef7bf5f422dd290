import type { Queryable } from '../database/database.ts'
import { barCount, type Range, unitOf } from './range.ts'
import { eventTailOf, spansOf, withReach } from './reach.ts'

/** How much of one event type was published. */
export interface EventTypeVolume {
  name: string
  published: number
  /** How many webhooks those events matched in all. */
  deliveries: number
  /** Events by bar, oldest first. */
  bars: number[]
}

const mostTypes = 200

/** How much was published of each type in a range of 24 bars, most first. */
export async function readVolumes(
  queryable: Queryable,
  projectId: string,
  { range, now }: { range: Range; now: Date },
): Promise<EventTypeVolume[]> {
  const { rows } = await withReach(queryable, (reach) => {
    const { units, since, until } = spansOf(range, unitOf(range), reach)
    return queryable.query<{ name: string; bar: number; events: number; deliveries: number }>(
      `WITH counted AS MATERIALIZED (
         SELECT counted.type, counted.bar, SUM(counted.events) AS events, SUM(counted.deliveries) AS deliveries
         FROM (
           SELECT
             row.type,
             floor(EXTRACT(EPOCH FROM row.at - $5::timestamptz) / $6::integer)::integer AS bar,
             row.events,
             row.deliveries
           FROM unnest($2::integer[], $3::timestamptz[], $4::timestamptz[]) AS span (unit, since, until)
           JOIN postrider.event_statistics AS row
             ON row.project_id = $1::uuid
             AND row.type IS NOT NULL
             AND row.seconds = span.unit
             AND row.at >= span.since
             AND row.at < span.until
           UNION ALL
           SELECT
             event.type,
             floor(EXTRACT(EPOCH FROM event.created_at - $5::timestamptz) / $6::integer)::integer,
             1,
             event.deliveries
           FROM postrider.events AS event
           WHERE event.project_id = $1::uuid
             AND event.created_at >= $7::timestamptz
             AND event.created_at < $8::timestamptz
         ) AS counted
         GROUP BY counted.type, counted.bar
       ),
       most AS (
         SELECT counted.type, SUM(counted.events) AS events
         FROM counted
         GROUP BY counted.type
         ORDER BY events DESC, counted.type
         LIMIT ${mostTypes}
       )
       SELECT
         counted.type AS name,
         counted.bar,
         counted.events::integer AS events,
         counted.deliveries::integer AS deliveries
       FROM most
       JOIN counted
         ON counted.type = most.type
       ORDER BY most.events DESC, most.type`,
      [projectId, units, since, until, range.since, range.bucketSeconds, ...eventTailOf(range, reach, now)],
    )
  })
  const volumes = new Map<string, EventTypeVolume>()
  for (const { name, bar, events, deliveries } of rows) {
    const volume = volumes.get(name) ?? {
      name,
      published: 0,
      deliveries: 0,
      bars: Array.from({ length: barCount }, () => 0),
    }
    volume.published += events
    volume.deliveries += deliveries
    volume.bars[bar]! += events
    volumes.set(name, volume)
  }
  return [...volumes.values()]
}
