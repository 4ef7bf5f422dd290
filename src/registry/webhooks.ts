import type { AddressPolicy } from '../address.ts'
import type { Clock } from '../clock.ts'
import { notFound, PostriderError } from '../contract/errors.ts'
import { usualPolicy } from '../contract/policy.ts'
import { validate } from '../contract/validate.ts'
import {
  type CreatedWebhook,
  NewWebhook,
  type RotatedSecret,
  SecretRotation,
  type Webhook,
  WebhookChanges,
  WebhookDraft,
} from '../contract/webhooks.ts'
import type { Queryable, Transactable } from '../database/database.ts'
import { type Page, type PageRequest, readPage } from '../database/page.ts'
import { newId } from '../ids.ts'
import type { ShapeSource } from '../shape/shape.ts'
import { isOverlapping, ownHeaders, sealHeaders, sealSecret, signingSecrets } from './credentials.ts'
import { generateSecret, publicKeyOf, type SignatureScheme } from './secret.ts'
import type { Cipher } from './secrets.ts'
import { activity, checkReactivated, disablesAt, unharmed } from './webhook-activity.ts'
import { changedPolicy, type DefaultPolicy, noPolicy, wholePolicy } from './webhook-policy.ts'
import {
  credentials,
  insert,
  lock,
  shown,
  store,
  type StoredWebhook,
  type WebhookRow,
} from './webhook-rows.ts'
import { checkSettings } from './webhook-rules.ts'

export interface WebhooksOptions {
  database: Transactable
  cipher: Cipher
  policy: AddressPolicy
  clock: Clock
  /** What holds where a webhook has no policy of its own: six tries, 10 s, 8 at once if not given. */
  defaultPolicy?: DefaultPolicy
  /** Who makes webhooks, if it is a user. */
  createdById?: string | undefined
  /** A webhook becomes inactive when every attempt has failed for so long; 0 for never. 5 days if not given. */
  disableFailingDays?: number | undefined
  /** Called in the transaction that makes an inactive webhook active again. */
  onReactivate: (transaction: Queryable, webhookId: string) => Promise<void>
}

/** Where a test goes, and what signs it. */
export interface WebhookTarget {
  projectId: string
  url: string
  /** Newest first. */
  secrets: string[]
  headers: Record<string, string>
  application_id: string | null
  environment_name: string | null
  timeout_ms: number
  /** Which events it gets, and as what. */
  shape: ShapeSource
}

export class Webhooks {
  readonly #database: Transactable
  readonly #cipher: Cipher
  readonly #policy: AddressPolicy
  readonly #clock: Clock
  readonly #defaultPolicy: DefaultPolicy
  readonly #createdById: string | undefined
  readonly #disableFailingDays: number
  readonly #onReactivate: WebhooksOptions['onReactivate']

  constructor({
    database,
    cipher,
    policy,
    clock,
    defaultPolicy = usualPolicy,
    createdById,
    disableFailingDays = 5,
    onReactivate,
  }: WebhooksOptions) {
    this.#database = database
    this.#cipher = cipher
    this.#policy = policy
    this.#clock = clock
    this.#defaultPolicy = defaultPolicy
    this.#createdById = createdById
    this.#disableFailingDays = disableFailingDays
    this.#onReactivate = onReactivate
  }

  /** The answer holds the secret, this once; a private key (`v1a`) it does not hold. */
  async create(projectId: string, input: NewWebhook): Promise<CreatedWebhook> {
    const settings = checkSettings(validate(NewWebhook, input), this.#policy)
    const row = { webhook_id: newId(), project_id: projectId }
    const secret = settings.secret ?? generateSecret(settings.signature_scheme)
    const public_key = publicKeyOf(secret)
    const webhook = await insert(this.#database, {
      ...row,
      name: settings.name,
      url: settings.url,
      event_types: settings.event_types ?? ['*'],
      application_id: settings.application_id ?? null,
      environment_name: settings.environment_name ?? null,
      description: settings.description ?? null,
      is_active: settings.is_active ?? true,
      operational: settings.operational ?? false,
      secret: sealSecret(row, 'secret', { secret, cipher: this.#cipher }),
      public_key,
      headers: sealHeaders(row, settings.headers ?? {}, this.#cipher),
      policy: changedPolicy(noPolicy, settings.policy),
      payload_template: settings.payload_template ?? null,
      filter: settings.filter ?? null,
      created_by_id: this.#createdById ?? null,
    })
    return { ...this.#whole(webhook), secret: public_key === null ? secret : null }
  }

  async list(projectId: string, page: PageRequest = {}): Promise<Page<Webhook>> {
    const { rows, next_cursor } = await readPage<WebhookRow>(
      this.#database,
      {
        columns: shown,
        from: 'postrider.webhooks',
        where: ['row.project_id = $1::uuid'],
        values: [projectId],
      },
      page,
    )
    return { rows: rows.map((row) => this.#whole(row)), next_cursor }
  }

  async get(projectId: string, id: string): Promise<Webhook> {
    const { rows } = await this.#database.query<WebhookRow>(
      `SELECT ${shown}
       FROM postrider.webhooks AS row
       WHERE row.project_id = $1::uuid
         AND row.id = $2::uuid`,
      [projectId, id],
    )
    if (!rows[0]) throw notFound('webhook')
    return this.#whole(rows[0])
  }

  /**
   * Changes what is named and leaves the rest; so does `policy` with its members, while `headers` replaces the whole
   * set. Made active or inactive by this call, a webhook has no `disabled_reason` any more.
   *
   * @throws {PostriderError} `conflict` for `is_active: true` while its application is deleted and not set anew
   */
  update(projectId: string, id: string, input: WebhookChanges): Promise<Webhook> {
    const changes = checkSettings(validate(WebhookChanges, input), this.#policy)
    return this.#database.transaction(async (transaction) => {
      const before = await lock(transaction, projectId, id)
      const policy = changedPolicy(before.policy, changes.policy)
      const after = { ...before, ...changes, ...activity(before, changes), policy }
      const isReactivated = after.is_active && !before.is_active
      // A row from before these rules may hold what they refuse: it stays inactive until that is changed.
      if (isReactivated) Object.assign(after, checkReactivated(after, this.#policy))
      const webhook = await store(
        transaction,
        after,
        changes.headers && sealHeaders(before, changes.headers, this.#cipher),
      )
      if (isReactivated) await this.#onReactivate(transaction, webhook.id)
      const isAnew = after.is_active !== before.is_active || after.url !== before.url
      return this.#whole(isAnew ? { ...webhook, ...unharmed } : webhook)
    })
  }

  /** The history of its deliveries goes with it. */
  async delete(projectId: string, id: string): Promise<void> {
    const { rowCount } = await this.#database.query(
      `DELETE FROM postrider.webhooks
       WHERE project_id = $1::uuid
         AND id = $2::uuid`,
      [projectId, id],
    )
    if (rowCount === 0) throw notFound('webhook')
  }

  /**
   * Replaces the secret, by one of another scheme if the call names one; the one before signs too until
   * `previous_expires_at`, or ends at once if `overlap_seconds` is 0.
   *
   * @throws {PostriderError} `conflict` during an overlap, unless `overlap_seconds` is 0: a third secret would cut off
   *   receivers that still verify with the first
   */
  regenerateSecret(projectId: string, id: string, input: SecretRotation = {}): Promise<RotatedSecret> {
    const { overlap_seconds = 86_400, signature_scheme } = validate(SecretRotation, input)
    return this.#database.transaction(async (transaction) => {
      const webhook = await lock(transaction, projectId, id)
      const now = this.#clock.now()
      if (overlap_seconds > 0 && isOverlapping(webhook, now)) {
        throw new PostriderError(
          'conflict',
          `The secret before is valid until ${webhook.previous_secret_expires_at!.toISOString()}: rotate again after that, or with overlap_seconds 0, which ends it at once.`,
        )
      }
      const secret = generateSecret(signature_scheme ?? schemeOf(webhook))
      const public_key = publicKeyOf(secret)
      const [current] = signingSecrets(webhook, this.#cipher, now)
      const previous = overlap_seconds > 0 ? { secret: current!, cipher: this.#cipher } : null
      const previous_expires_at = previous && new Date(now.getTime() + overlap_seconds * 1_000)
      await transaction.query(
        `UPDATE postrider.webhooks
         SET secret = $2::text,
             public_key = $3::text,
             previous_secret = $4::text,
             previous_public_key = $5::text,
             previous_secret_expires_at = $6::timestamptz
         WHERE id = $1::uuid`,
        [
          webhook.id,
          sealSecret(webhook, 'secret', { secret, cipher: this.#cipher }),
          public_key,
          previous && sealSecret(webhook, 'previous_secret', previous),
          previous && webhook.public_key,
          previous_expires_at,
        ],
      )
      return { secret: public_key === null ? secret : null, public_key, previous_expires_at }
    })
  }

  /** Where a test of a stored webhook goes. */
  async target(projectId: string, id: string): Promise<WebhookTarget> {
    const { rows } = await this.#database.query<StoredWebhook>(
      `SELECT ${shown}, ${credentials}
       FROM postrider.webhooks AS row
       WHERE row.project_id = $1::uuid
         AND row.id = $2::uuid`,
      [projectId, id],
    )
    if (!rows[0]) throw notFound('webhook')
    const { url, application_id, environment_name, policy, payload_template, filter } = this.#whole(rows[0])
    return {
      projectId: rows[0].project_id,
      url,
      secrets: signingSecrets(rows[0], this.#cipher, this.#clock.now()),
      headers: ownHeaders(rows[0], this.#cipher),
      application_id,
      environment_name,
      timeout_ms: policy.timeout_ms,
      shape: { payload_template, filter },
    }
  }

  /** Where a test of a draft goes; nothing of it is stored. The application need not exist yet. */
  draftTarget(projectId: string, draft: WebhookDraft): WebhookTarget {
    const settings = checkSettings(validate(WebhookDraft, draft), this.#policy)
    return {
      projectId,
      url: settings.url,
      secrets: [settings.secret ?? generateSecret(settings.signature_scheme)],
      headers: settings.headers ?? {},
      application_id: settings.application_id ?? null,
      environment_name: settings.environment_name ?? null,
      timeout_ms: settings.policy?.timeout_ms ?? this.#defaultPolicy.timeout_ms,
      shape: { payload_template: settings.payload_template ?? null, filter: settings.filter ?? null },
    }
  }

  #whole({ public_key, previous_public_key, previous_secret_expires_at, ...row }: WebhookRow): Webhook {
    const isOverlap = previous_secret_expires_at !== null && previous_secret_expires_at > this.#clock.now()
    const keys = [public_key, isOverlap ? previous_public_key : null]
    return {
      ...row,
      policy: wholePolicy(row.policy, this.#defaultPolicy),
      signature_scheme: schemeOf({ public_key }),
      public_keys: keys.filter((key) => key !== null),
      disables_at: disablesAt(row, this.#disableFailingDays),
      previous_secret_expires_at: isOverlap ? previous_secret_expires_at : null,
    }
  }
}

function schemeOf({ public_key }: Pick<WebhookRow, 'public_key'>): SignatureScheme {
  return public_key === null ? 'v1' : 'v1a'
}
