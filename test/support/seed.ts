import type { Queryable } from '../../src/database/database.ts'
import { generateSecret } from '../../src/registry/secret.ts'

/** Rows that tests begin with, written as plainly as they come. */

export async function insertProject(database: Queryable, name = 'project'): Promise<string> {
  const { rows } = await database.query<{ id: string }>(
    `INSERT INTO postrider.projects (name)
     VALUES ($1::text)
     RETURNING id`,
    [name],
  )
  return rows[0]!.id
}

export async function insertApplication(
  database: Queryable,
  projectId: string,
  id: string | null = null,
): Promise<string> {
  const { rows } = await database.query<{ id: string }>(
    `INSERT INTO postrider.applications (project_id, name, id)
     VALUES ($1::uuid, 'application', COALESCE($2::uuid, postrider.uuid_generate_v7()))
     RETURNING id`,
    [projectId, id],
  )
  return rows[0]!.id
}

export interface WebhookSeed {
  projectId: string
  url?: string
  /** In the clear; the engine takes it for one from before encryption. */
  secret?: string
  eventTypes?: readonly string[]
  applicationId?: string | null
  environmentName?: string | null
  isActive?: boolean
}

export async function insertWebhook(database: Queryable, seed: WebhookSeed): Promise<string> {
  const { rows } = await database.query<{ id: string }>(
    `INSERT INTO postrider.webhooks (
       project_id, name, url, secret, event_types, application_id, environment_name, is_active
     )
     VALUES ($1::uuid, 'webhook', $2::text, $3::text, $4::jsonb, $5::uuid, $6::text, $7::boolean)
     RETURNING id`,
    [
      seed.projectId,
      seed.url ?? 'https://example.com/webhooks',
      seed.secret ?? generateSecret(),
      JSON.stringify(seed.eventTypes ?? ['*']),
      seed.applicationId ?? null,
      seed.environmentName ?? null,
      seed.isActive ?? true,
    ],
  )
  return rows[0]!.id
}
