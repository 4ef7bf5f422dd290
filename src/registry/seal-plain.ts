import { PostriderError } from '../contract/errors.ts'
import type { Database } from '../database/database.ts'
import { sealed, type StoredCredentials } from './credentials.ts'
import { type Cipher, sealedForm } from './secrets.ts'

const batchSize = 100

/**
 * Finds out at the start, not at the first delivery, that a key is missing.
 *
 * @throws {PostriderError} `internal`, naming the ids of keys that stored secrets need and `cipher` does not have
 */
export async function requireKeys(database: Database, cipher: Cipher): Promise<void> {
  const { rows } = await database.query<{ id: string }>(
    `SELECT DISTINCT split_part(stored, '.', 2) AS id
     FROM postrider.webhooks AS webhook
     CROSS JOIN LATERAL (
       SELECT webhook.secret
       UNION ALL
       SELECT webhook.previous_secret
       UNION ALL
       SELECT header.value
       FROM jsonb_each_text(webhook.headers) AS header
     ) AS sealed (stored)
     WHERE stored ~ $1::text`,
    [sealedForm],
  )
  const missing = rows.map(({ id }) => id).filter((id) => !cipher.has(id))
  if (missing.length === 0) return
  throw new PostriderError(
    'internal',
    `Stored secrets need the encryption key ${missing.map((id) => `"${id}"`).join(', ')}, which is not among the keys given: add it to them.`,
  )
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
