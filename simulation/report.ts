import { type Cost, type Costs, type Step, steps, type TableCost } from './costs.ts'
import { sizes, type Second, type Work } from './figures.ts'
import { Histogram } from './histogram.ts'
import { type Kind, kinds } from './population.ts'
import type { Run } from './run.ts'

/** What a run found, as Markdown. */
export function report(run: Run, costs: Costs): string {
  return [
    heading(run),
    waitsTable(run),
    kindsTable(run),
    lossTable(run),
    burstTable(run),
    claimsTable(run),
    bytesTable(run, costs),
  ].join('\n\n')
}

/** For how long was counted. */
export function countedSeconds({ scenario }: Run): number {
  return (scenario.minutes - scenario.warmUpMinutes) * 60
}

function heading({ scenario, published, ended, unfinished, figures, deliveries }: Run): string {
  const { population } = scenario
  const shares = kinds
    .filter((kind) => kind !== 'healthy')
    .map((kind) => `${percent(population.shares[kind])} ${kind}`)
  return [
    `${whole(scenario.workers)} workers of ${scenario.concurrency} slots, ${whole(population.webhooks)} endpoints (${shares.join(', ')}) of`,
    `${whole(population.tenants)} tenants, ${whole(population.deliveriesPerDay)} deliveries a day: ${scenario.minutes} minutes of it, the first`,
    `${scenario.warmUpMinutes} uncounted, seed ${scenario.seed}. Published ${whole(published)}, ended ${whole(ended)}, unfinished ${whole(unfinished)}`,
    `(of them waiting for their next try ${whole(figures.seconds.at(-1)!.scheduled)}), lost ${whole(published - ended - deliveries.count)}.`,
  ].join('\n')
}

function waitsTable({ figures }: Run): string {
  const names = sizes.map((size, place) =>
    size === Infinity ? `more than ${whole(sizes[place - 1]!)}` : `up to ${whole(size)}`,
  )
  return table([
    ['deliveries a day of the tenant', 'first tries', 'p50 ms', 'p99 ms', 'max ms'],
    ...sizes.map((_, place) => waitRow(names[place]!, figures.waits.healthy[place]!)),
  ])
}

function waitRow(name: string, waits: Histogram): string[] {
  return [
    name,
    whole(waits.count),
    ...[0.5, 0.99].map((share) => whole(waits.percentile(share))),
    whole(waits.max),
  ]
}

function kindsTable(run: Run): string {
  const { figures, scenario } = run
  const seconds = countedSeconds(run)
  const slots = scenario.workers * scenario.concurrency
  return table([
    [
      'endpoints',
      'tries/s',
      'slots',
      '% of slots',
      'p99 ms of first tries',
      'tries a minute at one',
      'at most',
    ],
    ...kinds.map((kind) => {
      const busy = figures.slotMs[kind] / (seconds * 1_000)
      const { mean, max } = triesPerMinute(run, kind)
      return [
        kind,
        whole(figures.sent[kind] / seconds),
        whole(busy),
        ((busy / slots) * 100).toFixed(1),
        whole(together(figures.waits[kind]).percentile(0.99)),
        mean.toFixed(2),
        max.toFixed(1),
      ]
    }),
  ])
}

/** At one endpoint of this kind. */
export function triesPerMinute(run: Run, kind: Kind): { mean: number; max: number } {
  const { figures, population } = run
  const minutes = countedSeconds(run) / 60
  let sum = 0
  let count = 0
  let max = 0
  for (let webhook = 0; webhook < population.webhooks; webhook += 1) {
    if (population.kindOf(webhook) !== kind) continue
    const tries = figures.tries[webhook]!
    count += 1
    sum += tries
    if (tries > max) max = tries
  }
  return { mean: sum / Math.max(count, 1) / minutes, max: max / minutes }
}

function together(histograms: readonly Histogram[]): Histogram {
  const all = new Histogram()
  for (const each of histograms) all.addAll(each)
  return all
}

/** The minute before a moment, and what follows until the next one of which something is told. */
function around({ figures, scenario }: Run, minute: number): { before: Second[]; after: Second[] } {
  const moments = [scenario.loss.atMinute, scenario.burst.atMinute, scenario.minutes]
  const next = Math.min(...moments.filter((each) => each > minute))
  const between = (from: number, to: number): Second[] =>
    figures.seconds.filter((second) => second.minute > from && second.minute <= to)
  return { before: between(minute - 1, minute), after: between(minute, next) }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

/** Seconds until p99 of first tries, second by second, is for good at most twice what it was before. */
export function settledAfterSeconds(run: Run, minute: number): number {
  const { before, after } = around(run, minute)
  const limit = Math.max(2 * median(before.map(({ p99WaitMs }) => p99WaitMs)), 50)
  return after.findLastIndex(({ p99WaitMs }) => p99WaitMs > limit) + 1
}

function lossTable(run: Run): string {
  const { loss, scenario } = run
  const { before, after } = around(run, scenario.loss.atMinute)
  return table([
    [`after the loss of ${scenario.loss.workers} of ${scenario.workers} workers`, ''],
    ['deliveries that they held', whole(loss.held)],
    ['taken over after', `${(loss.takenOverMs / 1_000).toFixed(1)} s`],
    [
      'all of them sent again after, where the endpoint is well',
      `${(loss.sentAgainMs / 1_000).toFixed(1)} s`,
    ],
    ['p99 of first tries before', `${whole(median(before.map(({ p99WaitMs }) => p99WaitMs)))} ms`],
    ['in the worst second after', `${whole(Math.max(...after.map(({ p99WaitMs }) => p99WaitMs)))} ms`],
    ['at most twice as before, for good, after', `${settledAfterSeconds(run, scenario.loss.atMinute)} s`],
    [
      'slots in use, of each worker, before and after',
      `${perWorker(before)} and ${perWorker(after.slice(-60))}`,
    ],
  ])
}

function perWorker(seconds: readonly Second[]): string {
  return median(seconds.map(({ busySlots, workers }) => busySlots / workers)).toFixed(1)
}

function burstTable(run: Run): string {
  const { scenario } = run
  const { before, after } = around(run, scenario.burst.atMinute)
  return table([
    [`when the largest tenant publishes ${whole(scenario.burst.deliveries)} at once`, ''],
    ['p99 of first tries before', `${whole(median(before.map(({ p99WaitMs }) => p99WaitMs)))} ms`],
    ['deliveries a second at most', whole(Math.max(...after.map(({ sent }) => sent)))],
    ['in the queue at most', whole(Math.max(...after.map(({ queued }) => queued)))],
    [
      'p99 at most twice as before, for good, after',
      `${settledAfterSeconds(run, scenario.burst.atMinute)} s`,
    ],
  ])
}

function claimsTable(run: Run): string {
  const { work, seconds } = run.figures
  const counted = countedSeconds(run)
  const counting = seconds.filter(({ minute }) => minute > run.scenario.warmUpMinutes)
  return table([
    ['claims', ''],
    ['a second', whole(work.claims / counted)],
    ['of them empty', percent(work.emptyClaims / work.claims)],
    [
      'deliveries of one that is not',
      (work.claimed / Math.max(work.claims - work.emptyClaims, 1)).toFixed(1),
    ],
    ['webhooks that each looks at', (work.stepped / work.claims).toFixed(1)],
    [
      'webhooks with something in the queue',
      whole(median(counting.map(({ queuedWebhooks }) => queuedWebhooks))),
    ],
    ['breakers opened', whole(work.opened)],
    ['open in the end', whole(seconds.at(-1)!.breakers)],
    ['notifications a second', whole(work.notifications / counted)],
  ])
}

interface Times {
  deliveries: number
  statements: number
}

/** How often a run does what was measured. Events are published one by one, as most are. */
function timesOf(work: Work): Record<Step, Times> {
  const { recorded, recordings, retried } = work
  const ended = recorded - retried
  const share = (part: number): number => (recorded === 0 ? 0 : (part / recorded) * recordings)
  return {
    publish: { deliveries: work.published, statements: work.published },
    claim: { deliveries: work.claimed, statements: work.claims - work.emptyClaims },
    deliver: { deliveries: ended, statements: share(ended) },
    retry: { deliveries: retried, statements: share(retried) },
    letOut: { deliveries: work.letOut, statements: 0 },
    // The same for each batch: all of it is each delivery's.
    emptyClaim: { deliveries: work.emptyClaims, statements: 0 },
  }
}

/** Rows and bytes a second, by table. */
export function perSecond(run: Run, costs: Costs): Map<string, TableCost> {
  const seconds = countedSeconds(run)
  const times = timesOf(run.figures.work)
  const tables = new Map<string, TableCost>()
  const add = (cost: Cost, count: number): void => {
    for (const [name, { rows, walBytes, tableBytes }] of Object.entries(cost)) {
      const sum = tables.get(name) ?? { rows: 0, walBytes: 0, tableBytes: 0 }
      tables.set(name, {
        rows: sum.rows + (rows * count) / seconds,
        walBytes: sum.walBytes + (walBytes * count) / seconds,
        tableBytes: sum.tableBytes + (tableBytes * count) / seconds,
      })
    }
  }
  for (const step of steps) {
    add(costs.steps[step].delivery, times[step].deliveries)
    add(costs.steps[step].statement, times[step].statements)
  }
  return tables
}

function bytesTable(run: Run, costs: Costs): string {
  const rows = [...perSecond(run, costs)].toSorted(([, a], [, b]) => b.walBytes - a.walBytes)
  const sum = (key: 'rows' | 'walBytes' | 'tableBytes'): number =>
    rows.reduce((sum, [, each]) => sum + each[key], 0)
  return table([
    ['table', 'rows/s', 'WAL KB/s', 'growth KB/s before vacuum'],
    ...rows.map(([name, { rows, walBytes, tableBytes }]) => [
      name,
      whole(rows),
      whole(walBytes / 1_000),
      whole(tableBytes / 1_000),
    ]),
    ['all', whole(sum('rows')), whole(sum('walBytes') / 1_000), whole(sum('tableBytes') / 1_000)],
  ])
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

/** The first row is the head; columns after the first are numbers. */
function table([head, ...rows]: readonly (readonly string[])[]): string {
  const line = (row: readonly string[]): string => `| ${row.join(' | ')} |`
  const rule = line(head!.map((_, column) => (column === 0 ? '---' : '---:')))
  return [line(head!), rule, ...rows.map(line)].join('\n')
}
