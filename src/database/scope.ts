/** For whom a transaction runs: what it may see, and whose name stands in the audit log. */
export interface Scope {
  /** Row-level security shows and takes rows of this project alone. Without it, all. */
  projectId?: string | undefined
  /** Without one the audit log names the SQL role. */
  actor?: Actor | undefined
}

/** Who makes a change, as the audit log keeps it. */
export interface Actor {
  kind: 'admin' | 'api_key' | 'user' | 'system'
  id?: string | undefined
  name?: string | undefined
  /** Where the request came from, as far as it is known. */
  address?: string | undefined
  requestId?: string | undefined
}

/** The role that a project's transactions run as. It cannot log in, and row-level security holds it. */
export const tenantRole = 'postrider_tenant'

/**
 * What such a transaction begins with, in one message and so one round trip. All of it ends with the transaction:
 * behind a pooler the connection is somebody else's next. Values go in as hexadecimal digits, since a message of
 * several statements takes no parameters: nothing in them can end a string.
 */
export function beginAs({ projectId, actor }: Scope): string {
  const settings = [
    ...(projectId === undefined ? [] : [set('postrider.project_id', projectId)]),
    ...(actor === undefined ? [] : [set('postrider.actor', actorText(actor))]),
  ]
  return [
    'BEGIN',
    ...(projectId === undefined ? [] : [`SET LOCAL ROLE ${tenantRole}`]),
    ...(settings.length === 0 ? [] : [`SELECT ${settings.join(', ')}`]),
  ].join('; ')
}

function set(name: string, value: string): string {
  const digits = Buffer.from(value).toString('hex')
  return `set_config('${name}', convert_from(decode('${digits}', 'hex'), 'UTF8'), true)`
}

/** As the setting `postrider.actor` holds it. */
export function actorText({ requestId, ...actor }: Actor): string {
  return JSON.stringify({ ...actor, request_id: requestId })
}
