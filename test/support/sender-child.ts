// A sender in a process of its own, which sends to many names of this machine and tells what came of it.
import { Sender } from '../../src/deliver/send.ts'

export interface Order {
  /** Each request goes to a name of its own at this port. */
  port: number
  count: number
  /** At once. */
  inFlight: number
  timeoutMs: number
}

export interface Outcome {
  /** How many ended so: `http 204`, `timeout after 2000 ms`. */
  endings: Record<string, number>
  longestMs: number
  /** How much more memory was taken at the worst moment than before. */
  growthMiB: number
}

const sender = new Sender({
  policy: { allowHttp: true, allowPrivate: ['127.0.0.0/8'] },
  resolver: async () => [{ address: '127.0.0.1', family: 4 }],
})

async function carryOut({ port, count, inFlight, timeoutMs }: Order): Promise<Outcome> {
  const endings: Record<string, number> = {}
  let longestMs = 0
  let next = 0
  const sendOneAfterAnother = async (): Promise<void> => {
    while (next < count) {
      const url = `http://h${next++}.example.com:${port}/`
      const answer = await sender.send({ url, headers: {}, body: '{}' }, { timeoutMs })
      const ending = answer.kind === 'answer' ? `http ${answer.status}` : answer.error
      endings[ending] = (endings[ending] ?? 0) + 1
      longestMs = Math.max(longestMs, answer.durationMs)
    }
  }
  const beforeMiB = rssMiB()
  let highestMiB = beforeMiB
  const sampling = setInterval(() => {
    highestMiB = Math.max(highestMiB, rssMiB())
  }, 20)
  await Promise.all(Array.from({ length: inFlight }, sendOneAfterAnother))
  clearInterval(sampling)
  return { endings, longestMs, growthMiB: highestMiB - beforeMiB }
}

function rssMiB(): number {
  return process.memoryUsage.rss() / 1_048_576
}

process.on('message', (order: Order | 'stop') => {
  if (order !== 'stop') void carryOut(order).then((outcome) => process.send!(outcome))
  else void sender.close().then(() => process.disconnect())
})
