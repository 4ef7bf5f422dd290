import Type, { type Static } from 'typebox'
import { usualPolicy, WebhookPolicy, WebhookPolicyChanges } from './policy.ts'
import { newShapeFields, shapeChanges, shapeFields } from './shaping.ts'
import {
  EventType,
  EventTypePattern,
  FreeText,
  Moment,
  Name,
  nullable,
  oneOf,
  optional,
  strict,
  Time,
  Uuid,
} from './text.ts'

/** A webhook: where the events of a project are sent, and which of them. */

export const disabledReasons = ['gone', 'failing', 'application_deleted', 'invalid_url'] as const

const fields = {
  name: Name,
  url: Type.String({
    maxLength: 2048,
    description: 'Where the events are sent. https, unless the server allows http; a public address.',
    examples: ['https://example.com/webhooks'],
  }),
  event_types: Type.Array(EventTypePattern, {
    minItems: 1,
    maxItems: 1000,
    description: 'Which events it gets: those that match any of these.',
    examples: [['config.*', 'user.created']],
  }),
  application_id: Type.With(nullable(Uuid), {
    description: 'If set, it gets only events of this application.',
  }),
  environment_name: Type.With(nullable(Name), {
    description: 'If set, it gets only events of this environment.',
  }),
  description: nullable(FreeText),
  headers: Type.Unsafe<Record<string, string>>({
    type: 'object',
    additionalProperties: { type: 'string' },
    description:
      'Added to each request. They cannot replace the headers that Postrider or the connection sets. At most 32, names and values together at most 4096 bytes. Stored encrypted and never shown again.',
    examples: [{ 'x-api-token': 'token of the receiver' }],
  }),
  is_active: Type.Boolean({ description: 'Only an active one gets events.' }),
  operational: Type.Boolean({
    description:
      'It gets what Postrider tells of itself (`webhook.disabled`, `webhook.failing`, `delivery.failed`, `backlog.high`), and no events of applications. All others never get those.',
  }),
  signature_scheme: oneOf(['v1', 'v1a'], {
    description:
      'How its requests are signed (Standard Webhooks): `v1` is HMAC-SHA256 with a secret that the receiver shares, `v1a` Ed25519 with a private key that never leaves the server; receivers verify with its public key. `regenerate-secret` changes it.',
  }),
}

const PublicKey = Type.String({
  description: 'An Ed25519 public key: `whpk_` and the base64 of its 32 bytes.',
  examples: ['whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4='],
})

export type Webhook = Static<typeof Webhook>
export const Webhook = strict(
  {
    id: Uuid,
    project_id: Uuid,
    name: fields.name,
    url: fields.url,
    event_types: fields.event_types,
    application_id: fields.application_id,
    environment_name: fields.environment_name,
    is_active: fields.is_active,
    disabled_reason: Type.With(nullable(oneOf(disabledReasons)), {
      description:
        'Why it is inactive, if nobody made it so: the receiver answered 410 (`gone`), every attempt failed for days (`failing`), its application was deleted, or its URL has no host.',
    }),
    operational: fields.operational,
    failing_since: Type.With(nullable(Moment), {
      description:
        'Since when every attempt has failed; null while it is well. Attempts are counted within half a minute.',
    }),
    disables_at: Type.With(nullable(Moment), {
      description: 'When it becomes inactive if every attempt goes on failing.',
    }),
    down_since: Type.With(nullable(Moment), {
      description:
        'Since when its endpoint has been down: no more than a delivery a minute goes out, until some are accepted again. null while it is up.',
    }),
    next_probe_at: Type.With(nullable(Moment), {
      description: 'While it is down: when the next delivery may go out.',
    }),
    description: fields.description,
    header_names: Type.Array(Type.String(), {
      description: 'Names of its own headers; values are never shown.',
    }),
    policy: WebhookPolicy,
    ...shapeFields,
    signature_scheme: fields.signature_scheme,
    public_keys: Type.Array(PublicKey, {
      description:
        'What verifies its `v1a` signatures: the public key, and during an overlap the one before, newest first. Empty for `v1`.',
    }),
    previous_secret_expires_at: Type.With(nullable(Moment), {
      description:
        'Until when the secret before signs too; null while there is no overlap of `regenerate-secret`.',
    }),
    created_at: Moment,
    updated_at: Moment,
    created_by_id: nullable(Uuid),
  },
  {
    title: 'Webhook',
    examples: [
      {
        id: '019a8c2e-51c4-7b0e-8f3d-6a1d2c9b7e40',
        project_id: '019a8c2e-0a3b-7d5c-9e1f-4b7a8c2d6e90',
        name: 'Billing',
        url: 'https://example.com/webhooks',
        event_types: ['config.*'],
        application_id: null,
        environment_name: 'production',
        is_active: true,
        disabled_reason: null,
        operational: false,
        failing_since: null,
        disables_at: null,
        down_since: null,
        next_probe_at: null,
        description: null,
        header_names: ['x-api-token'],
        policy: usualPolicy,
        payload_template: null,
        filter: null,
        signature_scheme: 'v1',
        public_keys: [],
        previous_secret_expires_at: null,
        created_at: '2026-11-24T09:00:00.000Z',
        updated_at: '2026-11-24T09:00:00.000Z',
        created_by_id: null,
      },
    ],
  },
)

const Secret = Type.String({
  maxLength: 100,
  description:
    'Signs each request (Standard Webhooks): `whsec_` and the base64 of 24 to 64 bytes; for `v1a` `whsk_` and the base64 of an Ed25519 seed and its public key.',
  examples: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
})

export type CreatedWebhook = Static<typeof CreatedWebhook>
export const CreatedWebhook = strict(
  {
    ...Webhook.properties,
    secret: Type.With(nullable(Secret), {
      description: 'Shown this once. null for `v1a`, where receivers need only one of `public_keys`.',
    }),
  },
  { title: 'CreatedWebhook' },
)

const optionalFields = {
  event_types: optional(fields.event_types, { default: ['*'] }),
  application_id: optional(fields.application_id, { default: null }),
  environment_name: optional(fields.environment_name, { default: null }),
  description: optional(fields.description, { default: null }),
  headers: optional(fields.headers, { default: {} }),
  is_active: optional(fields.is_active, { default: true }),
  operational: optional(fields.operational, { default: false }),
  policy: optional(WebhookPolicyChanges),
  ...newShapeFields,
  signature_scheme: optional(fields.signature_scheme, { default: 'v1' }),
  secret: optional(Secret, {
    description:
      'A secret of the caller: `whsec_` and the base64 of 24 to 64 bytes, or for `v1a` `whsk_` and the base64 of an Ed25519 seed and its public key. Without it one is made.',
  }),
}

export type NewWebhook = Static<typeof NewWebhook>
export const NewWebhook = strict(
  { name: fields.name, url: fields.url, ...optionalFields },
  {
    title: 'NewWebhook',
    examples: [{ name: 'Billing', url: 'https://example.com/webhooks', event_types: ['config.*'] }],
  },
)

export type WebhookChanges = Static<typeof WebhookChanges>
export const WebhookChanges = strict(
  {
    name: optional(fields.name),
    url: optional(fields.url),
    event_types: optional(fields.event_types),
    application_id: optional(fields.application_id),
    environment_name: optional(fields.environment_name),
    description: optional(fields.description),
    headers: optional(fields.headers, { description: 'Replaces all of its own headers.' }),
    is_active: optional(fields.is_active),
    operational: optional(fields.operational),
    policy: optional(WebhookPolicyChanges),
    ...shapeChanges,
  },
  { title: 'WebhookChanges', examples: [{ is_active: false }] },
)

export type SecretRotation = Static<typeof SecretRotation>
export const SecretRotation = strict(
  {
    overlap_seconds: optional(Type.Integer({ minimum: 0, maximum: 604_800 }), {
      default: 86_400,
      description: 'How long the secret before signs too; 0 ends it at once.',
    }),
    signature_scheme: optional(fields.signature_scheme, {
      description:
        'What the new secret is for; without it, the scheme stays. During the overlap both schemes sign.',
    }),
  },
  { title: 'SecretRotation', examples: [{ overlap_seconds: 86_400 }] },
)

export type RotatedSecret = Static<typeof RotatedSecret>
export const RotatedSecret = strict(
  {
    secret: Type.With(nullable(Secret), {
      description: 'The new secret, shown this once; null for `v1a`.',
    }),
    public_key: Type.With(nullable(PublicKey), {
      description: 'What verifies with it, for `v1a`; null for `v1`.',
    }),
    previous_expires_at: Type.With(nullable(Moment), {
      description: 'Until then the secret before signs too; null when it ended at once.',
    }),
  },
  { title: 'RotatedSecret' },
)

const testFields = {
  type: optional(EventType, { default: 'webhook.test' }),
  data: optional(Type.Unknown({ description: 'Any JSON.' })),
}

export type WebhookTest = Static<typeof WebhookTest>
export const WebhookTest = strict(testFields, {
  title: 'WebhookTest',
  examples: [{ type: 'config.deployed', data: { version: 7 } }],
})

/** A test of a webhook that is not stored: what creates one, and what the test sends. */
export type WebhookDraft = Static<typeof WebhookDraft>
export const WebhookDraft = strict(
  { name: optional(fields.name), url: fields.url, ...optionalFields, ...testFields },
  { title: 'WebhookDraft', examples: [{ url: 'https://example.com/webhooks', type: 'config.deployed' }] },
)

export type TestResult = Static<typeof TestResult>
export const TestResult = strict(
  {
    success: Type.Boolean({ description: 'The receiver answered 2xx.' }),
    response_status: nullable(Type.Integer()),
    response_time_ms: nullable(Type.Integer()),
    message: optional(Type.String({ description: 'On success: what happened, in words.' })),
    error: optional(Type.String({ description: 'Otherwise: what went wrong, in words.' })),
  },
  { title: 'TestResult' },
)

export type NewReplay = Static<typeof NewReplay>
export const NewReplay = strict(
  {
    since: Type.With(Time, { description: 'Deliveries created at this moment or later.' }),
    until: optional(Time, { description: 'Deliveries created before this moment; without it, up to now.' }),
    status: optional(oneOf(['failed', 'delivered']), { default: 'failed' }),
    event_types: optional(fields.event_types, { description: 'Only deliveries of these events.' }),
    dry_run: optional(Type.Boolean(), { default: false, description: 'Only count.' }),
  },
  { title: 'NewReplay', examples: [{ since: '2026-11-24T00:00:00.000Z', dry_run: true }] },
)

export type Replay = Static<typeof Replay>
export const Replay = strict(
  {
    count: Type.Integer({ minimum: 0, description: 'How many deliveries are sent again.' }),
  },
  { title: 'Replay' },
)
