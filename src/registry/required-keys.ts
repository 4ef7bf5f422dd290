import { PostriderError } from '../contract/errors.ts'
import type { Database } from '../database/database.ts'
import { type Binding, type Cipher, sealedForm } from './secrets.ts'

/** Every value that is stored encrypted, or ought to be: in which webhook, column and header it stands. */
const storedValues = `
  postrider.webhooks AS webhook
  CROSS JOIN LATERAL (
    SELECT webhook.secret, 'secret', NULL::text
    UNION ALL
    SELECT webhook.previous_secret, 'previous_secret', NULL
    WHERE webhook.previous_secret IS NOT NULL
    UNION ALL
    SELECT header.value, 'headers', header.key
    FROM jsonb_each_text(webhook.headers) AS header
  ) AS place (stored, "column", header)`

/** Of so many values under one key, one that opens is enough. */
const samples = 10

interface Sample {
  key_id: string
  stored: string
  project_id: string
  webhook_id: string
  column: Binding['column']
  header: string | null
}

/**
 * Finds out at the start, not at the first delivery, that a key is missing or is another one under the same id.
 *
 * @throws {PostriderError} `internal`, naming the ids of keys that stored secrets need and `cipher` does not have
 */
export async function requireKeys(database: Database, cipher: Cipher): Promise<void> {
  const { rows } = await database.queryPatiently<Sample>(
    `SELECT sample.key_id, sample.stored, sample.project_id, sample.webhook_id, sample.column, sample.header
     FROM (
       SELECT
         split_part(place.stored, '.', 2) AS key_id,
         place.stored,
         webhook.project_id,
         webhook.id AS webhook_id,
         place.column,
         place.header,
         ROW_NUMBER() OVER (PARTITION BY split_part(place.stored, '.', 2) ORDER BY webhook.id DESC) AS number
       FROM ${storedValues}
       WHERE place.stored ~ $1::text
     ) AS sample
     WHERE sample.number <= $2::integer
     ORDER BY sample.key_id, sample.number`,
    [sealedForm(), samples],
  )
  const byKey = Map.groupBy(rows, ({ key_id }) => key_id)
  const missing = [...byKey.keys()].filter((id) => !cipher.has(id))
  if (missing.length > 0) {
    throw new PostriderError(
      'internal',
      `Stored secrets need the encryption key ${missing.map((id) => `"${id}"`).join(', ')}, which is not among the keys given: add it to them.`,
    )
  }
  // A key of the same id may be another key. One value that was copied or damaged does not say so.
  for (const stored of byKey.values()) openAny(stored, cipher)
}

function openAny(stored: readonly Sample[], cipher: Cipher): void {
  const failures: unknown[] = []
  for (const sample of stored) {
    try {
      open(sample, cipher)
      return
    } catch (error) {
      failures.push(error)
    }
  }
  throw failures[0]
}

function open({ stored, project_id, webhook_id, column, header }: Sample, cipher: Cipher): void {
  cipher.unseal(stored, {
    projectId: project_id,
    webhookId: webhook_id,
    column,
    ...(header !== null && { header }),
  })
}

/** How many values each key encrypted, by its id; under `null` those that stand in the clear. */
export async function countByKey(database: Database): Promise<Map<string | null, number>> {
  const { rows } = await database.queryPatiently<{ key_id: string | null; count: number }>(
    `SELECT
       CASE WHEN place.stored ~ $1::text THEN split_part(place.stored, '.', 2) END AS key_id,
       COUNT(*)::integer AS count
     FROM ${storedValues}
     GROUP BY 1
     ORDER BY 1`,
    [sealedForm()],
  )
  return new Map(rows.map(({ key_id, count }) => [key_id, count]))
}
