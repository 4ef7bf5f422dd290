// How long a claim takes that finds nothing, and one that walks past many webhooks of which it may take nothing:
// `node simulation/walk.ts`. By the CPU that PostgreSQL takes, which a busy machine does not change.
import { cpuUsOf } from '../bench/processes/proc.ts'
import { Database } from '../src/database/database.ts'
import { migrate } from '../src/database/migrate.ts'
import { claim, firstWebhookId } from '../src/deliver/claim.ts'
import { Life } from '../src/deliver/life.ts'
import { insertProject } from '../test/support/seed.ts'
import { startTestServer } from '../test/support/server.ts'

const sizes = [0, 100, 1_000, 10_000, 50_000] as const
/** A process's CPU is told in hundredths of a second. */
const [fewestRepeats, enoughUs] = [5, 1_000_000]
const clock = { now: () => new Date() }

const server = await startTestServer()
const database = new Database({ connectionString: `${server.url}/postgres`, maxConnections: 1 })
try {
  await migrate(database, { direction: 'up' })
  const life = new Life({ leaseSeconds: 300, clock })
  await life.begin(database)
  await fill()
  const lines = ['| webhooks behind an open breaker | ms of a claim | µs of each |', '| ---: | ---: | ---: |']
  for (const size of sizes) {
    await database.query(
      `DELETE FROM postrider.delivery_queue;
       INSERT INTO postrider.delivery_queue (webhook_id, scheduled_at, delivery_id)
       SELECT webhook_id, now() - interval '1 hour', gen_random_uuid()
       FROM postrider.webhook_breakers
       ORDER BY webhook_id
       LIMIT ${size}`,
    )
    await database.query('VACUUM ANALYZE postrider.delivery_queue')
    const ms = await claimMs(life.id)
    lines.push(
      `| ${size.toLocaleString('en')} | ${ms.toFixed(2)} | ${size === 0 ? '' : ((ms / size) * 1_000).toFixed(1)} |`,
    )
  }
  process.stdout.write(`${lines.join('\n')}\n`)
} finally {
  await database.close()
  await server.stop()
}

async function fill(): Promise<void> {
  const projectId = await insertProject(database)
  await database.query(
    `INSERT INTO postrider.webhooks (project_id, name, url, secret)
     SELECT $1::uuid, 'webhook', 'https://localhost/', 'whsec_'
     FROM generate_series(1, $2::integer)`,
    [projectId, Math.max(...sizes)],
  )
  await database.query(
    `INSERT INTO postrider.webhook_breakers (webhook_id, project_id, opened_at, probe_at, ends_at)
     SELECT id, project_id, now(), now() + interval '1 day', now() + interval '1 day'
     FROM postrider.webhooks`,
  )
  await database.query('VACUUM ANALYZE')
}

async function claimMs(workerId: string): Promise<number> {
  const { rows } = await database.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const { pid } = rows[0]!
  const beforeUs = cpuUsOf(pid)
  let repeats = 0
  while (repeats < fewestRepeats || cpuUsOf(pid) - beforeUs < enoughUs) {
    const claimed = await claim(database, {
      workerId,
      now: clock.now(),
      limit: 256,
      maxHeld: 8,
      limits: { held: new Map(), most: new Map() },
      finished: [],
      afterWebhookId: firstWebhookId,
    })
    if (claimed.length > 0) throw new Error('something was claimed past a breaker')
    repeats += 1
  }
  return (cpuUsOf(pid) - beforeUs) / repeats / 1_000
}
