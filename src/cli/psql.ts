import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { constants as osConstants } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Config } from '../config.ts'
import { silentLogger } from '../log.ts'
import { openDatabase, runningDatabase } from './database.ts'
import { exitCodes, Failure } from './failure.ts'
import { runUntilSignal } from './until-signal.ts'

/** Prints the connection string of the database in use, and nothing else, so that a script can take it. */
export async function printConnectionString(config: Config): Promise<number> {
  const connectionString = await runningDatabase(config)
  if (connectionString === null) {
    throw new Failure(
      'the embedded database does not run: start `postrider serve` first, or set DATABASE_URL',
    )
  }
  process.stdout.write(`${connectionString}\n`)
  return exitCodes.done
}

/** Opens `psql`; an embedded database that does not run is started for as long as the session lasts. */
export async function runPsql(
  config: Config,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const program = findProgram('psql', env['PATH'])
  const runsAlready = (await runningDatabase(config)) !== null
  const database = await openDatabase(config)
  try {
    if (program === undefined) return await withoutPsql(database.connectionString, runsAlready)
    return await runSession(program, database.connectionString, args, env)
  } finally {
    await database.release()
  }
}

/** The password goes by the environment: other users can read a command line. */
export function withoutPassword(connectionString: string): { url: string; password: string | undefined } {
  const [, start, password, rest] =
    /^(postgres(?:ql)?:\/\/[^:/@?]*):([^/@]*)(@.*)$/.exec(connectionString) ?? []
  if (password === undefined) return { url: connectionString, password }
  return { url: `${start}${rest}`, password: decodeURIComponent(password) }
}

const ignore = () => {}

function runSession(
  program: string,
  connectionString: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const { url, password } = withoutPassword(connectionString)
  const child = spawn(program, ['-d', url, ...args], {
    stdio: 'inherit',
    env: password === undefined ? env : { ...env, PGPASSWORD: password },
  })
  // Ctrl-C is for psql, which cancels the query and goes on; it gets its own from the terminal.
  const passOn = (signal: NodeJS.Signals) => child.kill(signal)
  process.on('SIGINT', ignore)
  process.on('SIGTERM', passOn)
  process.on('SIGHUP', passOn)
  return new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => resolve(code ?? 128 + osConstants.signals[signal!]))
  }).finally(() => {
    process.off('SIGINT', ignore)
    process.off('SIGTERM', passOn)
    process.off('SIGHUP', passOn)
  })
}

async function withoutPsql(connectionString: string, runsAlready: boolean): Promise<number> {
  process.stderr.write('There is no psql in PATH. Any PostgreSQL client can connect with this:\n')
  process.stdout.write(`${connectionString}\n`)
  if (runsAlready) return exitCodes.done
  process.stderr.write('The database runs until you press Ctrl-C.\n')
  return runUntilSignal({ start: async () => {}, stop: async () => {} }, silentLogger)
}

function findProgram(name: string, path = ''): string | undefined {
  return path
    .split(delimiter)
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}
