import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createLogger } from '../../src/log.ts'
import { createServer } from '../../src/api/server.ts'
import { Postrider, type PostriderOptions } from '../../src/postrider.ts'
import { createTestDatabase } from '../support/database.ts'
import { Receiver } from '../support/receiver.ts'
import { adminKey, encryptionKeys } from '../support/running.ts'
import { root } from './blocks.ts'

/** The tables of docs/observe.md have all that there is, and nothing else. */

const page = readFileSync(join(root, 'docs/observe.md'), 'utf8')

/** The cells of the table with this head, without its first two lines. */
function table(head: string): string[][] {
  const [, rest] = page.split(`${head}\n`)
  const lines = rest!.split('\n').slice(1)
  return lines
    .slice(
      0,
      lines.findIndex((line) => !line.startsWith('|')),
    )
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

function named(cell: string): string[] {
  return Array.from(cell.matchAll(/`([\w.]+)`/g), ([, name]) => name!)
}

const { connectionString } = await createTestDatabase()

function open(options: Partial<PostriderOptions> = {}): Postrider {
  return new Postrider({
    connectionString,
    encryptionKeys,
    allowHttp: true,
    allowPrivate: ['127.0.0.0/8'],
    ...options,
  })
}

it('metrics are those of the registry, with their types and labels', async () => {
  const postrider = open({ metricsBy: 'webhook' })
  const documented = table('| metric | type | labels | tells |').map(([name, type, labels]) => ({
    name: named(name!)[0],
    type,
    labels: named(labels!).toSorted(),
  }))
  const told = postrider.metrics.list().map(({ name, type, labels }) => ({
    name,
    type,
    // Only if they are asked for, as that page says below.
    labels: labels.filter((label) => name !== 'postrider_attempts_total' || label === 'outcome').toSorted(),
  }))
  expect(documented.toSorted(byName)).toEqual(told.toSorted(byName))
  await postrider.stop()
})

function byName(one: { name?: string | undefined }, other: { name?: string | undefined }): number {
  return one.name! < other.name! ? -1 : 1
}

it('lines of the log have the fields that are told', async () => {
  const lines: Record<string, unknown>[] = []
  const logger = createLogger('debug', { write: (line) => void lines.push(JSON.parse(line) as never) })
  const answers = [500, 204]
  await using receiver = await Receiver.start({ answer: () => ({ status: answers.shift() ?? 204 }) })
  const postrider = open({ logger })
  const server = createServer({ postrider, adminKey, port: 0, logger })
  await postrider.start()
  const { url } = await server.start()
  const { id: projectId } = await postrider.projects.create({ name: 'shop' })
  await postrider.webhooks.create(projectId, { name: 'w', url: receiver.url, filter: 'event.data.order > 1' })
  const post = (order: number, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${url}/api/projects/${projectId}/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ type: 'order.paid', data: { order } }),
    })
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const traceparent = `00-${traceId}-b7ad6b7169203331-01`
  await post(2, { traceparent })
  await post(1, { traceparent })
  await post(3)
  const linesOf = (message: unknown): Record<string, unknown>[] => lines.filter(({ msg }) => msg === message)
  const written = (): number => linesOf('attempt').length + linesOf('filtered').length
  await expect.poll(written).toBe(3)
  await server.stop()
  await postrider.stop()

  const always = ['level', 'time', 'pid', 'msg']
  for (const [message, level, , fields] of table('| `msg` | level | written | fields |')) {
    const found = linesOf(named(message!)[0])
    expect({ message, isThere: found.length > 0 }).toEqual({ message, isThere: true })
    const known = new Set([...named(fields!), ...always, 'project_id'])
    for (const line of found) {
      expect(line['level']).toBe(level)
      expect(Object.keys(line).filter((field) => !known.has(field))).toEqual([])
    }
  }
  for (const message of ['request', 'published', 'attempt', 'filtered'])
    expect(linesOf(message).some(({ trace_id }) => trace_id === traceId)).toBe(true)
  const attempts = linesOf('attempt')
  expect(attempts.map(({ outcome, status }) => [outcome, status])).toEqual(
    expect.arrayContaining([
      ['retry', 'pending'],
      ['delivered', 'delivered'],
    ]),
  )
  // At the usual level a delivery that arrives leaves two lines: that it was published, and its attempt.
  const eventId = attempts.find(({ outcome }) => outcome === 'delivered')!['event_id']
  const ofIt = lines.filter(({ level, event_id }) => level === 'info' && event_id === eventId)
  expect(ofIt.map(({ msg }) => msg)).toEqual(['published', 'attempt'])
})
