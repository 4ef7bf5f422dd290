import { deliverBacklog } from '../backlog.ts'
import type { Bench, Ground } from '../ground.ts'
import { graphileWorker } from '../systems/graphile-worker.ts'
import { pgBoss } from '../systems/pg-boss.ts'
import { postrider } from '../systems/postrider.ts'
import { type Case, flowColumns, writtenColumns } from './case.ts'

const events = 2_000
const fanOut = 10
const recordsAttempts = true

export const fanOutCase: Case = {
  name: 'fan-out',
  title: 'Fan-out',
  what:
    '2,000 events, each to 10 endpoints, delivered by one worker. With the peers the application queues 10 jobs for ' +
    'each event. Figures are for one delivery.',
  columns: [...flowColumns, ...writtenColumns],
  contestants: [
    { system: postrider, suffix: '' },
    { system: graphileWorker({ recordsAttempts }), suffix: ' + attempts' },
    { system: pgBoss({ recordsAttempts }), suffix: ' + attempts' },
  ].map(({ system, suffix }) => ({
    name: system.name + suffix,
    longOnly: system.module === 'pg-boss',
    run: (bench) =>
      deliverBacklog(bench, { system, ground: ground(bench), messages: bench.short ? 50 : events, fanOut }),
  })),
}

/** Two topics, so that a batch has more than one kind of event, of ten endpoints each. */
function ground({ receiver }: Bench): Ground {
  return {
    name: 'fan_out',
    endpoints: ['order.paid', 'order.sent'].flatMap((topic) =>
      Array.from({ length: fanOut }, (_, number) => ({
        tenant: 'shop',
        topic,
        url: `${receiver.origin}/w/${topic}/${number}`,
      })),
    ),
  }
}
