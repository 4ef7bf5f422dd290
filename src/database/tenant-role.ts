import { PostriderError } from '../contract/errors.ts'
import type { Queryable } from './database.ts'
import { tenantRole } from './scope.ts'

interface Rights {
  me: string
  /** Whom the tables belong to. */
  owner: string
  is_held_back: boolean
  exists: boolean
  may_become: boolean
  may_read: boolean
}

/**
 * Finds out at the start, not at the first call, that row-level security is not as it should be: it must hold the role
 * of the projects' transactions, and must not hold the role that we are connected as.
 *
 * @throws {PostriderError} `internal`, with the statement that helps
 */
export async function requireTenantRole(queryable: Queryable): Promise<void> {
  const rights = await readRights(queryable)
  const remedy = remedyFor(rights)
  if (remedy === undefined) return
  throw new PostriderError('internal', remedy)
}

async function readRights(queryable: Queryable): Promise<Rights> {
  const { rows } = await queryable.query<Rights>(
    `SELECT
       current_user::text AS me,
       pg_get_userbyid(webhooks.relowner)::text AS owner,
       row_security_active(webhooks.oid) AS is_held_back,
       tenant.oid IS NOT NULL AS exists,
       COALESCE(CASE
         -- Before PostgreSQL 16 whoever is a member may become the role.
         WHEN current_setting('server_version_num')::integer < 160000 THEN pg_has_role(tenant.oid, 'MEMBER')
         ELSE pg_has_role(tenant.oid, 'SET')
       END, false) AS may_become,
       COALESCE(has_table_privilege(tenant.oid, webhooks.oid, 'SELECT'), false) AS may_read
     FROM pg_class AS webhooks
     LEFT JOIN pg_roles AS tenant
       ON tenant.rolname = $1::text
     WHERE webhooks.oid = 'postrider.webhooks'::regclass`,
    [tenantRole],
  )
  return rows[0]!
}

function remedyFor({ me, owner, is_held_back, exists, may_become, may_read }: Rights): string | undefined {
  const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`
  if (is_held_back) {
    return `The role ${quoted(me)} that Postrider is connected as is held back by row-level security: connect as ${quoted(owner)}, whom the tables belong to, or run GRANT ${quoted(owner)} TO ${quoted(me)}.`
  }
  if (!exists || !may_read) {
    return `The role ${tenantRole}, which calls for one project run as, is missing or lacks its rights, as after a dump was restored on another server: run SELECT postrider.admit_tenant_role() as ${quoted(owner)}, or as a role that may create roles.`
  }
  if (!may_become) {
    return `The role ${quoted(me)} that Postrider is connected as may not become ${tenantRole}, which calls for one project run as: run GRANT ${tenantRole} TO ${quoted(me)}.`
  }
  return undefined
}
