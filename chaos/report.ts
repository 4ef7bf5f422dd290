import type { Outcome, Scenario } from './scenario.ts'
import type { Figures } from './verdict.ts'

export interface Report {
  scenario: Scenario
  outcome: Outcome
  tookSeconds: number
}

export function isFailed({ outcome }: Report): boolean {
  return 'violations' in outcome && outcome.violations.length > 0
}

/** One line for a scenario, and one for each thing that must not be. */
export function describe(report: Report): string {
  const { scenario, outcome, tookSeconds } = report
  const took = `${tookSeconds.toFixed(0)} s`
  if ('skipped' in outcome) return `– ${scenario.name}: skipped, ${outcome.skipped}\n`
  const parts = [...common(outcome.figures), ...own(outcome.figures), took]
  const mark = isFailed(report) ? '✗' : '✓'
  return [`${mark} ${scenario.name}: ${parts.join(', ')}`, ...outcome.violations.map((text) => `    ${text}`)]
    .map((line) => `${line}\n`)
    .join('')
}

function common(figures: Figures): string[] {
  const { events, sends, lost, sentAfterRecorded, duplicates } = figures
  return [
    `${events} events`,
    `${sends} sends`,
    `${lost} lost`,
    `${sentAfterRecorded} sent after recorded`,
    `${duplicates} duplicates`,
    `recovery ${recovery(figures)}`,
  ]
}

export function own({ own }: Figures): string[] {
  return Object.entries(own).map(([name, value]) => `${name} ${value}`)
}

export function recovery({ recoverySeconds }: Figures): string {
  if (!recoverySeconds) return '–'
  const { count, p50, p99, max } = recoverySeconds
  return `p50 ${p50.toFixed(1)} p99 ${p99.toFixed(1)} max ${max.toFixed(1)} s of ${count}`
}
