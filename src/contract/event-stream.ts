import Type, { type Static } from 'typebox'
import { Moment, oneOf, optional, strict } from './text.ts'

/**
 * Events as they are published, as server-sent events, for a developer whose machine nobody can reach. What a stream sends:
 *
 * - `event: event`, data the body that receivers get, to the digit;
 * - `event: gap`, data an `EventGap`: here something is missing;
 * - ids, with an event or alone: all before it was sent. After a reconnection some may come again, under the same event id.
 */

export const EventStreamQuery = strict({
  types: optional(Type.String({ minLength: 1, maxLength: 4096 }), {
    description: 'Only these: event types or prefixes such as `config.*`, comma-separated. Without it, all.',
    examples: ['config.*,user.created'],
  }),
})

export const EventStreamHeaders = Type.Object({
  'Last-Event-ID': optional(Type.String({ maxLength: 100 }), {
    description: 'The last id that was received: the stream begins there, up to an hour back.',
  }),
})

export type EventGap = Static<typeof EventGap>
export const EventGap = strict(
  {
    since: Moment,
    reason: oneOf(['too_old'], {
      description:
        '`too_old`: `Last-Event-ID` is from too long ago, what was published until now is left out.',
    }),
  },
  { title: 'EventGap' },
)
