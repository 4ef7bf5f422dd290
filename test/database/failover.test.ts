import { expect, test } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { newId } from '../../src/ids.ts'
import { Postrider } from '../../src/postrider.ts'
import { Receiver } from '../support/receiver.ts'
import { startPair } from '../support/replication.ts'
import { encryptionKeys } from '../support/running.ts'

const publishers = 4
const events = 150
const paths = ['a', 'b']

/** As long as nobody has to wait for the lease of a worker: none dies here. */
const mostDowntimeMs = 10_000

test(
  'the primary is killed under load and the standby promoted: no acknowledged event is lost, and it goes on within 10 s',
  { timeout: 60_000 },
  async () => {
    await using pair = await startPair()
    await using receiver = await Receiver.start({ answer: () => ({ delayMs: 10 }) })
    const connectionString = `${pair.both}?target_session_attrs=read-write`
    const options = {
      connectionString,
      encryptionKeys,
      allowHttp: true,
      allowPrivate: ['127.0.0.0/8'],
      leaseSeconds: 60,
    }
    const [publisher, ...workers] = [new Postrider(options), new Postrider(options), new Postrider(options)]
    await publisher.migrate()
    await pair.synchronise()
    await Promise.all([publisher.connect(), ...workers.map((worker) => worker.start())])
    const project = await publisher.projects.create({ name: 'shop' })
    for (const path of paths)
      await publisher.webhooks.create(project.id, { name: path, url: receiver.url + path })

    const acknowledgedMs = new Map<string, number>()
    const enough = new AbortController()
    const publishing = Array.from({ length: publishers }, async () => {
      while (!enough.signal.aborted) {
        const id = newId()
        await publisher.publish({ projectId: project.id, type: 'order.paid', data: {}, id }).then(
          () => acknowledgedMs.set(id, performance.now()),
          // Not acknowledged: it may be there, or not.
          () => {},
        )
      }
    })
    try {
      await expect.poll(() => acknowledgedMs.size).toBeGreaterThan(events)
      await receiver.waitFor(events)
      await pair.primary.kill()

      const asking = new Database({ connectionString })
      const refusal = (await asking.query('SELECT 1').catch((error: Error) => error)) as Error
      expect(refusal.message).toBe(
        `none of the hosts can be used: ${pair.primary.name}: connection refused; ${pair.standby.name}: session is read-only`,
      )

      await pair.standby.query('SELECT pg_promote()')
      const promotedMs = performance.now()
      const after = () => [...acknowledgedMs].filter(([, atMs]) => atMs > promotedMs).map(([id]) => id)
      await expect.poll(() => after().length, { timeout: mostDowntimeMs }).toBeGreaterThan(events)
      enough.abort()
      await Promise.all(publishing)
      const missing = () => {
        const received = deliveredOf(receiver)
        return [...acknowledgedMs.keys()].flatMap((id) =>
          paths.filter((path) => !received.has(`${id} ${path}`)),
        )
      }
      await expect.poll(missing, { timeout: 15_000 }).toEqual([])

      const resumedMs = firstDelivery(receiver, new Set(after())) - promotedMs
      const twice = receiver.requests.length - deliveredOf(receiver).size
      process.stdout.write(
        `failover: ${acknowledgedMs.size} events acknowledged, 0 lost, ${twice} deliveries twice; the first delivery of an event published after the promotion came ${Math.round(resumedMs)} ms after it\n`,
      )
      expect(resumedMs).toBeLessThan(mostDowntimeMs)
      // No worker died: each tells the new primary what became of what it had in flight.
      expect(twice).toBe(0)

      // Both workers listen there, and hold their leases there.
      await expect
        .poll(
          async () =>
            (await asking.query(`SELECT FROM pg_stat_activity WHERE query = 'LISTEN postrider_due'`))
              .rowCount,
        )
        .toBe(2)
      const { rowCount } = await asking.query('SELECT FROM postrider.workers WHERE lease_until > now()')
      expect(rowCount).toBe(2)
      await asking.close()
    } finally {
      enough.abort()
      await Promise.all(publishing)
      await Promise.all([publisher, ...workers].map((each) => each.stop()))
    }
  },
)

function idOf({ headers }: { headers: Record<string, unknown> }): string {
  return String(headers['webhook-id'])
}

/** Each event and the path it came to. */
function deliveredOf({ requests }: Receiver): Set<string> {
  return new Set(requests.map((request) => `${idOf(request)} ${request.url.slice(1)}`))
}

/** On the clock of `performance.now()`. */
function firstDelivery(receiver: Receiver, ids: ReadonlySet<string>): number {
  const first = receiver.requests.find((request) => ids.has(idOf(request)))!
  return first.receivedAt.getTime() - performance.timeOrigin
}
