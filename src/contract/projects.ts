import Type, { type Static } from 'typebox'
import { Moment, Name, nullable, oneOf, optional, strict, Time, Uuid } from './text.ts'

/** A project and what identifies its callers: keys and applications. */

export type Project = Static<typeof Project>
export const Project = strict(
  { id: Uuid, name: Name, created_at: Moment, updated_at: Moment },
  { title: 'Project' },
)

export type NewProject = Static<typeof NewProject>
export const NewProject = strict({ name: Name }, { title: 'NewProject', examples: [{ name: 'Shop' }] })

export type ProjectChanges = Static<typeof ProjectChanges>
export const ProjectChanges = strict(
  { name: optional(Name) },
  { title: 'ProjectChanges', examples: [{ name: 'Shop, Europe' }] },
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
