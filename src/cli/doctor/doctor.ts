import { styleText } from 'node:util'
import { ConfigError, type Config } from '../../config.ts'
import { Database } from '../../database/database.ts'
import { openDatabase } from '../database.ts'
import { type Environment, loadConfig } from '../environment.ts'
import { describeFailure, exitCodes } from '../failure.ts'
import { completeKeys } from '../keys.ts'
import { type Finding, ok, problem } from './finding.ts'
import { examineOthers } from './other-servers.ts'
import { examineSchema } from './schema-checks.ts'
import { examineServer } from './server-checks.ts'
import { lookAround } from './surroundings.ts'

export interface DoctorOptions {
  env: Environment
  /** Where `.env` lies. */
  directory: string
  json: boolean
  print: (line: string) => void
}

/** Looks at all that a start, or a night, may founder on, changes nothing, and says what to do. 1 where a problem is found. */
export async function runDoctor({ env, directory, json, print }: DoctorOptions): Promise<number> {
  const findings = await examine(env, directory)
  if (json) print(JSON.stringify({ findings }))
  else for (const finding of findings) print(inWords(finding))
  return findings.some(({ state }) => state === 'problem') ? exitCodes.failed : exitCodes.done
}

async function examine(env: Environment, directory: string): Promise<Finding[]> {
  let config: Config
  try {
    config = loadConfig(env, directory)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map((message) =>
      problem('settings', message, "'postrider serve --help' lists every setting."),
    )
  }
  const settingsAreFine = ok('settings', 'are understood')
  return [settingsAreFine, ...(await examineDatabase(config)), ...(await lookAround(config, env))]
}

async function examineDatabase(incomplete: Config): Promise<Finding[]> {
  let release = async (): Promise<void> => {}
  let database: Database | undefined
  try {
    // Embedded, keys are generated files; with a database of one's own what is missing is found below.
    const config =
      incomplete.databaseUrl === null
        ? await completeKeys(incomplete, { needed: ['encryptionKeys'], onNewKey: () => {} })
        : incomplete
    const inUse = await openDatabase(config)
    release = () => inUse.release()
    database = new Database({
      connectionString: inUse.connectionString,
      maxConnections: 3,
      queryTimeoutMs: 10_000,
    })
    return [
      ...(await examineServer(database)),
      ...(await examineOthers(database, config)),
      ...(await examineSchema(database, config.encryptionKeys)),
    ]
  } catch (error) {
    return [
      problem(
        'database',
        describeFailure(error).message,
        incomplete.databaseUrl === null
          ? 'See the log of the embedded server in the data directory.'
          : 'Check DATABASE_URL, and that the server runs and lets this machine in.',
      ),
    ]
  } finally {
    await database?.close()
    await release()
  }
}

const marks = { ok: '✓', warning: '!', problem: '✕' } as const
const colours = { ok: 'green', warning: 'yellow', problem: 'red' } as const

function inWords({ state, subject, message, remedy }: Finding): string {
  // Colours only where a person looks: styleText knows NO_COLOR and what the stream is.
  const mark = styleText(colours[state], marks[state], { stream: process.stdout })
  const first = `${mark} ${subject}: ${message}`
  return remedy === undefined ? first : `${first}\n    ${remedy}`
}
