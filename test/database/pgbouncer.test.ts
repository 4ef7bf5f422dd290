import { expect, test } from 'vitest'
import type { Finding } from '../../src/cli/doctor/finding.ts'
import { Postrider } from '../../src/postrider.ts'
import { createServer } from '../../src/api/server.ts'
import { runCommand } from '../cli/command.ts'
import { createEmptyDatabase } from '../support/database.ts'
import { hasPgBouncer, startPgBouncer } from '../support/pgbouncer.ts'
import { Receiver } from '../support/receiver.ts'
import { adminKey, encryptionKeys } from '../support/running.ts'

const events = 200

test.skipIf(!hasPgBouncer)(
  'behind it, with the server itself named for LISTEN, a worker is woken',
  async () => {
    const { connectionString } = await createEmptyDatabase()
    const postrider = new Postrider({
      connectionString: await startPgBouncer(connectionString),
      directUrl: connectionString,
      encryptionKeys,
      allowHttp: true,
      allowPrivate: ['127.0.0.0/8'],
      // Longer than this test may take.
      pollMs: 60_000,
    })
    await using receiver = await Receiver.start()
    await postrider.migrate()
    await postrider.start()
    try {
      const project = await postrider.projects.create({ name: 'shop' })
      await postrider.webhooks.create(project.id, { name: 'billing', url: receiver.url })
      for (let count = 1; count <= 3; count += 1) {
        await postrider.publish({ projectId: project.id, type: 'order.paid', data: {} })
        await receiver.waitFor(count)
      }
    } finally {
      await postrider.stop()
    }
  },
)

test.skipIf(!hasPgBouncer)(
  'behind PgBouncer in transaction mode the schema is made, two processes deliver everything once, and the doctor says so',
  async () => {
    const { connectionString, database } = await createEmptyDatabase()
    const pooled = await startPgBouncer(connectionString)
    const options = {
      connectionString: pooled,
      encryptionKeys,
      allowHttp: true,
      allowPrivate: ['127.0.0.0/8'],
      pollMs: 50,
    }
    await using receiver = await Receiver.start()
    const processes = [new Postrider(options), new Postrider(options)] as const
    await Promise.all(processes.map((postrider) => postrider.migrate()))
    await Promise.all(processes.map((postrider) => postrider.start()))
    const server = createServer({ postrider: processes[0], adminKey, port: 0, rateLimit: false })
    const { url } = await server.start()
    try {
      const project = await processes[0].projects.create({ name: 'shop' })
      const other = await processes[0].projects.create({ name: 'other' })
      await processes[1].webhooks.create(project.id, { name: 'billing', url: receiver.url })
      const call = async (path: string, body?: object) => {
        const response = await fetch(`${url}/api/projects/${path}`, {
          method: body ? 'POST' : 'GET',
          headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
          ...(body && { body: JSON.stringify(body) }),
        })
        return { status: response.status, json: (await response.json()) as Record<string, unknown[]> }
      }
      // Many at once share five connections of the server: what one transaction sets must not reach the next.
      const published = await Promise.all(
        Array.from({ length: events }, (_, order) =>
          call(`${project.id}/events`, { type: 'order.paid', data: { order } }),
        ),
      )
      expect(new Set(published.map(({ status }) => status))).toEqual(new Set([202]))
      const [mine, theirs] = await Promise.all([
        call(`${project.id}/deliveries?limit=100`),
        call(`${other.id}/deliveries?limit=100`),
      ])
      expect(mine.json['deliveries']).toHaveLength(100)
      expect(theirs.json['deliveries']).toEqual([])
      await expect
        .poll(
          async () => {
            const { rows } = await database.query<{ count: number }>(
              `SELECT COUNT(*)::integer AS count FROM postrider.deliveries WHERE status = 'delivered'`,
            )
            return rows[0]!.count
          },
          { timeout: 15_000 },
        )
        .toBe(events)
      expect(receiver.requests).toHaveLength(events)
      const { stdout } = await runCommand(['doctor', '--json'], { env: { DATABASE_URL: pooled } })
      const { findings } = JSON.parse(stdout) as { findings: Finding[] }
      expect(findings.find(({ subject }) => subject === 'pooler')).toMatchObject({ state: 'warning' })
    } finally {
      await server.stop()
      await Promise.all(processes.map((postrider) => postrider.stop()))
    }
  },
)
