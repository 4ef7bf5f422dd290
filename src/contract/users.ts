import Type, { type Static } from 'typebox'
import { KeyRole } from './projects.ts'
import { Email, FreeText, Moment, Name, nullable, oneOf, optional, strict, Uuid } from './text.ts'

/** People: how they log in, what they may do, and how they come in. */

/** No rules of composition: length is what makes one hard to guess. */
export const NewPassword = Type.With(FreeText, {
  minLength: 12,
  maxLength: 200,
  description: '12 to 200 characters, whichever.',
})

/** Whatever somebody types for theirs: a wrong one is refused as wrong, not as too short. */
const GivenPassword = Type.With(FreeText, { maxLength: 1_000 })

export type User = Static<typeof User>
export const User = strict(
  {
    id: Uuid,
    email: Email,
    name: nullable(Name),
    is_owner: Type.Boolean({ description: 'May do everything, in all projects, as the admin key may.' }),
    is_disabled: Type.Boolean({ description: 'Cannot log in.' }),
    has_password: Type.Boolean(),
    has_single_sign_on: Type.Boolean({ description: 'Has logged in by single sign-on before.' }),
    last_seen_at: Type.With(nullable(Moment), { description: 'Within the sessions that have not ended.' }),
    created_at: Moment,
  },
  { title: 'User' },
)

export type UserChanges = Static<typeof UserChanges>
export const UserChanges = strict(
  {
    name: optional(Name),
    is_owner: optional(Type.Boolean()),
    is_disabled: optional(Type.Boolean(), {
      description: 'True ends all sessions at once. What the user made stays.',
    }),
  },
  { title: 'UserChanges', examples: [{ is_disabled: true }] },
)

export type Member = Static<typeof Member>
export const Member = strict(
  { user_id: Uuid, email: Email, name: nullable(Name), role: KeyRole, created_at: Moment },
  { title: 'Member' },
)

export type MemberChanges = Static<typeof MemberChanges>
export const MemberChanges = strict(
  { role: KeyRole },
  { title: 'MemberChanges', examples: [{ role: 'publish' }] },
)

const invitation = {
  id: Uuid,
  email: Email,
  role: KeyRole,
  created_at: Moment,
  expires_at: Moment,
}

export type Invitation = Static<typeof Invitation>
export const Invitation = strict(invitation, { title: 'Invitation' })

const linkUrl = Type.String({
  description: 'Shown this once. What opens it stands behind the `#`, so that it reaches no log of a server.',
  examples: ['https://postrider.example.com/invitation#token=Zm9vYmFyYmF6'],
})

export type CreatedInvitation = Static<typeof CreatedInvitation>
export const CreatedInvitation = strict({ ...invitation, url: linkUrl }, { title: 'CreatedInvitation' })

export type NewInvitation = Static<typeof NewInvitation>
export const NewInvitation = strict(
  { email: Email, role: KeyRole },
  { title: 'NewInvitation', examples: [{ email: 'grace@example.com', role: 'view' }] },
)

export type PasswordLink = Static<typeof PasswordLink>
export const PasswordLink = strict({ url: linkUrl, expires_at: Moment }, { title: 'PasswordLink' })

/** 32 random bytes. */
const LinkToken = Type.With(FreeText, {
  minLength: 1,
  maxLength: 200,
  description: 'What stands behind `#token=` in the link.',
})

export type OpenLink = Static<typeof OpenLink>
export const OpenLink = strict(
  { token: LinkToken },
  { title: 'OpenLink', examples: [{ token: 'Zm9vYmFyYmF6Zm9vYmFyYmF6Zm9vYmFyYmF6Zm9vYmE' }] },
)

/** `owner` makes the owner, `member` lets into a project, `password` sets a forgotten password anew. */
export const linkKinds = ['owner', 'member', 'password'] as const

export type LinkDetails = Static<typeof LinkDetails>
export const LinkDetails = strict(
  {
    kind: oneOf(linkKinds, {
      description:
        '`owner` makes the owner, `member` lets into a project, `password` sets a forgotten password anew.',
    }),
    email: Type.With(nullable(Email), { description: 'Null for `owner`: whoever opens it says theirs.' }),
    project_name: Type.With(nullable(Name), { description: 'Of `member`.' }),
    role: Type.With(nullable(KeyRole), { description: 'Of `member`.' }),
    has_account: Type.Boolean({
      description:
        'There is a user with this email and a password already: accepting takes that password, not a new one.',
    }),
    expires_at: Moment,
  },
  { title: 'LinkDetails' },
)

export type LinkAcceptance = Static<typeof LinkAcceptance>
export const LinkAcceptance = strict(
  {
    token: LinkToken,
    email: optional(Email, { description: 'For `owner` only, and needed there.' }),
    name: optional(Name, { description: 'Of somebody new, who needs one.' }),
    password: Type.With(GivenPassword, {
      description: 'A new one of 12 to 200 characters, or with `has_account` and `member` the one there is.',
    }),
  },
  {
    title: 'LinkAcceptance',
    examples: [
      {
        token: 'Zm9vYmFyYmF6Zm9vYmFyYmF6Zm9vYmFyYmF6Zm9vYmE',
        name: 'Grace',
        password: 'correct horse battery staple',
      },
    ],
  },
)

export const sessionKinds = ['user', 'api_key', 'admin_key'] as const

export type SessionState = Static<typeof SessionState>
export const SessionState = strict(
  {
    session: nullable(
      strict(
        {
          id: Uuid,
          kind: oneOf(sessionKinds, {
            description: 'A user, or the key that was logged in with: a project key or the admin key.',
          }),
          user: Type.With(
            nullable(strict({ id: Uuid, email: Email, name: nullable(Name), has_password: Type.Boolean() })),
            { description: 'Null for keys.' },
          ),
          is_owner: Type.Boolean({
            description: 'May do everything, in all projects: the owner, or the admin key.',
          }),
          projects: Type.With(nullable(Type.Array(strict({ id: Uuid, name: Name, role: KeyRole }))), {
            description:
              'Where this session may do what. Null: everything in all of them, see `GET /api/projects`.',
          }),
          csrf_token: Type.String({
            description: 'Goes into the header `x-csrf-token` of every call that is not GET or HEAD.',
          }),
          expires_at: Type.With(Moment, { description: 'Moves on while it is used, 30 days in all.' }),
        },
        { title: 'CurrentSession' },
      ),
    ),
    login: strict(
      {
        key: Type.Boolean({ description: 'A key can log in: until there is an owner.' }),
        single_sign_on: Type.Boolean({ description: '`GET /api/session/oidc` leads to the provider.' }),
      },
      { title: 'LoginMethods' },
    ),
  },
  { title: 'SessionState' },
)

export type Login = Static<typeof Login>
export const Login = strict(
  {
    email: optional(Type.With(FreeText, { maxLength: 1_000 })),
    password: optional(GivenPassword),
    key: optional(Type.With(FreeText, { maxLength: 1_000 }), {
      description: 'Instead of both, until there is an owner: the admin key, or the key of a project.',
    }),
  },
  {
    title: 'Login',
    examples: [{ email: 'ada@example.com', password: 'correct horse battery staple' }],
  },
)

export type Session = Static<typeof Session>
export const Session = strict(
  {
    id: Uuid,
    is_current: Type.Boolean({ description: 'The one that this call is made with.' }),
    address: nullable(Type.String()),
    user_agent: nullable(Type.String()),
    last_used_at: Type.With(Moment, { description: 'To within five minutes or so.' }),
    expires_at: Moment,
    created_at: Moment,
  },
  { title: 'Session' },
)

export type PasswordChange = Static<typeof PasswordChange>
export const PasswordChange = strict(
  { current_password: GivenPassword, new_password: NewPassword },
  {
    title: 'PasswordChange',
    examples: [
      { current_password: 'correct horse battery staple', new_password: 'incorrect horse staple battery' },
    ],
  },
)

/** Where the provider sends people who could not be let in: `login?error=` and one of these. */
export const loginErrors = {
  failed: 'The provider did not answer as it should, or the login took longer than ten minutes.',
  refused: 'The provider says that the login was refused or given up.',
  unverified: 'The provider does not say that the email is verified.',
  domain: 'The domain of the email is not among those that may log in.',
  uninvited: 'There is no user or invitation with this email.',
  disabled: 'The user is disabled.',
} as const
export type LoginError = keyof typeof loginErrors

export const OidcQuery = strict({
  return_to: optional(Type.With(FreeText, { maxLength: 2_000 }), {
    description: 'The path in the dashboard to come back to, such as `/projects`.',
  }),
})
