import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Transaction } from '../adapters/transaction.ts'
import { type FieldError, PostriderError } from '../contract/errors.ts'
import type { JsonSchema } from '../contract/event-types.ts'
import { invalid } from '../contract/validate.ts'
import { checkSchema } from '../event-types/check.ts'
import { compileSchema, type DataCheck, UnusableSchema } from '../event-types/compile.ts'
import { noRegistry, readRegistry, readSchemas, type Registry } from './schema-reader.ts'

/**
 * Checks what is published against the schemas of its types, before it goes to the database.
 *
 * What a process remembers of a project's schemas has the number of its registry, and the statement that publishes does
 * nothing if the number is another one by then. So a change holds at once in every process, without a question before
 * each publishing, and without anybody who listens: for a project without schemas all there is to it is the comparison of
 * 0 with the number of a row that does not exist, 16 µs of the 750 of one event. A cache with an end would be wrong for as
 * long as it lasts, and cost a round trip for each event of a project that publishes seldom.
 */
export class EventSchemas {
  readonly #database: Transaction
  /** By project: what was last seen. A project that is not here has none, until publishing says otherwise. */
  readonly #registries = new LRUCache<string, Registry>({
    maxSize: 100_000,
    sizeCalculation: ({ hashes }) => 1 + hashes.size,
  })
  /** By the hash of the schema's text: the same schema anywhere is compiled once. */
  readonly #checks = new LRUCache<string, DataCheck>({
    maxSize: 32 * 1_048_576,
    sizeCalculation: ({ size }) => size,
  })

  readonly #looking = new Set<string>()

  constructor(database: Transaction) {
    this.#database = database
  }

  /**
   * Publishes by `publish`, which gets the number of the registry that the events were checked against, and throws
   * `RegistryChanged` if that is another one by now; with null it publishes whatever the number is.
   *
   * @throws {PostriderError} `validation_failed`, with the place in the data of the first event that does not fit
   */
  async publishing<Result>(
    events: EventsToCheck,
    publish: (revision: string | null) => Promise<Result>,
    view: View,
  ): Promise<Result> {
    const projectId = (events.projectId ?? '').toLowerCase()
    let registry = this.#registries.get(projectId) ?? noRegistry
    for (let tries = 1; ; tries += 1) {
      try {
        const refusal = await this.#refusalOf(events, registry, view.reader)
        // Where the statement never sees what we see, as in an old snapshot, what was checked last counts.
        if (!refusal) return await publish(tries > maxTries ? null : registry.revision)
        // No statement compares the number of what is refused.
        const seen = await this.#look(projectId, view)
        if (seen.revision === registry.revision || tries > maxTries) throw refusal
        registry = seen
      } catch (error) {
        if (!(error instanceof RegistryChanged)) throw error
        if (tries > maxTries) throw changing(error)
        registry = await this.#look(projectId, view)
      }
    }
  }

  /** The same for what is sent without being published. */
  async checkNow(events: EventsToCheck, reader: Transaction): Promise<void> {
    const view = { reader, isCommitted: true }
    await this.publishing(
      events,
      async (revision) => {
        const seen = await readRegistry(reader, events.projectId ?? '')
        if (revision !== null && seen.revision !== revision) throw new RegistryChanged()
      },
      view,
    )
  }

  async #look(projectId: string, { reader, isCommitted }: View): Promise<Registry> {
    const registry = await readRegistry(reader, projectId)
    if (isCommitted) this.#registries.set(projectId, registry)
    else this.#lookLater(projectId)
    return registry
  }

  #lookLater(projectId: string): void {
    if (this.#looking.has(projectId)) return
    this.#looking.add(projectId)
    void readRegistry(this.#database, projectId)
      .then((registry) => this.#registries.set(projectId, registry))
      .catch(() => {}) // The next one who publishes looks again.
      .finally(() => this.#looking.delete(projectId))
  }

  async #refusalOf(
    events: EventsToCheck,
    registry: Registry,
    reader: Transaction,
  ): Promise<PostriderError | undefined> {
    if (registry.hashes.size === 0) return undefined
    const given = events.list()
    const checks = await this.#checksFor(given, registry, { projectId: events.projectId ?? '', reader })
    let sliceEndsAtMs = performance.now() + sliceMs
    for (const [index, { type, data, bytes }] of given.entries()) {
      const hash = registry.hashes.get(type)
      if (hash === undefined) continue
      const misfits = checks.get(hash)!.misfits(data, bytes)
      if (misfits.length > 0) return invalid(misfits.map((misfit) => events.at(index, misfit)))
      if (performance.now() < sliceEndsAtMs) continue
      // A thousand events may take long: others go on in between.
      await nextTurn()
      sliceEndsAtMs = performance.now() + sliceMs
    }
    return undefined
  }

  /** By hash, those that these events need. */
  async #checksFor(
    events: readonly EventToCheck[],
    { hashes }: Registry,
    source: { projectId: string; reader: Transaction },
  ): Promise<Map<string, DataCheck>> {
    const checks = new Map<string, DataCheck>()
    const missing = new Map<string, string>()
    for (const { type } of events) {
      const hash = hashes.get(type)
      if (hash === undefined || checks.has(hash)) continue
      const check = this.#checks.get(hash)
      if (check) checks.set(hash, check)
      else missing.set(type, hash)
    }
    if (missing.size === 0) return checks
    const texts = await readSchemas(source.reader, source.projectId, [...missing.keys()])
    for (const [type, hash] of missing) {
      const text = texts.get(type)
      if (text === undefined || hashOf(text) !== hash) throw new RegistryChanged()
      if (checks.has(hash)) continue
      const check = checkOf(JSON.parse(text) as JsonSchema)
      checks.set(hash, check)
      this.#checks.set(hash, check)
      await nextTurn()
    }
    return checks
  }
}

const maxTries = 4
const sliceMs = 10

function changing(cause: RegistryChanged): PostriderError {
  return new PostriderError(
    'unavailable',
    'The schemas of this project change all the time. Try again in 1 s.',
    {
      cause,
      retryAfterSeconds: 1,
    },
  )
}

/** The number of the registry is another one than that of what was checked: nothing was published. */
export class RegistryChanged extends Error {
  override readonly name = 'RegistryChanged'
}

/** Where the schemas are read. */
interface View {
  reader: Transaction
  /** What a transaction of the caller's sees may never be so for others, who look for themselves, beside it. */
  isCommitted: boolean
}

export interface EventToCheck {
  type: string
  data: unknown
  /** The length of `data` as JSON. */
  bytes: number
}

export interface EventsToCheck {
  /** Missing, or no id at all, there is nothing to check: publishing refuses it. */
  projectId: string | undefined
  /** Asked for only where a project has schemas. */
  list(): readonly EventToCheck[]
  /** What is wrong with the data of one of them, as the caller's own path says it: `events[3].data.total`. */
  at(index: number, problem: FieldError): FieldError
}

/** Of the text alone, whichever project it belongs to: nobody finds another text with the hash of a given one. */
function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** What SQL wrote into the table passed no check: data of a type whose schema cannot be used is refused. */
function checkOf(schema: JsonSchema): DataCheck {
  try {
    const [problem] = checkSchema(schema)
    if (!problem) return compileSchema(schema)
    return refusing(`the schema of its type ${problem.path} ${problem.message}`)
  } catch (error) {
    if (!(error instanceof UnusableSchema)) throw error
    return refusing(`the schema of its type ${error.message}`)
  }
}

function refusing(why: string): DataCheck {
  return { size: 1_024, misfits: () => [{ path: 'data', message: `cannot be checked: ${why}` }] }
}
