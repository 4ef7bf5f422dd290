import { setTimeout } from 'node:timers/promises'
import type { ProjectClient } from '../../client/client.ts'
import { exitCodes, Failure } from '../failure.ts'
import { confirm } from './ask.ts'
import { type DeliveryFilter, queryOf } from './deliveries.ts'
import { Progress, shortTime } from './output.ts'
import type { Session } from './session.ts'

interface RetryOptions extends DeliveryFilter {
  status?: 'failed' | 'delivered'
  all?: boolean
  dryRun?: boolean
  yes?: boolean
  wait: boolean
}

const lookMs = 300

export async function retryDeliveries(
  session: Session,
  ids: string[],
  options: RetryOptions,
): Promise<number> {
  const { status } = options
  const filter = { ...queryOf(options), ...(status && { status }) }
  const isFiltered = Object.keys(filter).length > 0 || options.all === true
  if (ids.length > 0 === isFiltered) {
    throw new Failure('say which: ids, or a filter such as --webhook or --since, or --all that failed', {
      exitCode: exitCodes.misused,
    })
  }
  if (isFiltered) return retryMany(session, filter, options)
  if (options.dryRun) {
    throw new Failure('--dry-run counts what a filter matches: ids name each delivery', {
      exitCode: exitCodes.misused,
    })
  }
  return retryEach(session, ids)
}

async function retryEach(session: Session, ids: string[]): Promise<number> {
  const { output } = session
  const project = await session.project()
  for (const id of ids) {
    const retried = await project.retryDelivery(id)
    if (output.isJson) output.jsonLine(retried)
    else output.line(`${retried.id} is sent again at ${shortTime(retried.scheduled_at)}`)
  }
  return exitCodes.done
}

async function retryMany(
  session: Session,
  filter: Parameters<ProjectClient['createJob']>[0]['filter'],
  { dryRun, yes, wait }: RetryOptions,
): Promise<number> {
  const { output } = session
  const project = await session.project()
  const counted = await project.createJob({ kind: 'retry', filter: filter ?? {}, dry_run: true })
  const many = `${counted.count_is_exact ? '' : 'at least '}${counted.count} ${counted.count === 1 ? 'delivery' : 'deliveries'}`
  if (dryRun || counted.count === 0) {
    if (output.isJson) output.json(counted)
    else output.line(counted.count === 0 ? 'nothing matches' : `${many} would be sent again`)
    return exitCodes.done
  }
  await confirm(`Send ${many} again?`, { yes: yes || output.isJson })
  const { job } = await project.createJob({ kind: 'retry', filter: filter ?? {} })
  const ended = wait ? await watch(session, project, job!.id) : await project.getJob(job!.id)
  if (output.isJson) output.json(ended)
  else if (ended.status === 'running') output.line(`job ${ended.id} sends ${many} again`)
  else output.line(`${ended.done} ${ended.done === 1 ? 'delivery is' : 'deliveries are'} sent again`)
  if (ended.status === 'failed') throw new Failure('the job failed on the server: run it again for the rest')
  return exitCodes.done
}

/** Until it has ended. Ctrl-C ends the watching; the job goes on. */
async function watch({ output }: Session, project: ProjectClient, jobId: string) {
  const progress = new Progress({ output })
  try {
    for (;;) {
      const job = await project.getJob(jobId)
      progress.show(job.done, job.count)
      if (job.status !== 'running') return job
      await setTimeout(lookMs)
    }
  } finally {
    progress.end()
  }
}
