import { deliverBacklog, postRaw } from '../backlog.ts'
import { graphileWorker } from '../systems/graphile-worker.ts'
import { pgBoss } from '../systems/pg-boss.ts'
import { postrider } from '../systems/postrider.ts'
import type { System } from '../systems/system.ts'
import { type Case, type Contestant, flowColumns, residentColumn, writtenColumns } from './case.ts'

const deliveries = 20_000
const recordsAttempts = true

export const delivery: Case = {
  name: 'delivery',
  title: 'Delivery',
  what:
    'A backlog of 20,000 events for 20 endpoints, delivered by 1, 2 and 4 worker processes of 64 requests in flight ' +
    'each. Figures are for one delivery; CPU is that of the workers and of PostgreSQL.',
  columns: [...flowColumns, ...writtenColumns, residentColumn],
  contestants: [
    {
      name: 'raw dispatch',
      run: (bench) => postRaw(bench, bench.short ? 500 : deliveries),
    },
    contestant(postrider),
    contestant(graphileWorker()),
    contestant(pgBoss()),
    contestant(graphileWorker({ recordsAttempts }), { suffix: ' + attempts' }),
    contestant(pgBoss({ recordsAttempts }), { suffix: ' + attempts' }),
    ...[2, 4].flatMap((workers) => [
      contestant(postrider, { workers }),
      contestant(graphileWorker({ recordsAttempts }), { suffix: ' + attempts', workers }),
      contestant(pgBoss({ recordsAttempts }), { suffix: ' + attempts', workers }),
    ]),
  ],
}

function contestant(
  system: System,
  { suffix = '', workers = 1 }: { suffix?: string; workers?: number } = {},
): Contestant {
  return {
    name: `${system.name}${suffix}${workers > 1 ? `, ${workers} workers` : ''}`,
    // Of the peers one that does most of what they all do.
    longOnly:
      workers > 2 || (system !== postrider && (workers > 1 || system.name !== 'pg-boss' || suffix === '')),
    run: (bench) => deliverBacklog(bench, { system, messages: bench.short ? 500 : deliveries, workers }),
  }
}
