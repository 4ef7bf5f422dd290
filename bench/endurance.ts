import { parseArgs } from 'node:util'
import { Client } from 'pg'
import { compile } from './compile.ts'
import { SteadyLoad } from './endurance/load.ts'
import { type Period, periodTable, ratioLine, tablesTable } from './endurance/report.ts'
import type { Bench } from './ground.ts'
import { describeRun } from './machine.ts'
import { writeOperations } from './operations.ts'
import { BenchPostgres } from './postgres.ts'
import { Receiver } from './processes/receiver.ts'

const help = `How Postrider's hot tables and its claims fare under a steady load.

  node bench/endurance.ts bloat    [--minutes 60] [--rate 150] [--write]
  node bench/endurance.ts snapshot [--minutes 10] [--rate 150] [--write]

  bloat      so many minutes, in six parts: the size of what is hot is to stay flat
  snapshot   another session holds a snapshot open for so many minutes, in five parts, as a long report or a dump does; before
             it a fifth of that time without, and behind it two fifths

  --rate     events published a second, to 20 webhooks: two answer 500 at the first try, one is ordered, one has a rate
  --write    writes what was measured to docs/operations.md
  --json     prints the figures of each part as JSON
  --short    a careless PostgreSQL, and the source in place of the compiled package: does it work?
`

const modes = { bloat: { minutes: 60, run: bloat }, snapshot: { minutes: 10, run: snapshot } }

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string' },
    rate: { type: 'string', default: '150' },
    write: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
  },
})
const name = positionals[0] as keyof typeof modes
const mode = modes[name]
if (mode) await measure(Number(values.minutes ?? mode.minutes))
else process.stdout.write(help)

async function measure(minutes: number): Promise<void> {
  const { short } = values
  if (!short) compile()
  const postgres = await BenchPostgres.start({ short, profiled: true, endures: true })
  const receiver = await Receiver.start()
  const stop = async (): Promise<void> => {
    await receiver.stop()
    await postgres.stop()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void stop().finally(() => process.exit(1)))
  try {
    const bench: Bench = { postgres, receiver, short }
    const load = await SteadyLoad.start(bench, { perSecond: Number(values.rate) })
    const periods = await mode.run(load, minutes)
    await load.stop()
    const run = describeRun({ postgres: await postgres.version(), rounds: 1 })
    const text = `${described(minutes)}\n\n${report(periods)}\n\n${run}`
    process.stdout.write(values.json ? `${JSON.stringify(periods)}\n` : `${text}\n`)
    if (values.write) await writeOperations(name, text)
  } finally {
    await stop()
  }
}

async function bloat(load: SteadyLoad, minutes: number): Promise<Period[]> {
  // The first deliveries load code and fill caches.
  await load.run('warming up', minutes / 60)
  const periods: Period[] = []
  for (let part = 1; part <= 6; part += 1) {
    periods.push(tell(await load.run(`${untilMinute(part, minutes / 6)} min`, minutes / 6)))
  }
  return periods
}

async function snapshot(load: SteadyLoad, minutes: number): Promise<Period[]> {
  await load.run('warming up', minutes / 20)
  const periods = [tell(await load.run('before', minutes / 5))]
  const holder = new Client({ connectionString: load.connectionString })
  await holder.connect()
  await holder.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
  await holder.query('SELECT count(*) FROM postrider.projects')
  for (let part = 1; part <= 5; part += 1) {
    periods.push(tell(await load.run(`held for ${untilMinute(part, minutes / 5)} min`, minutes / 5)))
  }
  await holder.query('COMMIT')
  await holder.end()
  for (const part of [1, 2]) {
    periods.push(tell(await load.run(`${untilMinute(part, minutes / 5)} min after`, minutes / 5)))
  }
  return periods
}

function untilMinute(part: number, minutes: number): string {
  return (part * minutes).toLocaleString('en', { maximumFractionDigits: 2 })
}

function described(minutes: number): string {
  const command = `node bench/endurance.ts ${name} --minutes ${minutes} --rate ${values.rate}`
  return `\`${command}\`: ${values.rate} events a second to 20 webhooks, of which two answer 500 at the first try, one is ordered and one has a rate; one worker. Times are those of the statements in PostgreSQL, for one delivery or event.`
}

function report(periods: readonly Period[]): string {
  const held = periods.findLast((period) => period.name.startsWith('held'))
  const verdict = held ? ratioLine(held, periods[0]!) : ratioLine(periods.at(-1)!, periods[0]!)
  return [periodTable(periods), tablesTable(periods), verdict].join('\n\n')
}

function tell(period: Period): Period {
  process.stderr.write(`${periodTable([period])}\n`)
  return period
}
