import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { NewEventType } from '../../contract/event-types.ts'
import { PostriderError } from '../../contract/errors.ts'
import { validate } from '../../contract/validate.ts'
import type { DefinedEvents } from '../../event-types/define.ts'
import { exitCodes, Failure } from '../failure.ts'

/** The file that `types pull` writes, and reads again. */
export const usualFile = 'event-types.json'

/** Event types out of a file: JSON as `types pull` writes it, or a module that exports what `defineEvents` made. */
export async function readDefinitions(file: string): Promise<NewEventType[]> {
  return file.endsWith('.json') ? fromJson(file) : fromModule(file)
}

async function fromJson(file: string): Promise<NewEventType[]> {
  let content: unknown
  try {
    content = JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw refused(file, `cannot be read: ${reasonOf(error)}`, error)
  }
  const types = (content as { event_types?: unknown } | null)?.event_types
  if (!Array.isArray(types))
    throw refused(file, "has no event_types: 'postrider types pull' writes such a file")
  return types.map((type: unknown, index) => checked(file, index, type))
}

function checked(file: string, index: number, type: unknown): NewEventType {
  const { version: _, ...definition } = (type ?? {}) as Record<string, unknown>
  try {
    return validate(NewEventType, definition)
  } catch (error) {
    if (!(error instanceof PostriderError)) throw error
    throw refused(file, `event_types[${index}]: ${error.message}`, error)
  }
}

async function fromModule(file: string): Promise<NewEventType[]> {
  let module: Record<string, unknown>
  try {
    module = (await import(pathToFileURL(resolve(file)).href)) as Record<string, unknown>
  } catch (error) {
    throw refused(file, `cannot be loaded: ${reasonOf(error)}`, error)
  }
  const found = Object.values(module).filter(isDefined)
  if (found.length === 0) throw refused(file, 'exports nothing that defineEvents() of postrider/events made')
  return found.flatMap(({ definitions }) => definitions)
}

/** By its form: the module may have its own copy of the package. */
function isDefined(value: unknown): value is DefinedEvents {
  const { definitions } = (value ?? {}) as { definitions?: unknown }
  return (
    Array.isArray(definitions) &&
    definitions.every(({ name }: { name?: unknown }) => typeof name === 'string')
  )
}

function refused(file: string, problem: string, cause?: unknown): Failure {
  return new Failure(`${file} ${problem}`, { exitCode: exitCodes.misused, cause })
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
