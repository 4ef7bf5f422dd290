import type { routes, RouteName } from '../contract/routes.ts'

/** The calls that are made with a key. What browsers do with a session, and pages, are not among them. */
export type CallName = {
  [Name in RouteName]: (typeof routes)[Name]['access'] extends 'anyone' | 'session' ? never : Name
}[RouteName]

/** Those in a project, whose id comes first. */
export type ProjectCallName = {
  [Name in CallName]: (typeof routes)[Name]['path'] extends `/api/projects/{project_id}${string}`
    ? Name
    : never
}[CallName]

/**
 * Method, path and what is taken beside the ids of the path, each a `{}`; a path without a slash in front is that in a
 * project. `page` is the query of a list. `twice` may be sent again when it is not known whether it arrived.
 */
export type CallShape = readonly [
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  takes?: 'page' | 'query' | 'body' | undefined,
  is?: 'twice' | 'stream',
]

/** The table of routes as far as a client needs it; a test compares the two. */
export const calls = {
  createProject: ['POST', '/api/projects', 'body'],
  listProjects: ['GET', '/api/projects', 'page'],
  getProject: ['GET', ''],
  updateProject: ['PATCH', '', 'body'],
  deleteProject: ['DELETE', ''],

  createApiKey: ['POST', 'api-keys', 'body'],
  listApiKeys: ['GET', 'api-keys', 'page'],
  deleteApiKey: ['DELETE', 'api-keys/{}'],

  createApplication: ['POST', 'applications', 'body'],
  listApplications: ['GET', 'applications', 'page'],
  getApplication: ['GET', 'applications/{}'],
  deleteApplication: ['DELETE', 'applications/{}'],

  createWebhook: ['POST', 'webhooks', 'body'],
  listWebhooks: ['GET', 'webhooks', 'page'],
  testWebhookDraft: ['POST', 'webhooks/test', 'body'],
  previewWebhook: ['POST', 'webhooks/preview', 'body', 'twice'],
  listWebhookPresets: ['GET', 'webhook-presets'],
  getWebhook: ['GET', 'webhooks/{}'],
  updateWebhook: ['PATCH', 'webhooks/{}', 'body'],
  deleteWebhook: ['DELETE', 'webhooks/{}'],
  regenerateSecret: ['POST', 'webhooks/{}/regenerate-secret', 'body'],
  testWebhook: ['POST', 'webhooks/{}/test', 'body'],
  replayWebhook: ['POST', 'webhooks/{}/replay', 'body'],

  // Each event has an id, which makes it safe.
  publishEvent: ['POST', 'events', 'body', 'twice'],
  publishEvents: ['POST', 'events/batch', 'body', 'twice'],
  listEvents: ['GET', 'events', 'page'],
  getEvent: ['GET', 'events/{}'],
  eraseEvent: ['DELETE', 'events/{}'],
  streamEvents: ['GET', 'live/events', 'query', 'stream'],

  createEventType: ['POST', 'event-types', 'body'],
  listEventTypes: ['GET', 'event-types', 'page'],
  getEventType: ['GET', 'event-types/{}'],
  updateEventType: ['PATCH', 'event-types/{}', 'body'],
  deleteEventType: ['DELETE', 'event-types/{}'],
  listEventTypeVersions: ['GET', 'event-types/{}/versions'],

  listDeliveries: ['GET', 'deliveries', 'page'],
  getDelivery: ['GET', 'deliveries/{}'],
  listAttempts: ['GET', 'deliveries/{}/attempts'],
  retryDelivery: ['POST', 'deliveries/{}/retry'],
  cancelDelivery: ['POST', 'deliveries/{}/cancel'],
  listDeliveriesOfWebhook: ['GET', 'webhooks/{}/deliveries', 'page'],
  getDeliveryOfWebhook: ['GET', 'webhooks/{}/deliveries/{}'],
  listAttemptsOfWebhook: ['GET', 'webhooks/{}/deliveries/{}/attempts'],
  retryDeliveryOfWebhook: ['POST', 'webhooks/{}/deliveries/{}/retry'],
  cancelDeliveryOfWebhook: ['POST', 'webhooks/{}/deliveries/{}/cancel'],
  listFilteredDeliveries: ['GET', 'webhooks/{}/filtered-deliveries', 'page'],
  streamDeliveries: ['GET', 'live', undefined, 'stream'],

  createJob: ['POST', 'jobs', 'body'],
  listJobs: ['GET', 'jobs', 'page'],
  getJob: ['GET', 'jobs/{}'],
  stopJob: ['DELETE', 'jobs/{}'],

  getStatistics: ['GET', 'statistics', 'query'],
  getWebhookStatistics: ['GET', 'webhooks/{}/statistics', 'query'],
  listWebhookSummaries: ['GET', 'statistics/webhooks', 'page'],
  getFailures: ['GET', 'statistics/failures', 'query'],
  getEventTypeVolumes: ['GET', 'statistics/event-types', 'query'],
  search: ['GET', 'search', 'query'],
  listAuditLog: ['GET', 'audit-log', 'page'],

  createInvitation: ['POST', 'invitations', 'body'],
  listInvitations: ['GET', 'invitations', 'page'],
  deleteInvitation: ['DELETE', 'invitations/{}'],
  listMembers: ['GET', 'members', 'page'],
  updateMember: ['PATCH', 'members/{}', 'body'],
  removeMember: ['DELETE', 'members/{}'],

  listUsers: ['GET', '/api/users', 'page'],
  updateUser: ['PATCH', '/api/users/{}', 'body'],
  createPasswordLink: ['POST', '/api/users/{}/password-link'],
  listAllAuditLogs: ['GET', '/api/admin/audit-log', 'page'],
  cleanUp: ['POST', '/api/admin/webhooks/cleanup', 'query', 'twice'],
  retryStuck: ['POST', '/api/admin/webhooks/retry-stuck', undefined, 'twice'],
} as const satisfies Record<CallName, CallShape>
