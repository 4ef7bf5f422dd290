import { readFile, writeFile } from 'node:fs/promises'
import { checkSchema } from '../../event-types/check.ts'
import { exitCodes, Failure } from '../failure.ts'
import type { Session } from '../remote/session.ts'
import { readDefinitions } from './definitions.ts'
import { inWords, readRegistered } from './registered.ts'
import { header, type TypeToWrite, typescriptOf } from './typescript.ts'

interface GenerateOptions {
  out?: string
  check?: boolean
}

/** TypeScript of event types: of a file, or of those that the project has. */
export async function generateTypes(
  session: Session,
  [file]: string[],
  { out, check = false }: GenerateOptions,
): Promise<number> {
  const { output } = session
  const types = file === undefined ? await readRegistered(session) : await readDefinitions(file)
  for (const type of types) refuseUnusable(type)
  const typescript = await typescriptOf(types)
  if (out === undefined) {
    if (output.isJson) output.json({ typescript })
    else process.stdout.write(typescript)
    return exitCodes.done
  }
  const before = await contentOf(out)
  const isCurrent = before === typescript
  if (before !== undefined && !before.startsWith(header)) {
    throw new Failure(`${out} is there and was not generated: choose another --out, or remove it`, {
      exitCode: exitCodes.misused,
    })
  }
  if (!isCurrent && !check) await writeFile(out, typescript)
  if (output.isJson) output.json({ file: out, event_types: types.length, changed: !isCurrent })
  else if (isCurrent) output.line(`${out} is up to date`)
  else output.line(check ? `${out} is out of date` : `${out} is written, with ${inWords(types.length)}`)
  return isCurrent || !check ? exitCodes.done : exitCodes.failed
}

/** References lead to no file and no other server, wherever the schema comes from. */
function refuseUnusable({ name, schema }: TypeToWrite): void {
  const [problem] = schema === undefined || schema === null ? [] : checkSchema(schema)
  if (!problem) return
  throw new Failure(`the schema of ${name} cannot be used: ${problem.path} ${problem.message}`, {
    exitCode: exitCodes.misused,
  })
}

async function contentOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
