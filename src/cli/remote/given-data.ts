import { readFile } from 'node:fs/promises'
import { text as textOf } from 'node:stream/consumers'
import { exitCodes, Failure } from '../failure.ts'
import { parseExactly } from './exact-json.ts'

/** The JSON of `--data` or another option: itself, that of `@FILE`, or with `-` that of stdin. */
export async function givenData(given: string, option = '--data'): Promise<unknown> {
  const text = await textFrom(given, option)
  try {
    return parseExactly(text)
  } catch (cause) {
    throw new Failure(`${option} is not JSON: ${(cause as Error).message}`, {
      exitCode: exitCodes.misused,
      cause,
    })
  }
}

async function textFrom(given: string, option: string): Promise<string> {
  if (given === '-') return textOf(process.stdin)
  if (!given.startsWith('@')) return given
  try {
    return await readFile(given.slice(1), 'utf8')
  } catch (cause) {
    throw new Failure(`${option}: ${(cause as Error).message}`, { exitCode: exitCodes.misused, cause })
  }
}
