import { parseArgs } from 'node:util'
import { describe, isFailed, type Report } from './report.ts'
import { writeResults } from './results.ts'
import { atOnce, createTurns, runScenario } from './run.ts'
import type { Form, Scenario } from './scenario.ts'
import { scenarios } from './scenarios/all.ts'

const help = `npm run chaos -- [--only NAME …] [--short] [--write]

Hurts a real installation in every way that it must stand, and looks for what was lost, sent twice or late.

  --only NAME …  these scenarios alone: ${scenarios.map(({ name }) => name).join(', ')}
  --short        small and quick, several at once
  --write        writes chaos/RESULTS.md
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', multiple: true },
    short: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
process.exitCode = values.help ? printHelp() : await run(chosen(values.only, positionals))

async function run(chosen: readonly Scenario[]): Promise<number> {
  const form: Form = values.short ? 'short' : 'long'
  const turns = createTurns(atOnce[form])
  const runOne = async (scenario: Scenario): Promise<Report> => {
    const report = await runScenario(scenario, form)
    process.stdout.write(describe(report))
    return report
  }
  const reports = await Promise.all(chosen.map((scenario) => turns(() => runOne(scenario))))
  if (values.write) await writeResults(reports, form)
  return reports.some(isFailed) ? 1 : 0
}

/** `--only a b` and `--only a --only b` mean the same. */
function chosen(only: readonly string[] | undefined, positionals: readonly string[]): readonly Scenario[] {
  const names = [...(only ?? []), ...positionals]
  const unknown = names.find((name) => !scenarios.some((scenario) => scenario.name === name))
  if (unknown !== undefined) throw new Error(`there is no scenario "${unknown}"; --help lists them`)
  return names.length === 0 ? scenarios : scenarios.filter(({ name }) => names.includes(name))
}

function printHelp(): number {
  process.stdout.write(help)
  return 0
}
