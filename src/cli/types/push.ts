import { PostriderApiError, type ProjectClient } from '../../client/client.ts'
import { linesOf, planSync, type SyncPlan, type TypeChange } from '../../event-types/plan.ts'
import { exitCodes, Failure } from '../failure.ts'
import { plain } from '../remote/output.ts'
import type { Session } from '../remote/session.ts'
import { readDefinitions } from './definitions.ts'
import { readRegistered } from './registered.ts'

interface PushOptions {
  force?: boolean
  dryRun?: boolean
}

/**
 * Brings the registry of the project to what a file defines, and tells what is different. What may break code of others
 * is done with `--force` only: else nothing is, and the exit code is that of a conflict.
 */
export async function pushTypes(
  session: Session,
  [file]: string[],
  { force = false, dryRun = false }: PushOptions,
): Promise<number> {
  const definitions = await readDefinitions(file!)
  const plan = planSync(await readRegistered(session), definitions)
  const isRefused = !force && plan.changes.some(({ isBreaking }) => isBreaking)
  const isDone = !isRefused && !dryRun
  if (isDone) await carryOut(await session.project(), plan)
  tell(session, plan, { isRefused, isDone })
  return isRefused ? exitCodes.conflict : exitCodes.done
}

async function carryOut(project: ProjectClient, { changes }: SyncPlan): Promise<void> {
  for (const { kind, name, definition } of changes) {
    try {
      if (kind === 'create') await project.createEventType(definition)
      else if (kind === 'update') await project.updateEventType(name, definition)
    } catch (error) {
      if (!(error instanceof PostriderApiError) || error.code !== 'validation_failed') throw error
      const problems = error.errors.map(({ path, message }) => `${name}: ${path} ${message}`)
      throw new Failure(problems.join('\n') || `${name}: ${error.detail}`, {
        exitCode: exitCodes.misused,
        cause: error,
      })
    }
  }
}

function tell(
  { output }: Session,
  { changes, others }: SyncPlan,
  { isRefused, isDone }: { isRefused: boolean; isDone: boolean },
): void {
  const different = changes.filter(({ kind }) => kind !== 'none')
  if (output.isJson) {
    output.json({
      done: isDone,
      breaking: different.some(({ isBreaking }) => isBreaking),
      changes: different.map(({ name, kind, isBreaking, schema, fields }) => ({
        name,
        kind,
        breaking: isBreaking,
        schema,
        fields,
      })),
      others,
    })
    return
  }
  for (const change of different) for (const line of lines(change)) output.line(line)
  if (others.length > 0) output.line(`only in the project, left as they are: ${others.map(plain).join(', ')}`)
  const count = `${different.length} of ${changes.length} event types`
  if (different.length === 0) output.line('the project has all of this already')
  else if (isRefused) {
    output.note(
      'nothing was done: this may break code of others. Publish a new type beside the old one, or use --force',
    )
  } else output.line(isDone ? `${count} brought to the project` : `${count} would be brought to the project`)
}

function lines(change: TypeChange): string[] {
  return linesOf(change).map((line) => `${change.isBreaking ? '!' : '+'} ${plain(line)}`)
}
