import { parseArgs } from 'node:util'
import { cases } from './cases/cases.ts'
import type { Case } from './cases/case.ts'
import { compile } from './compile.ts'
import type { Bench } from './ground.ts'
import { describeRun } from './machine.ts'
import { writeOperations } from './operations.ts'
import { BenchPostgres } from './postgres.ts'
import { Receiver } from './processes/receiver.ts'
import { profile } from './profile.ts'
import { caseTable } from './report.ts'
import { targetsTable, writeResults } from './results.ts'
import { type CaseResults, type Results, runRounds } from './rounds.ts'

const help = `Measures Postrider beside raw dispatch, graphile-worker and pg-boss.

  npm run bench -- [--case NAME …] [--rounds N] [--short] [--write] [--json]
  npm run bench -- --profile

  --case     ${cases.map(({ name }) => name).join(', ')};
             by default all but ${cases
               .filter(({ isLong }) => isLong)
               .map(({ name }) => name)
               .join(', ')}, which take long
  --rounds   how often each contestant has its turn; 5 by default
  --short    tiny sizes, once: does it work? The figures mean nothing, and are never written
  --write    writes what was measured to bench/RESULTS.md, and a short table to README.md; what takes long to
             docs/operations.md
  --json     prints the figures of all rounds as JSON instead of tables
  --profile  where the CPU of Postrider's worker goes, and which statement costs what
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    case: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string' },
    short: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const { short } = values
const rounds = Number(values.rounds ?? (short ? 1 : 5))

if (values.help) print(help)
else await run(chosen([...values.case, ...positionals]))

async function run(wanted: readonly Case[]): Promise<void> {
  if (!short) compile()
  const postgres = await BenchPostgres.start({ short, profiled: values.profile })
  const receiver = await Receiver.start()
  const stop = async (): Promise<void> => {
    await receiver.stop()
    await postgres.stop()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void stop().finally(() => process.exit(1)))
  const bench: Bench = { postgres, receiver, short }
  try {
    if (values.profile) print(await profile(bench))
    else await measure(bench, wanted)
  } finally {
    await stop()
  }
}

async function measure(bench: Bench, wanted: readonly Case[]): Promise<void> {
  const results = new Map<string, CaseResults>()
  for (const one of wanted) {
    const found = await runRounds(bench, one, { rounds, progress: tell })
    results.set(one.name, found)
    if (!values.json) print(`\n## ${one.title} (${one.name})\n\n${one.what}\n\n${caseTable(one, found)}\n`)
  }
  const run = describeRun({ postgres: await bench.postgres.version(), rounds })
  if (values.json) print(JSON.stringify(plain(results)))
  else print(short ? run : `\n## Targets\n\n${targetsTable(results)}\n\n${run}\n`)
  if (values.write && !short) await write(results, run)
}

async function write(results: Results, run: string): Promise<void> {
  for (const one of cases.filter(({ isLong }) => isLong)) {
    const found = results.get(one.name)
    if (found)
      await writeOperations(
        one.name,
        `${one.what}\n\n${caseTable(one, found)}\n\n${targetsTable(new Map([[one.name, found]]), { measuredOnly: true })}\n\n${run}`,
      )
  }
  const usual = new Map([...results].filter(([name]) => !cases.find((one) => one.name === name)!.isLong))
  if (usual.size > 0) await writeResults(usual, run)
}

function chosen(names: readonly string[]): readonly Case[] {
  const unknown = names.find((name) => cases.every((one) => one.name !== name))
  if (unknown !== undefined) throw new Error(`there is no case "${unknown}"\n\n${help}`)
  return cases.filter(({ name, isLong }) => (names.length === 0 ? short || !isLong : names.includes(name)))
}

function plain(results: ReadonlyMap<string, CaseResults>): object {
  return Object.fromEntries(Array.from(results, ([name, found]) => [name, Object.fromEntries(found)]))
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function tell(message: string): void {
  process.stderr.write(`${message}\n`)
}
