import { expect } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { Postrider } from '../../src/postrider.ts'
import { verify } from '../../src/verify/verify.ts'
import type { Receiver } from './receiver.ts'
import { encryptionKeys } from './running.ts'

/** An installation that has delivered, has failed once and has more to do. */
export interface Living {
  projectId: string
  /** Of both webhooks, by the path that they deliver to. */
  secrets: Record<string, string>
  /** Events that had not arrived, in the order in which they were published. */
  waiting: string[]
}

export function engineOn(connectionString: string, keys = encryptionKeys): Postrider {
  return new Postrider({
    connectionString,
    encryptionKeys: keys,
    allowHttp: true,
    allowPrivate: ['127.0.0.0/8'],
  })
}

/** Something in each table in which a delivery can be: the history, the schedule, the queue and a line. */
export async function live(connectionString: string, receiver: Receiver): Promise<Living> {
  const engine = engineOn(connectionString)
  await engine.migrate()
  await engine.start()
  const { id: projectId } = await engine.projects.create({ name: 'shop' })
  const webhook = async (path: string, policy: object): Promise<string> => {
    const { secret } = await engine.webhooks.create(projectId, {
      name: path,
      url: receiver.url + path,
      event_types: [`${path}.*`],
      headers: { 'x-token': `token of ${path}` },
      policy,
    })
    return secret!
  }
  const secrets = {
    plain: await webhook('plain', { rate_per_second: 1_000 }),
    line: await webhook('line', { ordered: true }),
  }
  await engine.publish({ projectId, type: 'plain.first', data: { order: 1 } })
  await receiver.waitFor(1)
  receiver.answer = () => ({ status: 503 })
  const { id: failed } = await engine.publish({ projectId, type: 'plain.failed', data: { order: 2 } })
  await receiver.waitFor(2)
  await engine.stop()

  const publisher = engineOn(connectionString)
  const waiting = [failed]
  for (const type of ['plain.second', 'line.first', 'line.second', 'line.third']) {
    waiting.push(
      (await publisher.publish({ projectId, type, data: { 'naïve "key"\\': `${type}\t\n\\N` } })).id,
    )
  }
  await publisher.stop()
  receiver.answer = () => ({ status: 204 })
  return { projectId, secrets, waiting }
}

/** Starts it on a database that has all that: what waited arrives, signed by the same secrets, lines in their order. */
export async function expectToGoOn(
  connectionString: string,
  receiver: Receiver,
  { projectId, secrets, waiting }: Living,
): Promise<void> {
  const database = new Database({ connectionString, maxConnections: 1 })
  const { rowCount } = await database.query(`UPDATE postrider.delivery_schedule SET scheduled_at = now()`)
  expect(rowCount).toBe(1)
  const before = receiver.requests.length
  const engine = engineOn(connectionString)
  await engine.start()
  const { id: last } = await engine.publish({ projectId, type: 'line.last', data: {} })
  const arrivals = (await receiver.waitFor(before + waiting.length + 1)).slice(before)
  await engine.stop()

  const events = arrivals.map(({ url, headers, rawBody }) => {
    expect(headers['x-token']).toBe(`token of ${url.slice(1)}`)
    return verify({ secret: secrets[url.slice(1)]!, headers, body: rawBody })
  })
  expect(events.map(({ id }) => id).toSorted()).toEqual([...waiting, last].toSorted())
  const lines = events.filter(({ type }) => type.startsWith('line')).map(({ type }) => type)
  expect(lines).toEqual(['line.first', 'line.second', 'line.third', 'line.last'])
  const { rows } = await database.query(
    `SELECT status, COUNT(*)::integer AS count
     FROM postrider.deliveries
     GROUP BY status`,
  )
  await database.close()
  expect(rows).toEqual([{ status: 'delivered', count: waiting.length + 2 }])
}

/** A fingerprint of every row of each table. */
export async function fingerprints(connectionString: string): Promise<Record<string, string>> {
  const database = new Database({ connectionString, maxConnections: 1 })
  const { rows: tables } = await database.query<{ name: string }>(
    `SELECT relname::text AS name
     FROM pg_class
     WHERE relnamespace = 'postrider'::regnamespace
       AND relkind IN ('r', 'p')
       AND NOT relispartition
       AND relname <> 'migrations'`,
  )
  const found: Record<string, string> = {}
  for (const { name } of tables) {
    const { rows } = await database.query<{ fingerprint: string }>(
      `SELECT COUNT(*) || ' rows ' || COALESCE(md5(string_agg(to_jsonb(one)::text, '' ORDER BY to_jsonb(one)::text)), '') AS fingerprint
       FROM postrider.${name} AS one`,
    )
    found[name] = rows[0]!.fingerprint
  }
  await database.close()
  return found
}
