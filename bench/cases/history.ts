import { deliverBacklog } from '../backlog.ts'
import { type Bench, type Ground, spreadGround } from '../ground.ts'
import { seedHistory, seedWaiting } from '../systems/postrider-rows.ts'
import { postrider } from '../systems/postrider.ts'
import { type Case, type Contestant, flowColumns } from './case.ts'

const columns = [...flowColumns, { key: 'walBytes', title: 'WAL B' }, { key: 'buffers', title: 'buffers' }]
const deliveries = 10_000

export const history: Case = {
  name: 'history',
  title: 'History',
  what:
    'A backlog of 10,000 events delivered by one worker, without and with 2 million finished deliveries of the same 20 ' +
    'webhooks, each with its attempt. Figures are for one delivery.',
  columns,
  contestants: [
    { ...contestant('Postrider, empty', spreadGround), longOnly: true },
    contestant('Postrider, 2 million finished', (bench) => ({
      ...spreadGround(bench),
      name: 'history',
      fill: (connectionString) => seedHistory(connectionString, bench.short ? 2_000 : 2_000_000),
    })),
  ],
}

export const future: Case = {
  name: 'future',
  title: 'Future',
  what: 'The same without and with a million deliveries of the same 20 webhooks that wait for a later try.',
  columns,
  contestants: [
    { ...contestant('Postrider, empty', spreadGround), longOnly: true },
    contestant('Postrider, 1 million waiting', (bench) => ({
      ...spreadGround(bench),
      name: 'future',
      fill: (connectionString) => seedWaiting(connectionString, bench.short ? 1_000 : 1_000_000),
    })),
  ],
}

function contestant(name: string, ground: (bench: Bench) => Ground): Contestant {
  return {
    name,
    run: (bench) =>
      deliverBacklog(bench, {
        system: postrider,
        ground: ground(bench),
        messages: bench.short ? 300 : deliveries,
      }),
  }
}
