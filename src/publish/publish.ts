import { type Raised, raisedBy } from '../adapters/raised.ts'
import type { Transaction } from '../adapters/transaction.ts'
import { invalidField, notFound, PostriderError } from '../contract/errors.ts'
import { sqlstate } from '../database/sqlstate.ts'
import { isUuid } from '../ids.ts'
import { RegistryChanged } from '../registry/event-schemas.ts'
import { tracedBy, type Tracing, untraced } from './traced.ts'

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

export interface Publishing {
  /** Who listens there hears of it with the commit. */
  channel?: string | null
  /**
   * The number of the project's registry of event types that the data was checked against. Is it another one by now,
   * nothing is published and `RegistryChanged` is thrown. With null nothing is compared.
   */
  revision?: string | null
  /**
   * What the deliveries hang their spans below, as `readTraceparent` reads it. Without one it is what the transaction has as
   * `postrider.traceparent`, if anything.
   */
  traceparent?: string | undefined
}

/**
 * Publishes one event. In a caller's transaction it exists once that commits, and not at all if it rolls back. The data is
 * not checked against the schema of its type: see `registry/event-schemas.ts`.
 */
export async function publish(
  transaction: Transaction,
  event: NewEvent,
  { channel = null, revision = null, traceparent }: Publishing = {},
): Promise<Publication> {
  checkFields(event)
  const values = [
    event.projectId,
    event.type,
    toJson(event.data),
    event.id ?? null,
    event.applicationId ?? null,
    event.environmentName ?? null,
    toTime(event.timestamp),
    channel,
    revision,
  ]
  const [publication] = await publishing(() =>
    traceparent === undefined
      ? transaction.query(publishOne, values)
      : transaction.query(publishOneTraced, [...values, traceparent]),
  )
  if (!publication) throw new RegistryChanged()
  return publication
}

const publishOne = oneWith(untraced)
const publishOneTraced = oneWith(tracedBy('$10'))

function oneWith({ before, after }: Tracing): string {
  return `SELECT published.id, published.deliveries, published.duplicate${after}
   FROM (
     SELECT
       $1::uuid AS project_id,
       CASE WHEN $8::text IS NOT NULL THEN pg_notify($8::text, '') END AS woken${before}
     WHERE $9::text IS NULL
       OR postrider.event_types_revision($1::uuid) = $9::text::bigint
   ) AS checked
   CROSS JOIN LATERAL postrider.publish(
     project_id => checked.project_id,
     type => $2::text,
     data => $3::text::jsonb,
     id => $4::uuid,
     application_id => $5::uuid,
     environment_name => $6::text,
     "timestamp" => $7::text::timestamptz
   ) AS published`
}

/** Publishes up to 1,000 events of one project, all or none; the answers stand in the order given. */
export function publishMany(
  transaction: Transaction,
  events: readonly NewEvent[],
  options: Publishing = {},
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
  return publishJson(transaction, { projectId: first.projectId, eventsJson: toJson(wire) }, options)
}

/**
 * Publishes a JSON array of events, each with the fields of the HTTP call. The text reaches PostgreSQL as it is, so
 * that no number passes through a double.
 */
export async function publishJson(
  transaction: Transaction,
  { projectId, eventsJson }: { projectId: string; eventsJson: string },
  { channel = null, revision = null, traceparent }: Publishing = {},
): Promise<Publication[]> {
  const values = [projectId, eventsJson, channel, revision]
  const publications = await publishing(() =>
    traceparent === undefined
      ? transaction.query(publishAll, values)
      : transaction.query(publishAllTraced, [...values, traceparent]),
  )
  // Of events there always is at least one.
  if (publications.length === 0 && revision !== null) throw new RegistryChanged()
  return publications
}

const publishAll = allWith(untraced)
const publishAllTraced = allWith(tracedBy('$5'))

function allWith({ before, after }: Tracing): string {
  return `SELECT published.id, published.deliveries, published.duplicate${after}
   FROM (
     SELECT
       $1::uuid AS project_id,
       CASE WHEN $3::text IS NOT NULL THEN pg_notify($3::text, '') END AS woken${before}
     WHERE $4::text IS NULL
       OR postrider.event_types_revision($1::uuid) = $4::text::bigint
   ) AS checked
   CROSS JOIN LATERAL postrider.publish_many(checked.project_id, $2::text::jsonb) AS published`
}

const fields = new Set(['projectId', 'type', 'data', 'id', 'timestamp', 'applicationId', 'environmentName'])

/** What the types cannot: a field that nobody reads would be an event that goes astray. */
function checkFields(event: NewEvent, path = ''): void {
  const unknown = Object.keys(event).find((name) => !fields.has(name))
  if (unknown !== undefined) throw invalidField(`${path}${unknown}`, 'is not a field of an event')
  if (event.projectId === undefined) throw invalidField(`${path}projectId`, 'is missing')
  for (const name of ['projectId', 'id', 'applicationId'] as const) {
    const value = event[name]
    if (value !== undefined && !isUuid(value)) throw invalidField(`${path}${name}`, 'must be a UUID')
  }
  const { timestamp } = event
  if (timestamp === undefined) return
  const isTime = !(timestamp instanceof Date) || !Number.isNaN(timestamp.getTime())
  if (!isTime || !rfc3339.test(toTime(timestamp)!))
    throw invalidField(`${path}timestamp`, 'must be a time such as 2026-11-24T09:30:00.000Z')
}

const rfc3339 = /^(?!0000)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i

async function publishing(run: () => Promise<{ rows: unknown[] }>): Promise<Publication[]> {
  try {
    const { rows } = await run()
    return rows.map(toPublication)
  } catch (error) {
    const raised = raisedBy(error)
    throw raised === undefined ? error : describe(error, raised)
  }
}

/** By their places: a library may be set to give columns other names. */
function toPublication(row: unknown): Publication {
  const [id, deliveries, duplicate] = Object.values(row as object) as [string, number | bigint, boolean]
  return { id, deliveries: Number(deliveries), duplicate }
}

/** The functions name the field in the error's COLUMN; what jsonb itself refuses has none. */
function describe(error: unknown, { state, column: path, message }: Raised): unknown {
  const options = { cause: error }
  switch (state) {
    case sqlstate.foreignKeyViolation:
      return path === 'project_id' ? notFound('project') : fieldError(message, path, options)
    case sqlstate.invalidParameterValue:
    case sqlstate.nullValueNotAllowed:
      return fieldError(message, path, options)
    case sqlstate.inFailedTransaction:
      return new PostriderError(
        'conflict',
        'The transaction failed before this: nothing can be published in it. Roll it back, or back to a savepoint.',
        options,
      )
    case sqlstate.uniqueViolation:
      return path === ''
        ? error
        : new PostriderError('event_conflict', message, {
            ...options,
            errors: [{ path, message: 'was published before with other content' }],
          })
    case sqlstate.programLimitExceeded:
      return new PostriderError('too_large', message, {
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
    case sqlstate.invalidDatetimeFormat:
    case sqlstate.datetimeFieldOverflow:
      return invalidField('timestamp', 'is no time that there is', options)
    case sqlstate.statementTooComplex:
      return invalidField('data', 'is nested deeper than 64 levels', options)
    case sqlstate.invalidSchemaName:
    case sqlstate.undefinedFunction:
      return new PostriderError(
        'internal',
        "The database has no schema of Postrider, or that of an older release: run 'postrider migrate', or migrate().",
        options,
      )
    default:
      return error
  }
}

function fieldError(message: string, path: string, options: ErrorOptions): PostriderError {
  return new PostriderError('validation_failed', message, {
    ...options,
    errors: [{ path, message: message.startsWith(`${path} `) ? message.slice(path.length + 1) : message }],
  })
}

/** As text: what a driver makes of a Date, and in which time zone, is not the same in each. */
function toTime(timestamp: Date | string | undefined): string | null {
  return timestamp instanceof Date ? timestamp.toISOString() : (timestamp ?? null)
}

export function toJson(value: unknown): string {
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
