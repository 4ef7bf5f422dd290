import { type EncryptionKey, settings } from '../../config.ts'
import type { Database } from '../../database/database.ts'
import { migrationStatus } from '../../database/migrate.ts'
import { requireTenantRole } from '../../database/tenant-role.ts'
import { requireKeys } from '../../registry/required-keys.ts'
import { Cipher } from '../../registry/secrets.ts'
import { readWaiting } from '../../statistics/waiting.ts'
import { type Finding, ok, problem, warning } from './finding.ts'
import { examinePartitions } from './partition-checks.ts'

/** Whether the schema is that of this release, its secrets can be read, and somebody delivers. */
export async function examineSchema(
  database: Database,
  encryptionKeys: readonly EncryptionKey[],
): Promise<Finding[]> {
  const { applied, pending } = await migrationStatus(database)
  if (applied.length === 0) {
    return [
      warning('migrations', 'there is no schema yet', "Run 'postrider migrate', or start: it is made then."),
    ]
  }
  const newer = applied.filter(({ known }) => !known)
  const changed = applied.filter(({ changed: isChanged }) => isChanged)
  if (newer.length > 0) {
    const migrations = problem(
      'migrations',
      `${newer.map(({ name }) => name).join(', ')} came with a newer release`,
      'Run that release, or a newer one.',
    )
    return [migrations]
  }
  if (pending.length > 0) {
    return [
      warning(
        'migrations',
        `${pending.map(({ name }) => name).join(', ')} pending`,
        "Run 'postrider migrate'; the next start does it, too.",
      ),
    ]
  }
  return [
    changed.length === 0
      ? ok('migrations', `all ${applied.length} are applied`)
      : problem(
          'migrations',
          `the files of ${changed.map(({ name }) => name).join(', ')} have changed since they were applied`,
          'Install the release anew: its files are not what was published.',
        ),
    await refusal('row security', 'projects are walled off', () => requireTenantRole(database)),
    ...(encryptionKeys.length === 0
      ? [
          problem(
            'encryption keys',
            `${settings.encryptionKeys.name} is not set`,
            'Set it as the servers have it: without it no webhook can be signed for.',
          ),
        ]
      : [
          await refusal('encryption keys', 'open what is stored', () =>
            requireKeys(database, new Cipher(encryptionKeys)),
          ),
        ]),
    await workers(database),
    await examinePartitions(database, new Date()),
  ]
}

/** What a start would refuse, in the words that it would use. */
async function refusal(subject: string, good: string, check: () => Promise<void>): Promise<Finding> {
  try {
    await check()
    return ok(subject, good)
  } catch (error) {
    return problem(subject, (error as Error).message, 'Every start is refused until then.')
  }
}

async function workers(database: Database): Promise<Finding> {
  const subject = 'workers'
  const { rows } = await database.query<{ alive: number }>(
    `SELECT COUNT(*)::integer AS alive
     FROM postrider.workers
     WHERE lease_until > clock_timestamp()`,
  )
  const { alive } = rows[0]!
  const { oldestDueSeconds } = await readWaiting(database)
  const waiting = Math.round(oldestDueSeconds)
  if (alive === 0 && waiting > 0) {
    return problem(
      subject,
      `none is alive, and a delivery has been due for ${waiting} s`,
      "Start 'postrider worker' or 'postrider serve'.",
    )
  }
  if (waiting > 300) {
    return warning(
      subject,
      `${alive} alive, but a delivery has been due for ${waiting} s`,
      'See which webhook it is on the dashboard: a slow endpoint waits by itself; if all wait, start more workers.',
    )
  }
  return ok(subject, `${alive} alive`)
}
