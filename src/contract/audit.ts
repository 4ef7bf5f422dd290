import Type, { type Static } from 'typebox'
import { FreeText, Moment, nullable, oneOf, strict, Uuid } from './text.ts'

/** Who changed what. Entries are written in the transaction of the change itself, and never changed. */

export const actorKinds = ['api_key', 'user', 'admin', 'system', 'sql'] as const

export const AuditActor = strict(
  {
    kind: oneOf(actorKinds, {
      description:
        '`system` is Postrider itself, such as when an endpoint answered 410; `sql` a change that was made in SQL or from code, by the role `name`.',
    }),
    id: Type.With(nullable(Type.String()), { description: 'Of the API key or user.' }),
    name: Type.With(nullable(Type.String()), { description: 'As it was called then.' }),
  },
  { title: 'AuditActor' },
)

export const AuditAction = Type.With(FreeText, {
  examples: ['webhook.updated'],
  description: 'The kind of thing and what was done with it.',
})

const Fields = (description: string) =>
  Type.Unsafe<Record<string, unknown> | null>({
    anyOf: [{ type: 'object', additionalProperties: true }, { type: 'null' }],
    description,
  })

export type AuditEntry = Static<typeof AuditEntry>
export const AuditEntry = strict(
  {
    id: Uuid,
    created_at: Moment,
    project_id: nullable(Uuid),
    action: AuditAction,
    resource_type: Type.With(nullable(Type.String()), { examples: ['webhook'] }),
    resource_id: Type.With(nullable(Type.String()), {
      description: 'Of event types, the name.',
      examples: ['019a8c2e-51c4-7b0e-8f3d-6a1d2c9b7e40'],
    }),
    actor: AuditActor,
    before: Fields(
      'What it was: all of a thing that was deleted, of a thing that was changed what is different.',
    ),
    after: Fields(
      'What it is since. Of secrets and the values of headers it says at most that they were `changed`.',
    ),
    address: Type.With(nullable(Type.String()), { description: 'Where the call came from.' }),
    request_id: Type.With(nullable(Type.String()), { description: 'The `x-request-id` of the call.' }),
  },
  {
    title: 'AuditEntry',
    examples: [
      {
        id: '019a8c2e-9a31-7d05-b1c6-2f4e8d7a9c13',
        created_at: '2026-11-24T09:31:02.514Z',
        project_id: '019a8c2e-40aa-7f1b-9d2e-5c7b1a3f8e06',
        action: 'webhook.updated',
        resource_type: 'webhook',
        resource_id: '019a8c2e-51c4-7b0e-8f3d-6a1d2c9b7e40',
        actor: { kind: 'api_key', id: '019a8c2e-4b02-7a6d-8c11-9e0d3f5b7a24', name: 'shop backend' },
        before: { is_active: true },
        after: { is_active: false },
        address: '203.0.113.7',
        request_id: '019a8c2e-9a2f-7b3c-a4d5-6e7f80912a3b',
      },
    ],
  },
)
