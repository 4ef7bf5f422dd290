import { parseArgs } from 'node:util'
import { readCosts } from './costs.ts'
import { report } from './report.ts'
import { Run } from './run.ts'
import { lasting, type Scenario, short, tenth, whole } from './scenario.ts'

const help = `Runs a hundred workers and a million endpoints in a time of their own, by the code that decides in a real one.

  npm run simulate -- [--tenth | --short] [--seed N] [--minutes N] [--workers N]
                      [--concurrency N] [--silent SHARE]

  --tenth        a tenth of all that, which loads each worker alike
  --short        a few hundred endpoints and two minutes: seconds
  --seed         another run; the same number is the same run
  --minutes      of simulated time
  --workers      how many there are
  --concurrency  slots of each
  --silent       the share of endpoints that never answer, from 0 to 1
`

const { values } = parseArgs({
  options: {
    tenth: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    seed: { type: 'string' },
    minutes: { type: 'string' },
    workers: { type: 'string' },
    concurrency: { type: 'string' },
    silent: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) {
  process.stdout.write(help)
} else {
  const given = values.short ? short : values.tenth ? tenth : whole
  const scenario: Scenario = lasting(given, Number(values.minutes ?? given.minutes))
  if (values.seed !== undefined) scenario.seed = Number(values.seed)
  if (values.workers !== undefined) scenario.workers = Number(values.workers)
  if (values.concurrency !== undefined) scenario.concurrency = Number(values.concurrency)
  if (values.silent !== undefined) {
    const { population } = scenario
    scenario.population = { ...population, shares: { ...population.shares, silent: Number(values.silent) } }
  }
  const beforeMs = performance.now()
  const run = new Run(scenario)
  run.run((minute) => {
    const second = run.figures.seconds.at(-1)!
    process.stderr.write(
      `minute ${minute} of ${scenario.minutes}: ${second.sent} sent, p99 ${Math.round(second.p99WaitMs)} ms, ` +
        `${second.queued} queued of ${second.queuedWebhooks} webhooks, ${second.busySlots} slots\n`,
    )
  })
  process.stdout.write(`${report(run, readCosts())}\n`)
  const memory = Math.round(process.resourceUsage().maxRSS / 1_024)
  process.stderr.write(`took ${Math.round((performance.now() - beforeMs) / 1_000)} s and ${memory} MiB\n`)
}
