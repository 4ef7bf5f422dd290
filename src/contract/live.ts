import Type, { type Static } from 'typebox'
import { Attempt, Delivery } from './deliveries.ts'
import { Moment, nullable, oneOf, optional, strict } from './text.ts'

/**
 * Deliveries as they happen, as server-sent events. What a stream sends:
 *
 * - `event: delivery`, data a `LiveDelivery`: one was created, or an attempt of it was recorded. Keep the newest by its id;
 *   after a reconnection some may come again.
 * - `event: gap`, data a `LiveGap`: here something is missing. Read the list.
 * - a comment every 15 seconds, so that nobody takes the connection for dead.
 */

export type LiveDelivery = Static<typeof LiveDelivery>
export const LiveDelivery = strict(
  {
    change: oneOf(['created', 'attempt']),
    delivery: Delivery,
    attempt: nullable(
      Type.Pick(Attempt, [
        'id',
        'attempt',
        'started_at',
        'duration_ms',
        'response_status',
        'error',
        'outcome',
      ]),
    ),
  },
  { title: 'LiveDelivery' },
)

export type LiveGap = Static<typeof LiveGap>
export const LiveGap = strict(
  {
    since: nullable(Moment),
    reason: oneOf(['too_old', 'too_many', 'slow_client'], {
      description:
        '`too_old`: `Last-Event-ID` is from too long ago. `too_many`: more happens than a stream carries. `slow_client`: what was sent was not read in time.',
    }),
  },
  { title: 'LiveGap' },
)

export const LiveHeaders = Type.Object({
  'Last-Event-ID': optional(Type.String({ maxLength: 100 }), {
    description: 'The id of the last event that was received: the stream begins there, up to 5 minutes back.',
  }),
})
