import Type, { type Static } from 'typebox'
import { mostRetentionDays } from './limits.ts'
import { Moment, Name, nullable, oneOf, optional, strict, Time, Uuid } from './text.ts'

/** A project and what identifies its callers: keys and applications. */

const Days = Type.Integer({ minimum: 1, maximum: mostRetentionDays, examples: [90] })

/** What a project says of itself instead of the deployment. */
const rules = {
  retention_days: Type.With(nullable(Days), {
    description:
      'How long delivered and failed deliveries are kept, and their events; null: as long as the deployment says. An event type may say otherwise.',
  }),
  payload_retention_days: Type.With(nullable(Days), {
    description:
      'How long payloads are kept, and what receivers answered; null: as long as the history. What has no payload any more cannot be sent again.',
  }),
  backlog_limit: Type.With(nullable(Type.Integer({ minimum: 1, maximum: 2_147_483_647 })), {
    description:
      'How many deliveries may wait before publishing is refused with `backlog_full`; null: as many as the deployment says.',
  }),
}

const optionalRules = {
  retention_days: optional(rules.retention_days),
  payload_retention_days: optional(rules.payload_retention_days),
  backlog_limit: optional(rules.backlog_limit),
}

export type Project = Static<typeof Project>
export const Project = strict(
  { id: Uuid, name: Name, ...rules, created_at: Moment, updated_at: Moment },
  { title: 'Project' },
)

export type NewProject = Static<typeof NewProject>
export const NewProject = strict(
  { name: Name, ...optionalRules },
  { title: 'NewProject', examples: [{ name: 'Shop' }] },
)

export type ProjectChanges = Static<typeof ProjectChanges>
export const ProjectChanges = strict(
  { name: optional(Name), ...optionalRules },
  { title: 'ProjectChanges', examples: [{ name: 'Shop, Europe', retention_days: 90 }] },
)

/** What a project key may do; each may do what the ones before it may. */
export const keyRoles = ['view', 'publish', 'manage'] as const
export type KeyRole = (typeof keyRoles)[number]

export const KeyRole = oneOf(keyRoles, {
  description:
    '`view` reads everything of the project, `publish` publishes events too, `manage` does everything inside the project.',
})

const apiKey = {
  id: Uuid,
  name: Name,
  role: KeyRole,
  expires_at: Type.With(nullable(Moment), {
    description: 'From this moment on it opens nothing; null: it does not end by itself.',
  }),
  last_used_at: Type.With(nullable(Moment), {
    description: 'When it last opened a call, to within a minute or so; null: never.',
  }),
  created_at: Moment,
}

export type ApiKey = Static<typeof ApiKey>
export const ApiKey = strict(apiKey, { title: 'ApiKey' })

export type CreatedApiKey = Static<typeof CreatedApiKey>
export const CreatedApiKey = strict(
  { ...apiKey, key: Type.String({ description: 'Shown this once; only its hash is stored.' }) },
  { title: 'CreatedApiKey' },
)

export type NewApiKey = Static<typeof NewApiKey>
export const NewApiKey = strict(
  {
    name: Name,
    role: KeyRole,
    expires_at: optional(nullable(Time), {
      default: null,
      description:
        'A moment in the future from which on it opens nothing; without it, it ends when it is revoked.',
    }),
  },
  { title: 'NewApiKey', examples: [{ name: 'shop backend', role: 'publish' }] },
)

export type Application = Static<typeof Application>
export const Application = strict({ id: Uuid, name: Name, created_at: Moment }, { title: 'Application' })

export type NewApplication = Static<typeof NewApplication>
export const NewApplication = strict(
  {
    name: Name,
    id: optional(Uuid, {
      description: "The caller's own id for it; unique within the project only. Without it one is made.",
    }),
  },
  { title: 'NewApplication', examples: [{ name: 'checkout' }] },
)
