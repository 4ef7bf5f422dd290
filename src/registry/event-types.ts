import { invalidField, notFound, PostriderError } from '../contract/errors.ts'
import {
  EventTypeChanges,
  type EventTypeVersion,
  type JsonSchema,
  NewEventType,
  type RegisteredEventType,
} from '../contract/event-types.ts'
import { validate } from '../contract/validate.ts'
import type { Queryable, Transactable } from '../database/database.ts'
import { type Page, type PageRequest, readPage } from '../database/page.ts'
import { sqlstate, sqlstateOf, violatedConstraint } from '../database/sqlstate.ts'
import type { DefinedEvents } from '../event-types/define.ts'
import { checkDefinition } from '../event-types/definition.ts'
import { planSync, refuseBreaking, type SyncPlan } from '../event-types/plan.ts'
import { exactJson } from './exact-json.ts'

/** `schema` and `example` as they were sent, where that is known: no digit of them passes through a double. */
export interface JsonTexts {
  schema?: string | undefined
  example?: string | undefined
}

type Row = Omit<RegisteredEventType, 'schema' | 'example'> & {
  id: string
  schema: string | null
  example: string | null
}

const columns = `row.id, row.name, row.description, row.schema::text AS schema, row.example::text AS example,
  row.deprecated, row.retention_days, row.version, row.created_at, row.updated_at`

/**
 * The types that a project says something of. Publishing checks data against the schema of its type from the moment on at
 * which a change here is committed, in every process.
 */
export class EventTypes {
  readonly #database: Transactable

  constructor({ database }: { database: Transactable }) {
    this.#database = database
  }

  /** @throws {PostriderError} `already_exists`; `validation_failed` for a schema or an example that cannot be used */
  async create(projectId: string, input: NewEventType, texts: JsonTexts = {}): Promise<RegisteredEventType> {
    const given = validate(NewEventType, input)
    const { name, description = null, schema = null, example = null, deprecated = false } = given
    const { retention_days = null } = given
    checkDefinition({ schema, example })
    try {
      const { rows } = await this.#database.query<Row>(
        `INSERT INTO postrider.webhook_event_types AS row (
           project_id, name, description, schema, example, deprecated, retention_days
         )
         VALUES ($1::uuid, $2::text, $3::text, $4::jsonb, $5::jsonb, $6::boolean, $7::integer)
         RETURNING ${columns}`,
        [
          projectId,
          name,
          description,
          textOf(schema, texts.schema),
          textOf(example, texts.example),
          deprecated,
          retention_days,
        ],
      )
      return shown(rows[0]!)
    } catch (error) {
      throw describe(error)
    }
  }

  async list(projectId: string, page: PageRequest = {}): Promise<Page<RegisteredEventType>> {
    const { rows, next_cursor } = await readPage<Row>(
      this.#database,
      {
        columns,
        from: 'postrider.webhook_event_types',
        where: ['row.project_id = $1::uuid'],
        values: [projectId],
      },
      page,
    )
    return { rows: rows.map(shown), next_cursor }
  }

  async get(projectId: string, name: string): Promise<RegisteredEventType> {
    return shown(await find(this.#database, projectId, name))
  }

  /**
   * Changes what is named and leaves the rest. A schema that is another one than before is a new version; the example must
   * fit the schema as both are afterwards.
   */
  async update(
    projectId: string,
    name: string,
    input: EventTypeChanges,
    texts: JsonTexts = {},
  ): Promise<RegisteredEventType> {
    const changes = validate(EventTypeChanges, input)
    if (Object.keys(changes).length === 0) return this.get(projectId, name)
    return this.#database.transaction(async (transaction) => {
      const before = await find(transaction, projectId, name, 'FOR UPDATE')
      const schema = changes.schema === undefined ? before.schema : textOf(changes.schema, texts.schema)
      const example = changes.example === undefined ? before.example : textOf(changes.example, texts.example)
      if (changes.schema !== undefined || changes.example !== undefined) {
        checkDefinition({
          schema: changes.schema === undefined ? parsed(schema) : changes.schema,
          example: changes.example === undefined ? parsed(example) : changes.example,
        })
      }
      try {
        const { rows } = await transaction.query<Row>(
          `UPDATE postrider.webhook_event_types AS row
           SET name = $3::text,
               description = $4::text,
               schema = $5::jsonb,
               example = $6::jsonb,
               deprecated = $7::boolean,
               retention_days = $8::integer
           WHERE row.project_id = $1::uuid
             AND row.name = $2::text
           RETURNING ${columns}`,
          [
            projectId,
            name,
            changes.name ?? before.name,
            changes.description === undefined ? before.description : changes.description,
            schema,
            example,
            changes.deprecated ?? before.deprecated,
            changes.retention_days === undefined ? before.retention_days : changes.retention_days,
          ],
        )
        return shown(rows[0]!)
      } catch (error) {
        throw describe(error)
      }
    })
  }

  /** The example of a type as JSON, to the digit; undefined, if there is none. */
  async exampleText(projectId: string, name: string): Promise<string | undefined> {
    const { rows } = await this.#database.query<{ example: string | null }>(
      `SELECT example::text AS example
       FROM postrider.webhook_event_types
       WHERE project_id = $1::uuid
         AND name = $2::text`,
      [projectId, name],
    )
    return rows[0]?.example ?? undefined
  }

  /** Events of this type can still be published, with any data. Its versions go with it. */
  async delete(projectId: string, name: string): Promise<void> {
    const { rowCount } = await this.#database.query(
      `DELETE FROM postrider.webhook_event_types
       WHERE project_id = $1::uuid
         AND name = $2::text`,
      [projectId, name],
    )
    if (rowCount === 0) throw notFound('event type')
  }

  /** The newest 100 versions of its schema, newest first. */
  versions(projectId: string, name: string): Promise<EventTypeVersion[]> {
    return this.#database.transaction(async (transaction) => {
      const { id } = await find(transaction, projectId, name)
      const { rows } = await transaction.query<Omit<EventTypeVersion, 'schema'> & { schema: string | null }>(
        `SELECT version, schema::text AS schema, created_at
         FROM postrider.webhook_event_type_versions
         WHERE event_type_id = $1::uuid
         ORDER BY version DESC
         LIMIT 100`,
        [id],
      )
      return rows.map((row) => ({ ...row, schema: jsonOf(row.schema) as JsonSchema | null }))
    })
  }

  /**
   * Brings the registry of a project to what code defines; types that code does not name are left alone. Safe to call from
   * any number of processes as they start. Each type is changed by itself: what went before an error stays.
   *
   * @throws {PostriderError} `conflict`, before anything is changed, for a change that is breaking, unless `force` is set
   */
  async sync(
    projectId: string,
    events: DefinedEvents,
    { force = false }: { force?: boolean | undefined } = {},
  ): Promise<SyncPlan> {
    const plan = planSync(await this.#all(projectId), events.definitions)
    if (!force) refuseBreaking(plan)
    for (const { kind, name, definition } of plan.changes) {
      if (kind === 'create') await this.#createOrUpdate(projectId, definition)
      else if (kind === 'update') await this.update(projectId, name, definition)
    }
    return plan
  }

  /** Another process may have made it meanwhile. */
  async #createOrUpdate(projectId: string, definition: NewEventType): Promise<void> {
    try {
      await this.create(projectId, definition)
    } catch (error) {
      if (!(error instanceof PostriderError) || error.code !== 'already_exists') throw error
      await this.update(projectId, definition.name, definition)
    }
  }

  async #all(projectId: string): Promise<RegisteredEventType[]> {
    const types: RegisteredEventType[] = []
    let cursor: string | undefined
    do {
      const { rows, next_cursor } = await this.list(projectId, { limit: 100, cursor })
      types.push(...rows)
      cursor = next_cursor ?? undefined
    } while (cursor !== undefined)
    return types
  }
}

async function find(
  queryable: Queryable,
  projectId: string,
  name: string,
  lock: 'FOR UPDATE' | '' = '',
): Promise<Row> {
  const { rows } = await queryable.query<Row>(
    `SELECT ${columns}
     FROM postrider.webhook_event_types AS row
     WHERE row.project_id = $1::uuid
       AND row.name = $2::text
     ${lock}`,
    [projectId, name],
  )
  if (!rows[0]) throw notFound('event type')
  return rows[0]
}

function shown({ id: _, schema, example, ...row }: Row): RegisteredEventType {
  return { ...row, schema: jsonOf(schema) as JsonSchema | null, example: jsonOf(example) }
}

function jsonOf(text: string | null): unknown {
  return text === null ? null : exactJson(text)
}

/** For checking, as publishing reads data: in doubles. */
function parsed(text: string | null): JsonSchema | null {
  return text === null ? null : (JSON.parse(text) as JsonSchema)
}

function textOf(value: unknown, text: string | undefined): string | null {
  return value === null ? null : (text ?? JSON.stringify(value))
}

function describe(error: unknown): unknown {
  const options = { cause: error }
  switch (violatedConstraint(error)) {
    case 'webhook_event_types_pkey':
      return new PostriderError('already_exists', 'There is an event type with this name in this project.', {
        ...options,
        errors: [{ path: 'name', message: 'is taken' }],
      })
    case 'webhook_event_types_project_id_fkey':
    case 'event_type_registries_project_id_fkey':
      return notFound('project')
    case 'event_type_registries_types_check':
      return invalidField(
        'name',
        'would be the 2,001st event type of this project: it can have 2,000',
        options,
      )
    case 'event_type_registries_schema_bytes_check':
      return invalidField(
        'schema',
        'would make the schemas of this project more than 4 MiB together',
        options,
      )
    default:
      return sqlstateOf(error) === sqlstate.untranslatableCharacter
        ? invalidField('', 'a value holds the character \\u0000, which PostgreSQL cannot store', options)
        : error
  }
}
