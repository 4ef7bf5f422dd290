import type { FieldError } from '../contract/errors.ts'
import type { EventsToCheck, EventToCheck } from '../registry/event-schemas.ts'
import { type NewEvent, toJson } from './publish.ts'

/** What is published, as the schemas of its types see it: the JSON that is stored, not the values it was made of. */

export function eventToCheck(event: NewEvent): EventsToCheck {
  return {
    projectId: event.projectId,
    list: () => [written(event)],
    at: (_index, problem) => problem,
  }
}

export function eventsToCheck(events: readonly NewEvent[]): EventsToCheck {
  return {
    projectId: events[0]?.projectId,
    list: () => events.map(written),
    at: inEvent,
  }
}

/** A single one, `data` being JSON. */
export function testToCheck(
  projectId: string,
  { type, data }: { type: string; data: string },
): EventsToCheck {
  return {
    projectId,
    list: () => [{ type, data: JSON.parse(data), bytes: data.length }],
    at: (_index, problem) => problem,
  }
}

/** A JSON array of events with the fields of the HTTP call; what is no such thing is left for PostgreSQL to refuse. */
export function textToCheck(projectId: string, eventsJson: string): EventsToCheck {
  return { projectId, list: () => parsed(eventsJson), at: inEvent }
}

function written({ type, data }: NewEvent): EventToCheck {
  const json = toJson(data)
  return { type, data: JSON.parse(json), bytes: json.length }
}

function parsed(eventsJson: string): EventToCheck[] {
  let events: unknown
  try {
    events = JSON.parse(eventsJson)
  } catch {
    return []
  }
  if (!Array.isArray(events)) return []
  return (events as ({ type?: unknown; data?: unknown } | null)[]).map((event) => {
    const { type, data = null } = event ?? {}
    return { type: String(type), data, bytes: JSON.stringify(data).length }
  })
}

function inEvent(index: number, { path, message }: FieldError): FieldError {
  return { path: `events[${index}].${path}`, message }
}
