import { writeFile } from 'node:fs/promises'
import { exitCodes } from '../failure.ts'
import type { Session } from '../remote/session.ts'
import { usualFile } from './definitions.ts'
import { inWords, readRegistered } from './registered.ts'

/** Writes the event types of the project into a file, which `types generate` and `types push` read. */
export async function pullTypes(
  session: Session,
  _args: string[],
  { out = usualFile }: { out?: string },
): Promise<number> {
  const { output } = session
  const types = await readRegistered(session)
  const event_types = types.map(({ name, description, schema, example, deprecated, version }) => ({
    name,
    description,
    schema,
    example,
    deprecated,
    version,
  }))
  await writeFile(out, `${JSON.stringify({ event_types }, null, 2)}\n`)
  if (output.isJson) output.json({ file: out, event_types: event_types.length })
  else output.line(`${out} is written, with ${inWords(event_types.length)}`)
  return exitCodes.done
}
