import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { type Config, ConfigError, readConfig } from '../config.ts'
import { exitCodes, Failure } from './failure.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** The configuration from the environment and the `.env` file of a directory; the environment wins. */
export function loadConfig(env: Environment, directory: string): Config {
  const fromFile = readEnvFile(join(directory, '.env'))
  try {
    return readConfig({ ...fromFile, ...env })
  } catch (error) {
    if (error instanceof ConfigError && fromFile)
      throw new ConfigError(error.problems.map(sayWhere(fromFile, env)))
    throw error
  }
}

/** Only the settings are taken from it: nothing in it becomes part of this process's environment. */
function readEnvFile(file: string): Environment | undefined {
  try {
    return parseEnv(readFileSync(file, 'utf8').replace(/^\uFEFF/, ''))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new Failure(`cannot read ${file}: ${message}`, { exitCode: exitCodes.misused, cause: error })
  }
}

/** A problem begins with the name it is about. */
function sayWhere(fromFile: Environment, env: Environment) {
  return (problem: string): string => {
    const name = problem.slice(0, problem.indexOf(' '))
    return name in fromFile && env[name] === undefined ? `${problem} (in .env)` : problem
  }
}
