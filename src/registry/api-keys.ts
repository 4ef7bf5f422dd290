import { notFound } from '../contract/errors.ts'
import { type ApiKey, type CreatedApiKey, type KeyRole, NewApiKey } from '../contract/projects.ts'
import { validate } from '../contract/validate.ts'
import type { Database } from '../database/database.ts'
import { type Page, type PageRequest, readPage } from '../database/page.ts'
import { violatedConstraint } from '../database/sqlstate.ts'
import { newId } from '../ids.ts'
import { generateKey, hashOfKey, idOfKey, isSameHash } from './api-key.ts'

/** Who a key speaks for. */
export interface KeyOwner {
  id: string
  project_id: string
  role: KeyRole
}

export class ApiKeys {
  readonly #database: Database

  constructor({ database }: { database: Database }) {
    this.#database = database
  }

  /** The answer holds the key itself, this once. */
  async create(projectId: string, input: NewApiKey): Promise<CreatedApiKey> {
    const { name, role } = validate(NewApiKey, input)
    const id = newId()
    const key = generateKey(id)
    try {
      const { rows } = await this.#database.query<ApiKey>(
        `INSERT INTO postrider.api_keys (id, project_id, name, role, key_hash)
         VALUES ($1::uuid, $2::uuid, $3::text, $4::text, $5::bytea)
         RETURNING id, name, role, created_at`,
        [id, projectId, name, role, hashOfKey(key)],
      )
      const { created_at, ...created } = rows[0]!
      return { ...created, key, created_at }
    } catch (error) {
      if (violatedConstraint(error) === 'api_keys_project_id_fkey') throw notFound('project')
      throw error
    }
  }

  list(projectId: string, page: PageRequest = {}): Promise<Page<ApiKey>> {
    return readPage<ApiKey>(
      this.#database,
      {
        columns: 'row.id, row.name, row.role, row.created_at',
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

  /** Whom a key belongs to, or `undefined` if it is none of ours. Asks the database, so that a revoked key ends at once. */
  async authenticate(key: string): Promise<KeyOwner | undefined> {
    const id = idOfKey(key)
    if (id === undefined) return undefined
    const { rows } = await this.#database.query<KeyOwner & { key_hash: Buffer }>(
      `SELECT id, project_id, role, key_hash
       FROM postrider.api_keys
       WHERE id = $1::uuid`,
      [id],
    )
    if (!rows[0] || !isSameHash(rows[0].key_hash, hashOfKey(key))) return undefined
    const { key_hash: _, ...owner } = rows[0]
    return owner
  }
}
