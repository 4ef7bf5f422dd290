import Type, { type Static } from 'typebox'
import { oneOf, optional, strict } from './text.ts'

/** What operators ask of a server. */

export const CleanupQuery = strict({
  days: optional(Type.Integer({ minimum: 1, maximum: 3_650 }), {
    default: 30,
    description: 'Delivered and failed deliveries older than this are deleted.',
  }),
})

export type Cleanup = Static<typeof Cleanup>
export const Cleanup = strict({ deleted: Type.Integer({ minimum: 0 }) }, { title: 'Cleanup' })

export type Recovery = Static<typeof Recovery>
export const Recovery = strict(
  { recovered: Type.Integer({ minimum: 0, description: 'Deliveries whose sender was lost.' }) },
  { title: 'Recovery' },
)

export type Health = Static<typeof Health>
export const Health = strict({ status: oneOf(['ok']) }, { title: 'Health' })

export type Readiness = Static<typeof Readiness>
export const Readiness = strict(
  {
    status: oneOf(['ready', 'not ready']),
    database: Type.Boolean({ description: 'It can be reached.' }),
    migrated: Type.Boolean({ description: 'Its schema is the one this version needs.' }),
  },
  { title: 'Readiness' },
)
