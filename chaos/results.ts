import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { isFailed, own, type Report } from './report.ts'
import { type Form, leaseSecondsOf, forgivenSecondsOf } from './scenario.ts'
import type { Figures } from './verdict.ts'

const file = join(import.meta.dirname, 'RESULTS.md')

/** The figures of a run, with what they were measured on. */
export async function writeResults(reports: readonly Report[], form: Form): Promise<void> {
  const violations = reports.flatMap(({ scenario, outcome }) =>
    'violations' in outcome ? outcome.violations.map((text) => `- ${scenario.name}: ${text}`) : [],
  )
  const lines = [
    '# What it stood',
    '',
    `${new Date().toISOString().slice(0, 10)}, commit ${commit()}, ${machine()}.`,
    '',
    `\`npm run chaos -- ${form === 'short' ? '--short ' : ''}--write\`: real processes on a real PostgreSQL 18, ` +
      `leases of ${leaseSecondsOf[form]} s. In every line: events lost, sends that began after their delivery was ` +
      'recorded as delivered, further sends of what the receiver had taken (only what was in flight at a fault may be ' +
      'sent again), and how long a try that was cut off waited for the next one, outages not counted ' +
      `(p99 at most ${leaseSecondsOf[form] + forgivenSecondsOf[form]} s).`,
    '',
    '| scenario | what is done | events | lost | sent after recorded | duplicates | recovery p50 / p99 / max | more | took | |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | ---: | --- |',
    ...reports.map(row),
    '',
    ...(violations.length > 0 ? ['What must not be:', '', ...violations, ''] : []),
  ]
  await writeFile(file, lines.join('\n').trimEnd() + '\n')
}

function row(report: Report): string {
  const { scenario, outcome, tookSeconds } = report
  const cells =
    'skipped' in outcome
      ? [scenario.name, scenario.fault, '', '', '', '', '', outcome.skipped, '', 'skipped']
      : [
          scenario.name,
          scenario.fault,
          String(outcome.figures.events),
          String(outcome.figures.lost),
          String(outcome.figures.sentAfterRecorded),
          String(outcome.figures.duplicates),
          recovery(outcome.figures),
          own(outcome.figures).join('; '),
          `${tookSeconds.toFixed(0)} s`,
          isFailed(report) ? '**failed**' : 'held',
        ]
  return `| ${cells.join(' | ')} |`
}

function recovery({ recoverySeconds }: Figures): string {
  if (!recoverySeconds) return 'nothing cut off'
  const { p50, p99, max } = recoverySeconds
  return `${[p50, p99, max].map((seconds) => seconds.toFixed(1)).join(' / ')} s`
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' }).trim()
  const hasChanges = git('status', '--porcelain', '--', '../src') !== ''
  return git('rev-parse', '--short', 'HEAD') + (hasChanges ? ' with changes' : '')
}

function machine(): string {
  const [cpu] = cpus()
  const gigabytes = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} cores (${cpu?.model.trim()}), ${gigabytes} GB, Node ${process.version}`
}
