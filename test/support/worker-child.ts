// A worker in a process of its own, which tells of each attempt, of what it complains about, and how much memory it takes.
import { randomBytes } from 'node:crypto'
import { Postrider, type PostriderOptions } from '../../src/postrider.ts'

/** What the parent may ask, and what it is told. */
export type Question = 'measure' | 'stop'
export type Report =
  | { kind: 'started' }
  | { kind: 'attempt' }
  | { kind: 'complaint'; message: string }
  /** Since it was asked the last time: the most memory, and the longest that this process could not run. */
  | { kind: 'burden'; highestMiB: number; longestStallMs: number }

const options = JSON.parse(process.argv[2]!) as PostriderOptions
const tell = (report: Report): void => void process.send?.(report)
const postrider = new Postrider({
  ...options,
  encryptionKeys: [{ id: 'k1', key: randomBytes(32) }],
  logger: {
    debug() {},
    info: (_fields, message) => {
      if (message === 'attempt') tell({ kind: 'attempt' })
    },
    warn() {},
    error: (fields, message) => tell({ kind: 'complaint', message: `${message} ${JSON.stringify(fields)}` }),
  },
})

const rssMiB = (): number => process.memoryUsage.rss() / 1_048_576
const everyMs = 5
let highestMiB = 0
let longestStallMs = 0
let lastMs = performance.now()
const sampling = setInterval(() => {
  highestMiB = Math.max(highestMiB, rssMiB())
  longestStallMs = Math.max(longestStallMs, performance.now() - lastMs - everyMs)
  lastMs = performance.now()
}, everyMs)

process.on('message', (question: Question) => {
  if (question === 'measure') {
    tell({ kind: 'burden', highestMiB: Math.max(highestMiB, rssMiB()), longestStallMs })
    highestMiB = 0
    longestStallMs = 0
  } else {
    clearInterval(sampling)
    void postrider.stop().then(() => process.disconnect())
  }
})

await postrider.start()
tell({ kind: 'started' })
