import { type ChildProcess, fork } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { PostriderOptions } from '../../src/postrider.ts'
import { publish, publishMany } from '../../src/publish/publish.ts'
import { allHostileCases, type HostileCase } from '../corpora/hostile.ts'
import { authority, good } from '../corpora/hostile-tls.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { HostileReceiver, sends } from '../support/hostile.ts'
import { insertProject, insertWebhook } from '../support/seed.ts'
import type { Question, Report } from '../support/worker-child.ts'

/**
 * The whole corpus at once, 64 in flight, against a worker in a process of its own: what each receiver does is written
 * down, and the worker holds neither memory nor connections when it is over.
 */

const deadlineMs = 2_000
/** Of those that are over by themselves, however busy this machine is. */
const patientMs = 15_000
const rounds = process.env['LONG_TESTS'] ? 20 : 2
const maxGrowthMiB = 64

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postrider-hostile-'))
  await writeFile(join(directory, 'authority.pem'), authority.cert)
})
afterAll(() => rm(directory, { recursive: true }))

it(
  'all of it is written down as it should be, in bounded time and memory, and every connection is closed',
  { timeout: 240_000 },
  async () => {
    const { database, connectionString } = await createTestDatabase()
    const projectId = await insertProject(database)
    const targets = await Promise.all(
      ['TCP', 'TLS'].flatMap((transport) =>
        allHostileCases.map(async (hostile) => {
          const tls = transport === 'TLS' ? { tls: good } : {}
          const receiver = await HostileReceiver.start(hostile.behave, { ...tls, atOpen: hostile.atOpen })
          const eventTypes = [hostile.isLarge ? 'corpus.large' : 'corpus.small']
          const webhookId = await insertWebhook(database, { projectId, url: receiver.url, eventTypes })
          return { does: `${hostile.does} over ${transport}`, hostile, receiver, webhookId }
        }),
      ),
    )
    // Before it is measured, the worker does what it does all day: 64 in flight, whose answers have a body.
    const friendlyAnswer = sends(`HTTP/1.1 200 OK\r\ncontent-length: 20000\r\n\r\n${'x'.repeat(20_000)}`)
    await using friendly = await HostileReceiver.start(friendlyAnswer)
    await using friendlyTls = await HostileReceiver.start(friendlyAnswer, { tls: good })
    for (const { url } of Array.from({ length: 8 }, (_, n) => (n % 2 === 0 ? friendly : friendlyTls)))
      await insertWebhook(database, { projectId, url, eventTypes: ['warm.up'] })

    // However long this takes, no second attempt comes between.
    await database.query(
      `UPDATE postrider.webhooks
       SET retry_seconds = '{3600}',
           timeout_ms = CASE WHEN id = ANY($1::uuid[]) THEN $2::integer ELSE $3::integer END`,
      [
        targets.flatMap(({ hostile, webhookId }) => (hostile.isEndless ? webhookId : [])),
        deadlineMs,
        patientMs,
      ],
    )

    const worker = await WorkerChild.start({ connectionString, concurrency: 64 })
    const warmUps = Array.from({ length: 400 }, (_, n) => ({ projectId, type: 'warm.up', data: { n } }))
    await publishMany(database, warmUps)
    await worker.attempted(warmUps.length * 8)
    const before = await worker.measure()

    const startedMs = performance.now()
    let deliveries = 0
    for (let round = 1; round <= rounds; round += 1) {
      await publish(database, { projectId, type: 'corpus.small', data: { round } })
      await publish(database, { projectId, type: 'corpus.large', data: 'x'.repeat(200_000) })
      // Whose webhook is gone is asked once.
      deliveries += targets.filter(({ hostile }) => round === 1 || hostile.outcome !== 'gone').length
      await worker.attempted(warmUps.length * 8 + deliveries)
    }
    const tookMs = performance.now() - startedMs
    const after = await worker.measure()
    await worker.stop()
    await Promise.all(targets.map(({ receiver }) => receiver.allClosed()))

    const growthMiB = after.highestMiB - before.highestMiB
    process.stdout.write(
      `${deliveries} deliveries to ${targets.length} hostile receivers in ${(tookMs / 1_000).toFixed(1)} s: ` +
        `RSS at most ${after.highestMiB.toFixed(0)} MiB, of ordinary ones ${before.highestMiB.toFixed(0)} MiB\n`,
    )
    expect(worker.complaints).toEqual([])
    expect(growthMiB).toBeLessThan(maxGrowthMiB)

    const written = await readWritten(database)
    for (const { does, hostile, webhookId } of targets) {
      const rows = written.get(webhookId)!.filter(({ attempts }) => attempts > 0)
      expect({ does, attempted: rows.length }).toEqual({
        does,
        attempted: hostile.outcome === 'gone' ? 1 : rounds,
      })
      for (const row of rows) expect({ does, ...row }).toMatchObject({ does, ...rowOf(hostile) })
      for (const { duration_ms, wait_seconds } of rows) {
        // What it did not get of a busy processor is not its own.
        const ownMs = duration_ms - after.longestStallMs
        expect(ownMs).toBeLessThan((hostile.isEndless ? deadlineMs : patientMs) + 1_000)
        // Whatever Retry-After says, the next attempt is not before the schedule, and within a day.
        if (hostile.outcome === 'retry') expect(wait_seconds).toBeGreaterThanOrEqual(3_600)
        expect(wait_seconds).toBeLessThan(86_400 + 60)
      }
    }
    await Promise.all(targets.map(({ receiver }) => receiver[Symbol.asyncDispose]()))
  },
)

/** A row of the history with its one attempt. */
interface Written {
  webhook_id: string
  status: string
  attempts: number
  last_error: string | null
  last_response_status: number | null
  last_response_body: string | null
  outcome: string
  error: string | null
  duration_ms: number
  wait_seconds: number
}

async function readWritten(database: TestDatabase['database']): Promise<Map<string, Written[]>> {
  const { rows } = await database.query<Written>(
    `SELECT
       delivery.webhook_id,
       delivery.status,
       delivery.attempts,
       delivery.last_error,
       delivery.last_response_status,
       delivery.last_response_body,
       attempt.outcome,
       attempt.error,
       attempt.duration_ms,
       EXTRACT(epoch FROM delivery.scheduled_at - delivery.last_attempt_at)::float8 AS wait_seconds
     FROM postrider.deliveries AS delivery
     LEFT JOIN postrider.webhook_delivery_attempts AS attempt
       ON attempt.delivery_id = delivery.id`,
  )
  return Map.groupBy(rows, ({ webhook_id }) => webhook_id)
}

function rowOf({ outcome, status, says, body }: HostileCase): object {
  const words =
    says instanceof RegExp ? expect.stringMatching(says) : says && says.replace('{deadline}', `${deadlineMs}`)
  return {
    status: { delivered: 'delivered', retry: 'pending', gone: 'failed' }[outcome],
    attempts: 1,
    last_error: words,
    error: words,
    outcome: { delivered: 'delivered', retry: 'retry', gone: 'failed' }[outcome],
    ...(status !== undefined && { last_response_status: status }),
    ...(body !== undefined && {
      last_response_body: body instanceof RegExp ? expect.stringMatching(body) : body,
    }),
  }
}

class WorkerChild {
  readonly complaints: string[] = []
  #attempts = 0
  readonly #child: ChildProcess
  readonly #reports = new EventEmitter()

  private constructor(options: PostriderOptions) {
    this.#child = fork(join(import.meta.dirname, '../support/worker-child.ts'), [JSON.stringify(options)], {
      env: { PATH: process.env['PATH'], NODE_EXTRA_CA_CERTS: join(directory, 'authority.pem') },
      // How much V8 sets aside for what is new depends on how busy it finds itself: up to 128 MiB more or less.
      execArgv: ['--max-semi-space-size=16'],
    })
    this.#child.on('message', (report: Report) => {
      if (report.kind === 'attempt') this.#attempts += 1
      if (report.kind === 'complaint') this.complaints.push(report.message)
      this.#reports.emit(report.kind, report)
    })
    // Whoever waits for it hears that it is gone.
    this.#child.on('exit', (code, signal) => {
      if (code !== 0) this.#reports.emit('error', new Error(`the worker ended with ${code ?? signal}`))
    })
  }

  static async start(
    options: Partial<PostriderOptions> & { connectionString: string },
  ): Promise<WorkerChild> {
    const worker = new WorkerChild({ allowHttp: true, allowPrivate: ['127.0.0.0/8'], ...options })
    await once(worker.#reports, 'started')
    return worker
  }

  /** Until this many attempts were written. */
  async attempted(count: number): Promise<void> {
    while (this.#attempts < count) await once(this.#reports, 'attempt')
  }

  async measure(): Promise<Extract<Report, { kind: 'burden' }>> {
    const answer = once(this.#reports, 'burden')
    this.#ask('measure')
    return (await answer)[0]
  }

  async stop(): Promise<void> {
    const exit = once(this.#child, 'exit')
    this.#ask('stop')
    await exit
    if (this.#child.exitCode !== 0) throw new Error(`the worker ended with ${this.#child.exitCode}`)
  }

  #ask(question: Question): void {
    this.#child.send(question)
  }
}
