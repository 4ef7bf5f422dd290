import type { TSchema } from 'typebox'
import { maxBodyBytes } from './limits.ts'
import { PageQuery, pageOf } from './lists.ts'
import {
  CreatedInvitation,
  Invitation,
  LinkAcceptance,
  LinkDetails,
  Login,
  loginErrors,
  Member,
  MemberChanges,
  NewInvitation,
  OidcQuery,
  OpenLink,
  PasswordChange,
  PasswordLink,
  Session,
  SessionState,
  User,
  UserChanges,
} from './users.ts'

/** The calls about people: logging in, who is in a project, and who there is at all. */

const project = '/api/projects/{project_id}'
const body = <Shape extends TSchema>(shape: Shape) => ({ shape, maxBytes: maxBodyBytes })

const reasons = Object.entries(loginErrors)
  .map(([code, meaning]) => `\`${code}\`: ${meaning}`)
  .join(' ')

const login = {
  readSession: {
    method: 'GET',
    path: '/api/session',
    access: 'anyone',
    tag: 'Login',
    summary: 'Read who is logged in',
    description:
      '`session` is null for nobody. `login` says in which ways one can, besides by email and password.',
    answers: { 200: SessionState },
    errors: ['rate_limited', 'unavailable'],
  },
  logIn: {
    method: 'POST',
    path: '/api/session',
    access: 'anyone',
    tag: 'Login',
    summary: 'Log in',
    description:
      'By email and password, or by a key until there is an owner. Sets a cookie that scripts cannot read; with it every call can be made that the user or key may make, where those that change something need `csrf_token` in the header `x-csrf-token` and an `Origin` that is this server. A session ends 7 days after its last use and 30 days after the login; that of a key with the key.',
    body: body(Login),
    answers: { 201: SessionState },
    errors: ['unauthorized', 'forbidden', 'rate_limited', 'unavailable'],
  },
  logOut: {
    method: 'DELETE',
    path: '/api/session',
    access: 'anyone',
    tag: 'Login',
    summary: 'Log out',
    answers: { 204: null },
    errors: ['forbidden', 'rate_limited', 'unavailable'],
  },
  changePassword: {
    method: 'POST',
    path: '/api/session/password',
    access: 'session',
    tag: 'Login',
    summary: 'Change the password',
    description: 'All other sessions of the user end. A wrong `current_password` is 422.',
    body: body(PasswordChange),
    answers: { 204: null },
  },
  logInAtProvider: {
    method: 'GET',
    path: '/api/session/oidc',
    access: 'anyone',
    tag: 'Login',
    summary: 'Log in by single sign-on',
    description: 'For browsers: leads to the provider, and from there back. 404 where none is configured.',
    query: OidcQuery,
    answers: { 302: null },
    errors: ['not_found', 'rate_limited', 'unavailable'],
  },
  returnFromProvider: {
    method: 'GET',
    path: '/api/session/oidc/callback',
    access: 'anyone',
    tag: 'Login',
    summary: 'Come back from the provider',
    description: `Leads to the dashboard: logged in, or to \`login?error=\` and the reason (${reasons}). An email that the provider has verified takes up the invitations that wait for it; without a user or invitation nobody gets in, and nobody becomes owner. The password of a user there was opens nothing any more from then on.`,
    answers: { 302: null },
    errors: ['not_found', 'rate_limited', 'unavailable'],
  },
  listSessions: {
    method: 'GET',
    path: '/api/sessions',
    access: 'session',
    tag: 'Login',
    summary: 'List your sessions',
    query: PageQuery,
    answers: { 200: pageOf('sessions', Session) },
  },
  endOtherSessions: {
    method: 'DELETE',
    path: '/api/sessions',
    access: 'session',
    tag: 'Login',
    summary: 'End all of your sessions but this one',
    answers: { 204: null },
  },
  endSession: {
    method: 'DELETE',
    path: '/api/sessions/{session_id}',
    access: 'session',
    tag: 'Login',
    summary: 'End one of your sessions',
    description: 'It opens nothing any more from this moment on.',
    answers: { 204: null },
  },
  readLink: {
    method: 'POST',
    path: '/api/links/read',
    access: 'anyone',
    tag: 'Login',
    summary: 'Read what a link is for',
    description: 'One that was used, taken back or has expired is 404.',
    body: body(OpenLink),
    answers: { 200: LinkDetails },
    errors: ['not_found', 'rate_limited', 'unavailable'],
  },
  acceptLink: {
    method: 'POST',
    path: '/api/links/accept',
    access: 'anyone',
    tag: 'Login',
    summary: 'Accept an invitation, or set a password by a link',
    description:
      'Logs in, as `POST /api/session` does, and uses the link up. With `has_account` a wrong password is 401, and the link stays. An invitation of somebody who logs in by single sign-on is 409: that login accepts it.',
    body: body(LinkAcceptance),
    answers: { 201: SessionState },
    errors: ['unauthorized', 'forbidden', 'not_found', 'conflict', 'rate_limited', 'unavailable'],
  },
} as const

const ofProject = {
  createInvitation: {
    method: 'POST',
    path: `${project}/invitations`,
    access: 'manage',
    tag: 'People',
    summary: 'Invite somebody',
    description:
      'The answer shows the link this once; it expires after 7 days. Inviting the same email again makes a new link and ends the one before.',
    body: body(NewInvitation),
    answers: { 201: CreatedInvitation },
    errors: ['already_exists'],
  },
  listInvitations: {
    method: 'GET',
    path: `${project}/invitations`,
    access: 'view',
    tag: 'People',
    summary: 'List invitations',
    description: 'Those that nobody has accepted yet, expired ones too.',
    query: PageQuery,
    answers: { 200: pageOf('invitations', Invitation) },
  },
  deleteInvitation: {
    method: 'DELETE',
    path: `${project}/invitations/{invitation_id}`,
    access: 'manage',
    tag: 'People',
    summary: 'Take an invitation back',
    answers: { 204: null },
  },
  listMembers: {
    method: 'GET',
    path: `${project}/members`,
    access: 'view',
    tag: 'People',
    summary: 'List members',
    description: 'Owners are not among them, who may do everything in all projects.',
    query: PageQuery,
    answers: { 200: pageOf('members', Member) },
  },
  updateMember: {
    method: 'PATCH',
    path: `${project}/members/{user_id}`,
    access: 'manage',
    tag: 'People',
    summary: "Change a member's role",
    body: body(MemberChanges),
    answers: { 200: Member },
  },
  removeMember: {
    method: 'DELETE',
    path: `${project}/members/{user_id}`,
    access: 'manage',
    tag: 'People',
    summary: 'Remove a member',
    description: 'The project is closed to the user from this moment on. What the user made stays.',
    answers: { 204: null },
  },
} as const

const ofServer = {
  listUsers: {
    method: 'GET',
    path: '/api/users',
    access: 'admin',
    tag: 'People',
    summary: 'List users',
    query: PageQuery,
    answers: { 200: pageOf('users', User) },
  },
  updateUser: {
    method: 'PATCH',
    path: '/api/users/{user_id}',
    access: 'admin',
    tag: 'People',
    summary: 'Change a user',
    description: 'Whoever is the last owner stays one: 409.',
    body: body(UserChanges),
    answers: { 200: User },
    errors: ['conflict'],
  },
  createPasswordLink: {
    method: 'POST',
    path: '/api/users/{user_id}/password-link',
    access: 'admin',
    tag: 'People',
    summary: 'Make a link that sets a forgotten password anew',
    description: 'For the user alone: the answer shows it this once; it expires after 24 hours.',
    answers: { 201: PasswordLink },
  },
} as const

export const userRoutes = { ...login, ...ofProject, ...ofServer } as const
