import type { Clock } from '../clock.ts'
import { invalidField, notFound } from '../contract/errors.ts'
import { type ApiKey, type CreatedApiKey, type KeyRole, NewApiKey } from '../contract/projects.ts'
import { validate } from '../contract/validate.ts'
import type { Transactable } from '../database/database.ts'
import { type Page, type PageRequest, readPage } from '../database/page.ts'
import { violatedConstraint } from '../database/sqlstate.ts'
import { newId } from '../ids.ts'
import { generateKey, hashOfKey, idOfKey, isSameHash, noHash } from './api-key.ts'
import { KeyUses } from './key-uses.ts'

/** Who a key speaks for. */
export interface KeyOwner {
  id: string
  project_id: string
  name: string
  role: KeyRole
}

interface StoredKey extends KeyOwner {
  key_hash: Buffer
  last_used_at: Date | null
}

/** The last moment that RFC 3339 can tell: an offset may carry the year 9999 over. */
const lastMoment = new Date('9999-12-31T23:59:59.999Z')

export class ApiKeys {
  readonly #database: Transactable
  readonly #clock: Clock
  readonly #uses: KeyUses

  constructor({ database, clock }: { database: Transactable; clock: Clock }) {
    this.#database = database
    this.#clock = clock
    this.#uses = new KeyUses({ database, clock })
  }

  /** The answer holds the key itself, this once. */
  async create(projectId: string, input: NewApiKey): Promise<CreatedApiKey> {
    const { name, role, expires_at = null } = validate(NewApiKey, input)
    const expiry = expires_at === null ? null : this.#futureMoment(expires_at)
    const id = newId()
    const key = generateKey(id)
    try {
      const { rows } = await this.#database.query<ApiKey>(
        `INSERT INTO postrider.api_keys (id, project_id, name, role, key_hash, expires_at)
         VALUES ($1::uuid, $2::uuid, $3::text, $4::text, $5::bytea, $6::timestamptz)
         RETURNING id, name, role, expires_at, last_used_at, created_at`,
        [id, projectId, name, role, hashOfKey(key), expiry],
      )
      return { ...rows[0]!, key }
    } catch (error) {
      if (violatedConstraint(error) === 'api_keys_project_id_fkey') throw notFound('project')
      throw error
    }
  }

  list(projectId: string, page: PageRequest = {}): Promise<Page<ApiKey>> {
    return readPage<ApiKey>(
      this.#database,
      {
        columns: 'row.id, row.name, row.role, row.expires_at, row.last_used_at, row.created_at',
        from: 'postrider.api_keys',
        where: ['row.project_id = $1::uuid'],
        values: [projectId],
      },
      page,
    )
  }

  /** The key opens nothing any more from here on. */
  async delete(projectId: string, id: string): Promise<void> {
    const { rowCount } = await this.#database.query(
      `DELETE FROM postrider.api_keys
       WHERE project_id = $1::uuid
         AND id = $2::uuid`,
      [projectId, id],
    )
    if (rowCount === 0) throw notFound('API key')
  }

  /**
   * Whom a key belongs to, or `undefined` if it is none of ours. Asks the database each time, so that a key that was
   * revoked or whose time is over ends at once, in every process.
   */
  async authenticate(key: string): Promise<KeyOwner | undefined> {
    const id = idOfKey(key)
    if (id === undefined) return undefined
    const { rows } = await this.#database.query<StoredKey>(
      `SELECT id, project_id, name, role, key_hash, last_used_at
       FROM postrider.api_keys
       WHERE id = $1::uuid
         AND (expires_at IS NULL OR expires_at > $2::timestamptz)`,
      [id, this.#clock.now()],
    )
    // An id that names nothing takes the same steps as a wrong secret, and ends with the same answer.
    const isRight = isSameHash(rows[0]?.key_hash ?? noHash, hashOfKey(key))
    if (!rows[0] || !isRight) return undefined
    const { key_hash: _, last_used_at, ...owner } = rows[0]
    this.#uses.note(id, last_used_at)
    return owner
  }

  /** Writes now when keys were last used, which happens by itself a second later. */
  writeUses(): Promise<void> {
    return this.#uses.write()
  }

  #futureMoment(time: string): Date {
    const moment = new Date(time)
    if (moment > lastMoment) throw invalidField('expires_at', 'must lie in the years up to 9999')
    if (moment <= this.#clock.now()) throw invalidField('expires_at', 'must be in the future')
    return moment
  }
}
