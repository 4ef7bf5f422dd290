import { PostriderError } from '../contract/errors.ts'
import type { Database } from '../database/database.ts'
import { sealed, type StoredCredentials } from './credentials.ts'
import { type Binding, type Cipher, sealedForm } from './secrets.ts'

const batchSize = 100

/**
 * Finds out at the start, not at the first delivery, that a key is missing.
 *
 * @throws {PostriderError} `internal`, naming the ids of keys that stored secrets need and `cipher` does not have
 */
export async function requireKeys(database: Database, cipher: Cipher): Promise<void> {
  const { rows } = await database.query<Sample>(
    `SELECT DISTINCT ON (split_part(stored, '.', 2))
       split_part(stored, '.', 2) AS key_id,
       stored,
       webhook.project_id,
       webhook.id AS webhook_id,
       place.column,
       place.header
     FROM postrider.webhooks AS webhook
     CROSS JOIN LATERAL (
       SELECT webhook.secret, 'secret', NULL::text
       UNION ALL
       SELECT webhook.previous_secret, 'previous_secret', NULL
       UNION ALL
       SELECT header.value, 'headers', header.key
       FROM jsonb_each_text(webhook.headers) AS header
     ) AS place (stored, "column", header)
     WHERE stored ~ $1::text`,
    [sealedForm],
  )
  const missing = rows.filter(({ key_id }) => !cipher.has(key_id))
  if (missing.length > 0) {
    throw new PostriderError(
      'internal',
      `Stored secrets need the encryption key ${missing.map(({ key_id }) => `"${key_id}"`).join(', ')}, which is not among the keys given: add it to them.`,
    )
  }
  // A key of the same id may be another key: one secret of each is opened.
  for (const { stored, project_id, webhook_id, column, header } of rows) {
    cipher.unseal(stored, {
      projectId: project_id,
      webhookId: webhook_id,
      column,
      ...(header !== null && { header }),
    })
  }
}

interface Sample {
  key_id: string
  stored: string
  project_id: string
  webhook_id: string
  column: Binding['column']
  header: string | null
}

/**
 * Encrypts the secrets and header values of webhooks that were stored before there was encryption; answers how many
 * webhooks. Safe to do again and by several processes at once. A secret of more than about 140 bytes stays as it is:
 * encrypted it would not fit its column. The sender takes it all the same.
 */
export async function sealPlainSecrets(database: Database, cipher: Cipher): Promise<number> {
  let changed = 0
  let after = '00000000-0000-0000-0000-000000000000'
  for (;;) {
    const batch = await sealBatch(database, cipher, after)
    changed += batch.changed
    if (batch.last === undefined) return changed
    after = batch.last
  }
}

function sealBatch(
  database: Database,
  cipher: Cipher,
  after: string,
): Promise<{ changed: number; last: string | undefined }> {
  return database.transaction(async (transaction) => {
    const { rows } = await transaction.query<StoredCredentials>(
      `SELECT id AS webhook_id, project_id, secret, previous_secret, previous_secret_expires_at, headers
       FROM postrider.webhooks
       WHERE id > $1::uuid
         AND (
           secret !~ $3::text
           OR previous_secret !~ $3::text
           OR EXISTS (
             SELECT
             FROM jsonb_each(headers) AS header
             WHERE jsonb_typeof(header.value) <> 'string'
               OR header.value #>> '{}' !~ $3::text
           )
         )
       ORDER BY id
       LIMIT $2::integer
       FOR NO KEY UPDATE`,
      [after, batchSize, sealedForm],
    )
    let changed = 0
    for (const row of rows) {
      const credentials = sealed(row, cipher)
      if (!credentials) continue
      changed += 1
      await transaction.query(
        `UPDATE postrider.webhooks
         SET secret = $2::text,
             previous_secret = $3::text,
             headers = $4::jsonb
         WHERE id = $1::uuid`,
        [
          row.webhook_id,
          credentials.secret,
          credentials.previous_secret,
          credentials.headers && JSON.stringify(credentials.headers),
        ],
      )
    }
    return { changed, last: rows.at(-1)?.webhook_id }
  })
}
