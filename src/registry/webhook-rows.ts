import { notFound } from '../contract/errors.ts'
import { invalid } from '../contract/validate.ts'
import type { Webhook } from '../contract/webhooks.ts'
import type { Queryable } from '../database/database.ts'
import { violatedConstraint } from '../database/sqlstate.ts'
import type { ShapeSource } from '../shape/shape.ts'
import type { StoredCredentials } from './credentials.ts'
import { policyColumn, policyValues, type StoredPolicy } from './webhook-policy.ts'

/** A webhook as its row has it: of its policy only what it says itself, and its public keys as long as they stand there. */
export type WebhookRow = Omit<Webhook, 'policy' | 'signature_scheme' | 'public_keys' | 'disables_at'> & {
  policy: StoredPolicy
  public_key: string | null
  previous_public_key: string | null
  previous_secret_expires_at: Date | null
}
export type StoredWebhook = WebhookRow & StoredCredentials

const ofFailing = 'FROM postrider.failing_webhooks AS failing WHERE failing.webhook_id = row.id'
const ofBreaker =
  'FROM postrider.webhook_breakers AS breaker WHERE breaker.webhook_id = row.id AND breaker.ends_at > now()'

/** What an answer shows of a row; never a secret, never the value of a header. */
export const shown = `row.id, row.project_id, row.name, row.url, row.event_types, row.application_id, row.environment_name,
  row.is_active, row.disabled_reason, row.operational, row.description,
  (SELECT failing.since ${ofFailing}) AS failing_since,
  (SELECT breaker.opened_at ${ofBreaker}) AS down_since,
  (SELECT breaker.probe_at ${ofBreaker}) AS next_probe_at,
  ARRAY(SELECT name FROM jsonb_object_keys(row.headers) AS name ORDER BY name COLLATE "C") AS header_names,
  ${policyColumn}, row.payload_template, row.filter, row.public_key, row.previous_public_key, row.previous_secret_expires_at,
  row.created_at, row.updated_at, row.created_by_id`

export const credentials = `row.id AS webhook_id, row.secret, row.previous_secret, row.headers`

interface NewRow extends Pick<
  WebhookRow,
  | 'project_id'
  | 'name'
  | 'url'
  | 'event_types'
  | 'application_id'
  | 'environment_name'
  | 'description'
  | 'is_active'
  | 'operational'
  | 'policy'
  | 'payload_template'
  | 'filter'
  | 'public_key'
  | 'created_by_id'
> {
  webhook_id: string
  /** Encrypted, as the values of `headers`. */
  secret: string
  headers: Record<string, string>
}

export async function insert(queryable: Queryable, webhook: NewRow): Promise<WebhookRow> {
  try {
    const { rows } = await queryable.query<WebhookRow>(
      `INSERT INTO postrider.webhooks AS row (
         id, project_id, name, url, event_types, application_id, environment_name, description, is_active, operational,
         secret, public_key, headers, retry_seconds, timeout_ms, max_in_flight, rate_per_second, ordered,
         payload_template, filter, created_by_id
       )
       VALUES (
         $1::uuid, $2::uuid, $3::text, $4::text, $5::jsonb, $6::uuid, $7::text, $8::text, $9::boolean, $10::boolean,
         $11::text, $12::text, $13::jsonb, $14::integer[], $15::integer, $16::integer, $17::double precision,
         $18::boolean, $19::json, $20::text, $21::uuid
       )
       RETURNING ${shown}`,
      [
        webhook.webhook_id,
        webhook.project_id,
        webhook.name,
        webhook.url,
        JSON.stringify(webhook.event_types),
        webhook.application_id,
        webhook.environment_name,
        webhook.description,
        webhook.is_active,
        webhook.operational,
        webhook.secret,
        webhook.public_key,
        JSON.stringify(webhook.headers),
        ...policyValues(webhook.policy),
        ...shapeValues(webhook),
        webhook.created_by_id,
      ],
    )
    return rows[0]!
  } catch (error) {
    throw describe(error)
  }
}

/** The row of a webhook, held until the transaction ends. Publishers, which only need it to exist, do not wait for it. */
export async function lock(transaction: Queryable, projectId: string, id: string): Promise<StoredWebhook> {
  const { rows } = await transaction.query<StoredWebhook>(
    `SELECT ${shown}, ${credentials}
     FROM postrider.webhooks AS row
     WHERE row.project_id = $1::uuid
       AND row.id = $2::uuid
     FOR NO KEY UPDATE`,
    [projectId, id],
  )
  if (!rows[0]) throw notFound('webhook')
  return rows[0]
}

export async function store(
  transaction: Queryable,
  webhook: WebhookRow,
  headers: Record<string, string> | undefined,
): Promise<WebhookRow> {
  try {
    const { rows } = await transaction.query<WebhookRow>(
      `UPDATE postrider.webhooks AS row
       SET name = $2::text,
           url = $3::text,
           event_types = $4::jsonb,
           application_id = $5::uuid,
           environment_name = $6::text,
           description = $7::text,
           is_active = $8::boolean,
           disabled_reason = $9::text,
           headers = COALESCE($10::jsonb, row.headers),
           retry_seconds = $11::integer[],
           timeout_ms = $12::integer,
           max_in_flight = $13::integer,
           rate_per_second = $14::double precision,
           ordered = $15::boolean,
           payload_template = $16::json,
           filter = $17::text,
           operational = $18::boolean
       WHERE id = $1::uuid
       RETURNING ${shown}`,
      [
        webhook.id,
        webhook.name,
        webhook.url,
        JSON.stringify(webhook.event_types),
        webhook.application_id,
        webhook.environment_name,
        webhook.description,
        webhook.is_active,
        webhook.disabled_reason,
        headers === undefined ? null : JSON.stringify(headers),
        ...policyValues(webhook.policy),
        ...shapeValues(webhook),
        webhook.operational,
      ],
    )
    return rows[0]!
  } catch (error) {
    throw describe(error)
  }
}

/** The template as the text that it is, so that its members keep their order. */
function shapeValues({ payload_template, filter }: ShapeSource): unknown[] {
  return [payload_template === null ? null : JSON.stringify(payload_template), filter]
}

/** What a violated constraint means to the caller. */
function describe(error: unknown): unknown {
  switch (violatedConstraint(error)) {
    case 'webhooks_application_id_fkey':
      return invalid([{ path: 'application_id', message: 'names no application of this project' }])
    case 'webhooks_project_id_fkey':
      return notFound('project')
    default:
      return error
  }
}
