import { writeFile } from 'node:fs/promises'
import packageJson from '../package.json' with { type: 'json' }
import { cases } from './cases/cases.ts'
import { writeBetween } from './operations.ts'
import { caseTable, formatNumber, table } from './report.ts'
import { type Results, series } from './rounds.ts'
import { median } from './statistics.ts'
import { graphileWorkerTuning } from './systems/graphile-worker.ts'
import { pgBossTuning } from './systems/pg-boss.ts'
import { postriderTuning } from './systems/postrider.ts'
import { targets } from './targets.ts'

const resultsFile = new URL('RESULTS.md', import.meta.url)
const readmeFile = new URL('../README.md', import.meta.url)

/** Writes `bench/RESULTS.md`, and the short table in README.md. */
export async function writeResults(results: Results, run: string): Promise<void> {
  const sections = cases
    .filter(({ name }) => results.has(name))
    .map((one) => `## ${one.title}\n\n${one.what}\n\n${caseTable(one, results.get(one.name)!)}\n`)
  await writeFile(
    resultsFile,
    `# Results

Written by \`npm run bench -- --write\`.

${run}

Medians of the rounds; ratios are medians of the rounds' own ratios, with the lowest and the highest. All systems run on
the same durable PostgreSQL, each in a database of its own, and send the same signed POST of 1 KiB to the same receiver,
which shares the machine. "+ attempts" means that a peer too writes a row for each attempt, in batches. CPU is taken from
\`/proc\`, of the workers and of all of PostgreSQL's processes. No checkpoint falls into a measurement.

Tuned, with the reasons in \`bench/systems/\`:

- Postrider: ${postriderTuning}
- graphile-worker ${versionOf('graphile-worker')}: ${graphileWorkerTuning}
- pg-boss ${versionOf('pg-boss')}: ${pgBossTuning}
- raw dispatch: undici's \`Pool.dispatch\` over 64 connections, signed, without a database.

## Targets

${targetsTable(results)}

${sections.join('\n')}`,
  )
  await writeBetween(readmeFile, 'bench', `${summary(results)}\n\n${run}`)
}

function versionOf(name: 'graphile-worker' | 'pg-boss'): string {
  return packageJson.devDependencies[name]
}

export function targetsTable(results: Results, { measuredOnly = false } = {}): string {
  const rows = targets.flatMap(({ what, wanted, ...target }) => {
    const found = target.find(results)
    if (!found && measuredOnly) return []
    return [[what, wanted, found?.measured ?? 'not measured', found ? (found.met ? 'yes' : '**no**') : '']]
  })
  return table([['', 'wanted', 'measured', 'met'], ...rows])
}

/** What a reader of the README wants to know; what was not measured in this run is left out. */
function summary(results: Results): string {
  const peers = ['Postrider', 'graphile-worker', 'pg-boss']
  const withAttempts = ['Postrider', 'graphile-worker + attempts', 'pg-boss + attempts']
  const row = (
    title: string,
    name: string,
    [figure, digits = 0]: [string, number?],
    contestants: readonly string[],
  ): string[][] => {
    const cells = contestants.map((contestant) => {
      const values = series(results, name, contestant, figure)
      return values ? formatNumber(median(values), digits) : ''
    })
    return cells.includes('') ? [] : [[title, ...cells]]
  }
  return table([
    ['', ...peers],
    ...row('deliveries/s, one worker, attempts recorded', 'delivery', ['rate'], withAttempts),
    ...row('CPU of worker and PostgreSQL for one, µs', 'delivery', ['cpuUs'], withAttempts),
    ...row('events/s published over 8 connections', 'publish', ['eight'], peers),
    ...row('events/s published in batches of 500', 'publish', ['batches'], peers),
    ...row('ms from publishing to arrival at 50/s, p50', 'latency', ['p50', 1], peers),
    ...row('the same, p99', 'latency', ['p99', 1], peers),
    ...row('of 3,000 healthy beside a dead endpoint, in 12 s', 'dead-endpoint', ['arrived'], peers),
    ...row('ms of waiting beside a big tenant’s backlog, p99', 'tenants', ['p99'], peers),
  ])
}
