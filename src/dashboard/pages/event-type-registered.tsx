import { useProjectAll } from '../api/queries.ts'
import type { EventType } from '../api/types.ts'
import { Badge } from '../parts/status.tsx'

/** What is registered, by its name. Where it cannot be asked for, what was published is shown all the same. */
export function useRegistered(): Map<string, EventType> | undefined {
  const asked = useProjectAll<'event_types', EventType>('event_types', '/event-types')
  if (asked.error) return new Map()
  return asked.data && new Map(asked.data.map((type) => [type.name, type]))
}

export function RegisteredBadge({ type }: { type: EventType | undefined }) {
  if (!type) return <span className="muted">no</span>
  if (type.deprecated) {
    return (
      <Badge tone="orange" icon="warning">
        Deprecated
      </Badge>
    )
  }
  return (
    <Badge tone="green" icon="delivered">
      {type.schema === null ? 'Without schema' : `Schema, version ${type.version}`}
    </Badge>
  )
}
