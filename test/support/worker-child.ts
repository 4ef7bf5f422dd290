// A worker in a process of its own, which tells of each attempt, of what it complains about, and how much memory it takes.
import { randomBytes } from 'node:crypto'
import { Postrider, type PostriderOptions } from '../../src/postrider.ts'

/** What the parent may ask, and what it is told. */
export type Question = 'measure' | 'stop'
export type Report =
  | { kind: 'started' }
  | { kind: 'attempt' }
  | { kind: 'complaint'; message: string }
  /** In MiB: at this moment, and the highest since the last time it was asked. */
  | { kind: 'memory'; nowMiB: number; highestMiB: number }

const options = JSON.parse(process.argv[2]!) as PostriderOptions
const tell = (report: Report): void => void process.send?.(report)
const complain = (fields: object, message: string): void =>
  tell({ kind: 'complaint', message: `${message} ${JSON.stringify(fields)}` })

const postrider = new Postrider({
  ...options,
  encryptionKeys: [{ id: 'k1', key: randomBytes(32) }],
  logger: {
    debug() {},
    info: (_fields, message) => {
      if (message === 'attempt') tell({ kind: 'attempt' })
    },
    warn: complain,
    error: complain,
  },
})

const rssMiB = (): number => process.memoryUsage.rss() / 1_048_576
let highestMiB = 0
const sampling = setInterval(() => {
  highestMiB = Math.max(highestMiB, rssMiB())
}, 5)

process.on('message', (question: Question) => {
  if (question === 'measure') {
    tell({ kind: 'memory', nowMiB: rssMiB(), highestMiB: Math.max(highestMiB, rssMiB()) })
    highestMiB = 0
  } else {
    clearInterval(sampling)
    void postrider.stop().then(() => process.disconnect())
  }
})

await postrider.start()
tell({ kind: 'started' })
