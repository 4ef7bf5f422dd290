import { execFileSync } from 'node:child_process'
import { cpus, release, totalmem, type } from 'node:os'
import { formatNumber } from './report.ts'

/** Where and on what it was measured, as lines of Markdown. */
export function describeRun({ postgres, rounds }: { postgres: string; rounds: number }): string {
  return [
    `- ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, commit ${commit()}, rounds: ${rounds}`,
    `- ${cpus().length} cores (${cpus()[0]?.model.trim()}), ${formatNumber(totalmem() / 2 ** 30)} GiB of memory, ${type()} ${release()}`,
    `- Node.js ${process.version}, PostgreSQL ${postgres}`,
  ].join('\n')
}

function commit(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    const changed = git('status', '--porcelain', '--', 'src', 'package-lock.json') !== ''
    return git('rev-parse', '--short=12', 'HEAD') + (changed ? ' with changes' : '')
  } catch {
    return 'unknown'
  }
}
