import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { machineMs } from './machine-time.ts'
import { serve } from './remote.ts'

/**
 * The receiver: reads each body, answers 204, and counts by the first segment of the path. `/dead/…` is never answered,
 * `/slow/…` after 300 ms, `/flaky/…` with 500 at the first try.
 */

const slowMs = 300

const counts = new Map<string, number>()
let arrivals: Map<string, number> | undefined
let watch: { segment: string; count: number; reached: () => void } | undefined

const server = createServer((request, response) => {
  request.on('end', () => {
    const segment = request.url!.split('/', 2)[1]!
    const count = (counts.get(segment) ?? 0) + 1
    counts.set(segment, count)
    const id = request.headers['webhook-id'] as string
    if (arrivals && !arrivals.has(id)) arrivals.set(id, machineMs())
    if (watch?.segment === segment && count >= watch.count) watch.reached()
    answer(segment, response, request.headers['postrider-attempt'] === '1')
  })
  request.on('error', () => {})
  request.resume()
})
// A receiver that closed idle connections would make the figures a matter of luck.
server.keepAliveTimeout = 120_000
server.listen(0, '127.0.0.1')
await once(server, 'listening')

function answer(segment: string, response: ServerResponse, isFirstTry: boolean): void {
  const end = (): void => void response.writeHead(segment === 'flaky' && isFirstTry ? 500 : 204).end()
  if (segment === 'dead') return
  if (segment === 'slow') setTimeout(end, slowMs)
  else end()
}

serve({
  port: () => (server.address() as AddressInfo).port,
  /** Counts from zero; remembers when each `webhook-id` first arrived, if asked to. */
  reset: ({ remember }: { remember: boolean }) => {
    counts.clear()
    arrivals = remember ? new Map() : undefined
  },
  count: (segment: string) => ({ count: counts.get(segment) ?? 0, atMs: machineMs() }),
  reach: ({ segment, count }: { segment: string; count: number }) =>
    new Promise<void>((resolve) => {
      watch = { segment, count, reached: resolve }
      if ((counts.get(segment) ?? 0) >= count) resolve()
    }),
  arrivals: () => arrivals,
})
