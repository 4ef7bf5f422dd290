import { type Config, settings } from '../../config.ts'
import { Database, type Queryable } from '../../database/database.ts'
import { describeFailure } from '../failure.ts'
import { type Finding, ok, problem } from './finding.ts'

interface Identity {
  /** The same for a primary and its standbys. */
  cluster: string
  database: string
  is_standby: boolean
}

/** The connections that are named beside the database: whether they lead to what they are named for. */
export async function examineOthers(
  database: Queryable,
  { replicaUrl, directUrl }: Pick<Config, 'replicaUrl' | 'directUrl'>,
): Promise<Finding[]> {
  const wanted = await readIdentity(database)
  return [
    ...(replicaUrl === null ? [] : [await examine('replica', { url: replicaUrl, wanted, isStandby: true })]),
    ...(directUrl === null ? [] : [await examine('LISTEN', { url: directUrl, wanted, isStandby: false })]),
  ]
}

async function examine(
  subject: 'replica' | 'LISTEN',
  { url, wanted, isStandby }: { url: string; wanted: Identity; isStandby: boolean },
): Promise<Finding> {
  const { name } = isStandby ? settings.replicaUrl : settings.directUrl
  const remedy = `Check ${name}: see docs/many-machines.md.`
  let other: Database | undefined
  try {
    other = new Database({ connectionString: url, maxConnections: 1, queryTimeoutMs: 10_000 })
    const found = await readIdentity(other)
    if (found.cluster !== wanted.cluster || found.database !== wanted.database)
      return problem(subject, 'what is named there is another database', remedy)
    if (found.is_standby !== isStandby)
      return problem(subject, `the server named there is ${isStandby ? 'no' : 'a'} standby`, remedy)
    return ok(subject, isStandby ? 'is a standby of the database' : 'goes to the database itself')
  } catch (error) {
    return problem(subject, describeFailure(error).message, remedy)
  } finally {
    await other?.close()
  }
}

async function readIdentity(queryable: Queryable): Promise<Identity> {
  const { rows } = await queryable.query<Identity>(
    `SELECT
       system_identifier::text AS cluster,
       current_database()::text AS database,
       pg_is_in_recovery() AS is_standby
     FROM pg_control_system()`,
  )
  return rows[0]!
}
