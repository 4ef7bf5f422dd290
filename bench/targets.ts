import { empty, full } from './cases/long-life.ts'
import { formatNumber, formatRatio } from './report.ts'
import { type Results, series } from './rounds.ts'
import { median, pairedRatio, type Spread } from './statistics.ts'

/** What Postrider is to reach, beside the peers in the same run. */
export interface Target {
  what: string
  wanted: string
  /** Undefined where its cases were not run. */
  find(results: Results): Finding | undefined
}

export interface Finding {
  measured: string
  met: boolean
}

/** Of a request's body. */
const payloadBytes = 1_024

export const targets: readonly Target[] = [
  atLeast('delivery rate ÷ graphile-worker with attempts', 2, overPeer('rate', 'graphile-worker + attempts')),
  atLeast('delivery rate ÷ pg-boss with attempts', 1.6, overPeer('rate', 'pg-boss + attempts')),
  atLeast('delivery rate ÷ graphile-worker as it comes', 1.5, overPeer('rate', 'graphile-worker')),
  atLeast('delivery rate ÷ pg-boss as it comes', 1.25, overPeer('rate', 'pg-boss')),
  atMost('CPU of worker and PostgreSQL ÷ the better peer’s, with attempts', 0.65, (results) =>
    ratio(
      series(results, 'delivery', 'Postrider', 'cpuUs'),
      best(Math.min, [
        series(results, 'delivery', 'graphile-worker + attempts', 'cpuUs'),
        series(results, 'delivery', 'pg-boss + attempts', 'cpuUs'),
      ]),
    ),
  ),
  atLeast('deliveries per CPU second ÷ raw dispatch', 0.7, (results) =>
    ratio(
      series(results, 'delivery', 'raw dispatch', 'cpuUs'),
      series(results, 'delivery', 'Postrider', 'cpuUs'),
    ),
  ),
  atLeast('publishing in batches ÷ the better peer', 2, publishing('batches')),
  atLeast('publishing one by one over 1 connection ÷ the better peer', 1.5, publishing('one')),
  atLeast('publishing one by one over 8 connections ÷ the better peer', 1.5, publishing('eight')),
  atLeast('publishing one by one over 32 connections ÷ the better peer', 1.5, publishing('thirtyTwo')),
  atMost('p50 from publishing to arrival ÷ graphile-worker', 0.7, latency('p50')),
  atMost('p99 from publishing to arrival ÷ graphile-worker', 1, latency('p99')),
  {
    what: 'WAL of a delivery beyond one write of its payload',
    wanted: '≤ 1,536 B',
    find(results) {
      const published = series(results, 'delivery', 'Postrider', 'publishWalBytes')
      const delivered = series(results, 'delivery', 'Postrider', 'walBytes')
      if (!published || !delivered) return undefined
      const bytes = median(published.map((bytes, round) => bytes + delivered[round]! - payloadBytes))
      return { measured: `${formatNumber(bytes)} B`, met: bytes <= 1_536 }
    },
  },
  ...(['cpuUs', 'buffers'] as const).flatMap((figure) => {
    const title = figure === 'cpuUs' ? 'CPU' : 'buffers'
    return [
      atMost(`${title} of a delivery with 2 million finished ÷ empty`, 1.1, (results) =>
        ratio(
          series(results, 'history', 'Postrider, 2 million finished', figure),
          series(results, 'history', 'Postrider, empty', figure),
        ),
      ),
      atMost(`${title} of a delivery with 1 million waiting ÷ empty`, 1.1, (results) =>
        ratio(
          series(results, 'future', 'Postrider, 1 million waiting', figure),
          series(results, 'future', 'Postrider, empty', figure),
        ),
      ),
    ]
  }),
  ...Object.entries({
    claimUs: 'claim',
    publishUs: 'publishing one by one',
    batchUs: 'publishing in batches',
  }).map(([figure, title]) =>
    atMost(`${title} beside 10 million finished and 1 million future ÷ empty`, 1.5, (results) =>
      overEmpty(results, figure),
    ),
  ),
  atMost('the list call that grew most beside them ÷ empty', 1.5, (results) => {
    const [round] = results.get('long-life')?.get(full) ?? []
    const lists = Object.keys(round ?? {}).filter((figure) => figure.startsWith('list:'))
    const ratios = lists.flatMap((figure) => overEmpty(results, figure) ?? [])
    return ratios.toSorted((one, other) => one.median - other.median).at(-1)
  }),
  {
    what: 'resident memory of a worker under full load',
    wanted: '≤ 160 MiB',
    find(results) {
      const resident = series(results, 'delivery', 'Postrider', 'residentMib')
      if (!resident) return undefined
      const most = Math.max(...resident)
      return { measured: `${formatNumber(most)} MiB`, met: most <= 160 }
    },
  },
  atLeast('delivery rate of two workers ÷ one', 1.2, (results) =>
    ratio(
      series(results, 'delivery', 'Postrider, 2 workers', 'rate'),
      series(results, 'delivery', 'Postrider', 'rate'),
    ),
  ),
  ...['Postrider', 'Postrider, and a dead endpoint with 100,000'].map((contestant) =>
    atMost(
      `p99 of a hundred tenants beside a million due deliveries${contestant.replace('Postrider', '')} ÷ alone`,
      1.5,
      (results) =>
        ratio(
          series(results, 'tenants', contestant, 'p99'),
          series(results, 'tenants', 'Postrider, the hundred alone', 'p99'),
        ),
    ),
  ),
]

type Ratio = (results: Results) => Spread | undefined

function atLeast(what: string, least: number, ratioOf: Ratio): Target {
  return { what, wanted: `≥ ${least}`, find: judged(ratioOf, (value) => value >= least) }
}

function atMost(what: string, most: number, ratioOf: Ratio): Target {
  return { what, wanted: `≤ ${most}`, find: judged(ratioOf, (value) => value <= most) }
}

function judged(ratioOf: Ratio, isMet: (median: number) => boolean): Target['find'] {
  return (results) => {
    const found = ratioOf(results)
    return found && { measured: formatRatio(found), met: isMet(found.median) }
  }
}

function overPeer(figure: string, peer: string): Ratio {
  return (results) =>
    ratio(series(results, 'delivery', 'Postrider', figure), series(results, 'delivery', peer, figure))
}

function publishing(figure: string): Ratio {
  return (results) =>
    ratio(
      series(results, 'publish', 'Postrider', figure),
      best(Math.max, [
        series(results, 'publish', 'graphile-worker', figure),
        series(results, 'publish', 'pg-boss', figure),
      ]),
    )
}

function latency(figure: string): Ratio {
  return (results) =>
    ratio(
      series(results, 'latency', 'Postrider', figure),
      series(results, 'latency', 'graphile-worker', figure),
    )
}

function overEmpty(results: Results, figure: string): Spread | undefined {
  return ratio(series(results, 'long-life', full, figure), series(results, 'long-life', empty, figure))
}

function ratio(
  numerators: readonly number[] | undefined,
  denominators: readonly number[] | undefined,
): Spread | undefined {
  return numerators && denominators && pairedRatio(numerators, denominators)
}

/** The better of several in each round. */
function best(
  better: (...values: number[]) => number,
  peers: readonly (readonly number[] | undefined)[],
): number[] | undefined {
  const [first] = peers
  if (!first || peers.includes(undefined)) return undefined
  return first.map((_, round) => better(...peers.map((peer) => peer![round]!)))
}
