import type { Database } from '../database/database.ts'
import { reseal, type StoredCredentials } from './credentials.ts'
import { type Cipher, isSealed, sealedForm } from './secrets.ts'

/** How many webhooks are read at a time; each is written by itself. */
const batchSize = 100

export interface Reencryption {
  webhooks: number
  values: number
  /** Values that no key of ours opens; they stay as they are. */
  unopened: { webhookId: string; place: string; error: unknown }[]
}

/**
 * Encrypts the secrets and header values of webhooks that were stored before there was encryption. A secret of more than
 * about 140 bytes stays as it is: encrypted it would not fit its column. The sender takes it all the same.
 * Answers how many webhooks were changed.
 */
export async function sealPlainSecrets(database: Database, cipher: Cipher): Promise<number> {
  const { webhooks } = await reencrypt(database, cipher, { form: sealedForm(), isCurrent: isSealed })
  return webhooks
}

/**
 * Encrypts with the newest key what is stored under any other, and what is still in the clear, while processes that
 * have both keys go on. Interrupted, it goes on where it was when it is called again.
 */
export function rotateKeys(
  database: Database,
  cipher: Cipher,
  onProgress: (sofar: Reencryption) => void = () => {},
): Promise<Reencryption> {
  const form = sealedForm(cipher.newestId)
  const current = new RegExp(form)
  return reencrypt(database, cipher, { form, isCurrent: (stored) => current.test(stored) }, onProgress)
}

/** The values that are as they should be: in SQL and here. */
interface Current {
  form: string
  isCurrent: (stored: string) => boolean
}

/** Safe to do again and by several processes at once. */
async function reencrypt(
  database: Database,
  cipher: Cipher,
  current: Current,
  onProgress: (sofar: Reencryption) => void = () => {},
): Promise<Reencryption> {
  const sofar: Reencryption = { webhooks: 0, values: 0, unopened: [] }
  let after = '00000000-0000-0000-0000-000000000000'
  for (;;) {
    const rows = await readOthers(database, after, current.form)
    const last = rows.at(-1)
    if (!last) return sofar
    for (const row of rows) await reencryptRow(database, cipher, { row, current, sofar })
    after = last.webhook_id
    onProgress(sofar)
  }
}

type Row = StoredCredentials & { headers_text: string | null }

/** A row that somebody changed in between is read again: what they wrote stays. */
async function reencryptRow(
  database: Database,
  cipher: Cipher,
  { row, current, sofar }: { row: Row; current: Current; sofar: Reencryption },
): Promise<void> {
  let stands: Row | undefined = row
  while (stands) {
    const { credentials, changed, unopened } = reseal(stands, cipher, current.isCurrent)
    if (changed === 0 || (await replace(database, stands, credentials))) {
      sofar.webhooks += changed > 0 ? 1 : 0
      sofar.values += changed
      sofar.unopened.push(...unopened.map((value) => ({ webhookId: row.webhook_id, ...value })))
      return
    }
    stands = await readRow(database, row.webhook_id)
  }
}

async function readOthers(database: Database, after: string, form: string): Promise<Row[]> {
  const { rows } = await database.queryPatiently<Row>(
    `SELECT id AS webhook_id, project_id, secret, previous_secret, previous_secret_expires_at, headers,
       headers::text AS headers_text
     FROM postrider.webhooks
     WHERE id > $1::uuid
       AND (
         secret !~ $2::text
         OR previous_secret !~ $2::text
         OR EXISTS (
           SELECT
           FROM jsonb_each(headers) AS header
           WHERE jsonb_typeof(header.value) <> 'string'
             OR header.value #>> '{}' !~ $2::text
         )
       )
     ORDER BY id
     LIMIT ${batchSize}`,
    [after, form],
  )
  return rows
}

async function readRow(database: Database, webhookId: string): Promise<Row | undefined> {
  const { rows } = await database.query<Row>(
    `SELECT id AS webhook_id, project_id, secret, previous_secret, previous_secret_expires_at, headers,
       headers::text AS headers_text
     FROM postrider.webhooks
     WHERE id = $1::uuid`,
    [webhookId],
  )
  return rows[0]
}

/**
 * Answers whether the row still was as it had been read. It is not changed for those who look: `updated_at` stays. The
 * setting holds until the statement ends, and is set before a row is written, since the row is joined to it.
 */
async function replace(database: Database, before: Row, after: StoredCredentials): Promise<boolean> {
  const { rowCount } = await database.query(
    `WITH quiet AS MATERIALIZED (
       SELECT set_config('postrider.reencrypting', 'on', true)
     )
     UPDATE postrider.webhooks AS webhook
     SET secret = $5::text,
         previous_secret = $6::text,
         headers = $7::jsonb
     FROM quiet
     WHERE webhook.id = $1::uuid
       AND webhook.secret = $2::text
       AND webhook.previous_secret IS NOT DISTINCT FROM $3::text
       AND webhook.headers IS NOT DISTINCT FROM $4::jsonb`,
    [
      before.webhook_id,
      before.secret,
      before.previous_secret,
      before.headers_text,
      after.secret,
      after.previous_secret,
      after.headers && JSON.stringify(after.headers),
    ],
  )
  return rowCount === 1
}
