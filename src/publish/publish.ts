import { invalidField, notFound, PostriderError } from '../contract/errors.ts'
import type { Queryable } from '../database/database.ts'
import { sqlstate, sqlstateOf } from '../database/sqlstate.ts'
import { isUuid } from '../ids.ts'

/** An event as an application publishes it. */
export interface NewEvent<Data = unknown> {
  projectId: string
  /** Segments of `A-Z a-z 0-9 _ -` joined by dots, at most 255 characters: `config.deployed`. */
  type: string
  /** Anything JSON can say, up to 256 KiB and 64 levels. */
  data: Data
  /** The idempotency key, any UUID; without it every call is a new event. */
  id?: string | undefined
  /** When it happened; without it, now. */
  timestamp?: Date | string | undefined
  applicationId?: string | undefined
  environmentName?: string | undefined
}

/** What publishing answers: `deliveries` is the number of webhooks that matched. */
export interface Publication {
  id: string
  deliveries: number
  /** The id was published before, with the same content: nothing was created now. */
  duplicate: boolean
}

/**
 * Publishes one event. In a caller's transaction it exists once that commits, and not at all if it rolls back. Who
 * listens on `channel` hears of it with the commit.
 */
export async function publish(
  queryable: Queryable,
  event: NewEvent,
  channel: string | null = null,
): Promise<Publication> {
  checkFields(event)
  const [publication] = await publishing(() =>
    queryable.query<Publication>(
      `SELECT published.id, published.deliveries, published.duplicate
       FROM (SELECT CASE WHEN $8::text IS NOT NULL THEN pg_notify($8::text, '') END) AS woken
       CROSS JOIN LATERAL postrider.publish(
         project_id => $1::uuid,
         type => $2::text,
         data => $3::jsonb,
         id => $4::uuid,
         application_id => $5::uuid,
         environment_name => $6::text,
         "timestamp" => $7::timestamptz
       ) AS published`,
      [
        event.projectId,
        event.type,
        toJson(event.data),
        event.id ?? null,
        event.applicationId ?? null,
        event.environmentName ?? null,
        event.timestamp ?? null,
        channel,
      ],
    ),
  )
  return publication!
}

/** Publishes up to 1,000 events of one project, all or none; the answers stand in the order given. */
export function publishMany(
  queryable: Queryable,
  events: readonly NewEvent[],
  channel: string | null = null,
): Promise<Publication[]> {
  const [first] = events
  if (!first) return Promise.resolve([])
  for (const [index, event] of events.entries()) checkFields(event, `events[${index}].`)
  const stranger = events.findIndex(({ projectId }) => projectId !== first.projectId)
  if (stranger !== -1) {
    throw invalidField(`events[${stranger}].projectId`, 'must be the same for all events of one call')
  }
  const wire = events.map(({ type, data, id, timestamp, applicationId, environmentName }) => ({
    type,
    data,
    id,
    timestamp,
    application_id: applicationId,
    environment_name: environmentName,
  }))
  return publishJson(queryable, { projectId: first.projectId, eventsJson: toJson(wire), channel })
}

/**
 * Publishes a JSON array of events, each with the fields of the HTTP call. The text reaches PostgreSQL as it is, so
 * that no number passes through a double.
 */
export function publishJson(
  queryable: Queryable,
  {
    projectId,
    eventsJson,
    channel = null,
  }: { projectId: string; eventsJson: string; channel?: string | null },
): Promise<Publication[]> {
  return publishing(() =>
    queryable.query<Publication>(
      `SELECT published.id, published.deliveries, published.duplicate
       FROM (SELECT CASE WHEN $3::text IS NOT NULL THEN pg_notify($3::text, '') END) AS woken
       CROSS JOIN LATERAL postrider.publish_many($1::uuid, $2::jsonb) AS published`,
      [projectId, eventsJson, channel],
    ),
  )
}

const fields = new Set(['projectId', 'type', 'data', 'id', 'timestamp', 'applicationId', 'environmentName'])

/** What the types cannot: a field that nobody reads would be an event that goes astray. */
function checkFields(event: NewEvent, path = ''): void {
  const unknown = Object.keys(event).find((name) => !fields.has(name))
  if (unknown !== undefined) throw invalidField(`${path}${unknown}`, 'is not a field of an event')
  for (const name of ['projectId', 'id', 'applicationId'] as const) {
    const value = event[name]
    if (value !== undefined && !isUuid(value)) throw invalidField(`${path}${name}`, 'must be a UUID')
  }
  const { timestamp } = event
  if (timestamp === undefined) return
  const isTime = timestamp instanceof Date ? !Number.isNaN(timestamp.getTime()) : rfc3339.test(timestamp)
  if (!isTime) throw invalidField(`${path}timestamp`, 'must be a time such as 2026-11-24T09:30:00.000Z')
}

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i

async function publishing(run: () => Promise<{ rows: Publication[] }>): Promise<Publication[]> {
  try {
    const { rows } = await run()
    return rows
  } catch (error) {
    throw describe(error)
  }
}

/** The functions name the field in the error's COLUMN; what jsonb itself refuses has none. */
function describe(error: unknown): unknown {
  const state = sqlstateOf(error)
  const path = columnOf(error)
  const options = { cause: error }
  switch (state) {
    case sqlstate.foreignKeyViolation:
      return path === 'project_id' ? notFound('project') : fieldError(error, path, options)
    case sqlstate.invalidParameterValue:
    case sqlstate.nullValueNotAllowed:
      return fieldError(error, path, options)
    case sqlstate.uniqueViolation:
      return path === ''
        ? error
        : new PostriderError('event_conflict', messageOf(error), {
            ...options,
            errors: [{ path, message: 'was published before with other content' }],
          })
    case sqlstate.programLimitExceeded:
      return new PostriderError('too_large', messageOf(error), {
        ...options,
        errors: [{ path, message: 'is larger than 256 KiB with its numbers written out' }],
      })
    case sqlstate.untranslatableCharacter:
      return invalidField('data', 'holds the character \\u0000, which PostgreSQL cannot store', options)
    case sqlstate.characterNotInRepertoire:
      return invalidField('', 'a value holds the character \\u0000, which PostgreSQL cannot store', options)
    case sqlstate.invalidTextRepresentation:
      return invalidField('', 'a value is no UUID, or the JSON has a lone surrogate such as \\ud800', options)
    case sqlstate.numericValueOutOfRange:
      return invalidField('data', 'has a number of more than 1,000 digits', options)
    case sqlstate.statementTooComplex:
      return invalidField('data', 'is nested deeper than 64 levels', options)
    case undefined:
    default:
      return error
  }
}

function fieldError(error: unknown, path: string, options: ErrorOptions): PostriderError {
  const message = messageOf(error)
  return new PostriderError('validation_failed', message, {
    ...options,
    errors: [{ path, message: message.startsWith(`${path} `) ? message.slice(path.length + 1) : message }],
  })
}

function columnOf(error: unknown): string {
  return error instanceof Error && 'column' in error && typeof error.column === 'string' ? error.column : ''
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function toJson(value: unknown): string {
  let json: string | undefined
  try {
    json = JSON.stringify(value)
  } catch (error) {
    throw invalidField('data', 'cannot be written as JSON (a BigInt, or an object that holds itself)', {
      cause: error,
    })
  }
  if (json === undefined) throw invalidField('data', 'is missing, or cannot be written as JSON')
  return json
}
