// What it costs to claim and to record by shard or by project, as tables that are spread over machines would need it, beside
// the way it is done: `node simulation/claim-by-shard.ts`. By the CPU that one PostgreSQL takes for statements that follow
// each other on one connection.
import { cpuUsOf } from '../bench/processes/proc.ts'
import { Database } from '../src/database/database.ts'
import { migrate } from '../src/database/migrate.ts'
import { startTestServer } from '../test/support/server.ts'

const projects = 100
const webhooksEach = 20
const perWebhook = 10
const batch = 250
const rounds = 7
const fewRepeats = 10
const workerId = '00000000-0000-4000-8000-000000000001'

interface Way {
  name: string
  /** Claims name one of so many; 0 where they name none. */
  shards: number
}

const ways: readonly Way[] = [
  { name: 'as it is', shards: 0 },
  { name: 'by shard, 8 of them', shards: 8 },
  { name: 'by shard, 32 of them', shards: 32 },
  { name: 'by project, 100 of them', shards: projects },
]

const server = await startTestServer()
const database = new Database({ connectionString: `${server.url}/postgres`, maxConnections: 1 })
try {
  await migrate(database, { direction: 'up' })
  await prepare()
  const found = new Map<string, Figures[]>()
  for (let round = 0; round < rounds; round += 1) {
    for (const way of ways) found.set(way.name, [...(found.get(way.name) ?? []), await measure(way)])
  }
  process.stdout.write(`${table(found)}\n`)
} finally {
  await database.close()
  await server.stop()
}

interface Figures {
  /** Of a full queue: microseconds of a delivery, and statements. */
  fullUs: number
  fullClaims: number
  walBytes: number
  /** Of a queue in which each project has one delivery: microseconds of a delivery, and statements. */
  fewUs: number
  fewClaims: number
}

/**
 * The tables that a claim uses with `shard` in front of their keys, in a schema of their own. What a webhook and an event
 * say is read as before.
 */
async function prepare(): Promise<void> {
  await database.query(`
    INSERT INTO postrider.projects (id, name)
    SELECT md5('project ' || number)::uuid, 'project ' || number
    FROM generate_series(1, ${projects}) AS number;

    INSERT INTO postrider.webhooks (id, project_id, name, url, secret)
    SELECT md5(project.name || ' ' || number)::uuid, project.id, 'webhook', 'https://localhost/', 'whsec_'
    FROM postrider.projects AS project
    CROSS JOIN generate_series(1, ${webhooksEach}) AS number;

    CREATE SCHEMA spread;
    CREATE TABLE spread.workers (LIKE postrider.workers INCLUDING ALL, shard smallint NOT NULL);
    ALTER TABLE spread.workers DROP CONSTRAINT workers_pkey, ADD PRIMARY KEY (shard, id);
    ALTER TABLE spread.workers SET (fillfactor = 10);
    CREATE TABLE spread.delivery_queue (LIKE postrider.delivery_queue INCLUDING STORAGE, shard smallint NOT NULL);
    ALTER TABLE spread.delivery_queue ADD PRIMARY KEY (shard, webhook_id, scheduled_at, delivery_id);
    CREATE TABLE spread.deliveries (LIKE postrider.deliveries INCLUDING DEFAULTS, shard smallint NOT NULL);
    ALTER TABLE spread.deliveries ADD PRIMARY KEY (id, shard);
  `)
  const { rows } = await database.query<{ definition: string }>(
    `SELECT pg_get_functiondef(oid) AS definition
     FROM pg_proc
     WHERE pronamespace = 'postrider'::regnamespace
       AND proname = 'claim_deliveries'`,
  )
  await database.query(spread(rows[0]!.definition))
}

/** The function as it stands, with a shard in each condition on the tables that have one. */
function spread(definition: string): string {
  const replaced = (text: string, from: RegExp, to: string): string => {
    if (!from.test(text)) throw new Error(`claim_deliveries has changed: ${from} is not in it`)
    return text.replaceAll(from, to)
  }
  let text = definition
  text = replaced(
    text,
    /FUNCTION postrider\.claim_deliveries\(/g,
    'FUNCTION spread.claim_deliveries(shard smallint, ',
  )
  text = replaced(
    text,
    /FROM postrider\.delivery_queue AS queued\s+WHERE /g,
    'FROM spread.delivery_queue AS queued WHERE queued.shard = claim_deliveries.shard AND ',
  )
  text = replaced(
    text,
    /DELETE FROM postrider\.delivery_queue\s+WHERE /g,
    'DELETE FROM spread.delivery_queue AS gone WHERE gone.shard = claim_deliveries.shard AND ',
  )
  text = replaced(
    text,
    /FROM postrider\.deliveries AS delivery\s+WHERE /g,
    'FROM spread.deliveries AS delivery WHERE delivery.shard = claim_deliveries.shard AND ',
  )
  text = replaced(text, /postrider\.workers AS worker/g, 'spread.workers AS worker')
  text = replaced(
    text,
    /WHERE worker\.id = claim_deliveries\.worker_id/g,
    'WHERE worker.shard = claim_deliveries.shard AND worker.id = claim_deliveries.worker_id',
  )
  return text
}

async function fill(way: Way, each: number, webhooks: number): Promise<void> {
  const shards = Math.max(way.shards, 1)
  await database.query(
    `TRUNCATE postrider.workers, postrider.delivery_queue, spread.workers, spread.delivery_queue`,
  )
  await database.query(`TRUNCATE spread.deliveries, postrider.deliveries CASCADE`)
  await database.query(
    `INSERT INTO postrider.deliveries (webhook_id, project_id, event_id, event_type, payload, scheduled_at)
     SELECT webhook.id, webhook.project_id, gen_random_uuid(), 'invoice.paid', '{}', now() - number * interval '1 second'
     FROM (
       SELECT webhook.*, row_number() OVER (PARTITION BY project_id ORDER BY id) AS place
       FROM postrider.webhooks AS webhook
     ) AS webhook
     CROSS JOIN generate_series(1, $1::integer) AS number
     WHERE webhook.place <= $2::integer`,
    [each, webhooks],
  )
  await database.query(
    `INSERT INTO spread.deliveries
     SELECT delivery.*, mod(project.place, $1::integer)::smallint
     FROM postrider.deliveries AS delivery
     JOIN (SELECT id, row_number() OVER (ORDER BY id) AS place FROM postrider.projects) AS project
       ON project.id = delivery.project_id`,
    [shards],
  )
  await database.query(
    `INSERT INTO ${way.shards === 0 ? 'postrider' : 'spread'}.delivery_queue
     SELECT webhook_id, scheduled_at, id${way.shards === 0 ? '' : ', shard'}
     FROM spread.deliveries`,
  )
  await database.query(
    way.shards === 0
      ? `INSERT INTO postrider.workers (id, started_at, lease_until) VALUES ('${workerId}', now(), now())`
      : `INSERT INTO spread.workers (id, started_at, lease_until, shard)
         SELECT '${workerId}', now(), now(), shard FROM generate_series(0, ${shards - 1}) AS shard`,
  )
  await database.query('VACUUM ANALYZE')
}

/** Claims until nothing is left, shard after shard in turn; answers what it took. */
async function claimAll(way: Way): Promise<{ us: number; claims: number; taken: number; walBytes: number }> {
  const before = await lsn()
  const pid = await backend()
  const beforeUs = cpuUsOf(pid)
  let claims = 0
  let taken = 0
  const left = new Set(Array.from({ length: Math.max(way.shards, 1) }, (_, shard) => shard))
  /** What the last claim of a shard took leaves that shard's row with the next one. */
  const finished = new Map<number, string[]>()
  while (left.size > 0) {
    for (const shard of left) {
      const ids = await claimOnce(way, shard, finished.get(shard) ?? [])
      claims += 1
      taken += ids.length
      finished.set(shard, ids)
      if (ids.length < batch) left.delete(shard)
    }
  }
  const us = cpuUsOf(pid) - beforeUs
  return { us, claims, taken, walBytes: (await lsn()) - before }
}

async function claimOnce(way: Way, shard: number, finished: readonly string[]): Promise<string[]> {
  const { rows } = await database.query<{ id: string }>(
    `SELECT claimed.id, claimed.payload, claimed.url
     FROM ${way.shards === 0 ? 'postrider' : 'spread'}.claim_deliveries(
       ${way.shards === 0 ? '' : `shard => ${shard}::smallint,`}
       worker_id => $1::uuid,
       now => now(),
       wanted => ${batch},
       max_held => ${batch},
       after_webhook_id => '00000000-0000-0000-0000-000000000000',
       held_webhook_ids => '{}',
       held_counts => '{}',
       known_webhook_ids => '{}',
       known_most => '{}',
       finished => $2::uuid[]
     ) AS claimed`,
    [workerId, finished],
  )
  return rows.map(({ id }) => id)
}

async function measure(way: Way): Promise<Figures> {
  await fill(way, perWebhook, webhooksEach)
  const full = await claimAll(way)
  const few = { us: 0, claims: 0, taken: 0 }
  // A process's CPU is told in hundredths of a second.
  for (let repeat = 0; repeat < fewRepeats; repeat += 1) {
    await fill(way, 1, 1)
    const { us, claims, taken } = await claimAll(way)
    few.us += us
    few.claims = claims
    few.taken += taken
  }
  for (const [{ taken }, wanted] of [
    [full, projects * webhooksEach * perWebhook],
    [few, projects * fewRepeats],
  ] as const) {
    if (taken !== wanted) throw new Error(`${way.name}: claimed ${taken} of ${wanted}`)
  }
  return {
    fullUs: full.us / full.taken,
    fullClaims: full.claims,
    walBytes: full.walBytes / full.taken,
    fewUs: few.us / few.taken,
    fewClaims: few.claims,
  }
}

async function backend(): Promise<number> {
  const { rows } = await database.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  return rows[0]!.pid
}

async function lsn(): Promise<number> {
  const { rows } = await database.query<{ bytes: number }>(
    `SELECT (pg_current_wal_insert_lsn() - '0/0')::double precision AS bytes`,
  )
  return rows[0]!.bytes
}

function table(found: ReadonlyMap<string, readonly Figures[]>): string {
  const median = (name: string, key: keyof Figures): number =>
    found
      .get(name)!
      .map((figures) => figures[key])
      .toSorted((a, b) => a - b)[Math.floor(rounds / 2)]!
  return [
    `${projects * webhooksEach * perWebhook} due of ${projects * webhooksEach} webhooks of ${projects} projects, and one due of each project; medians of ${rounds} rounds.`,
    '',
    '| claims | µs of a delivery, many due | statements | WAL B | µs of a delivery, one due of each | statements |',
    '| --- | ---: | ---: | ---: | ---: | ---: |',
    ...ways.map(({ name }) =>
      [
        `| ${name}`,
        median(name, 'fullUs').toFixed(1),
        median(name, 'fullClaims'),
        median(name, 'walBytes').toFixed(0),
        median(name, 'fewUs').toFixed(0),
        `${median(name, 'fewClaims')} |`,
      ].join(' | '),
    ),
  ].join('\n')
}
