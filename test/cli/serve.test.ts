import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createEmptyDatabase } from '../support/database.ts'
import { Command, temporaryDirectory } from './command.ts'

const keys = {
  POSTRIDER_ADMIN_KEY: 'the-admin-key-of-this-test',
  POSTRIDER_ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 5).toString('base64')}`,
}

/** Starts a command and waits until it is up. */
async function serve(args: string[], options: { cwd?: string; env?: Record<string, string> }) {
  const command = new Command(args, { ...options, env: { POSTRIDER_PORT: '0', ...options.env } })
  await command.said('"Postrider is up"')
  const line = command.stdout.split('\n').find((text) => text.includes('"Postrider is up"'))!
  const { url } = JSON.parse(line) as { url?: string }
  return { command, url }
}

function createProject(url: string | undefined, adminKey: string): Promise<Response> {
  return fetch(`${url}/api/projects`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'Mine' }),
  })
}

describe('postrider serve', () => {
  test('migrates the database, listens, and stops in order on SIGTERM', async () => {
    const { connectionString } = await createEmptyDatabase()
    const env = { DATABASE_URL: connectionString, ...keys }
    const { command, url } = await serve([], { env })
    for (const path of ['/healthz', '/readyz']) expect((await fetch(url + path)).status).toBe(200)
    expect((await createProject(url, keys.POSTRIDER_ADMIN_KEY)).status).toBe(201)

    command.child.kill('SIGTERM')
    const { stdout, stderr, exitCode } = await command.ended
    expect(exitCode).toBe(0)
    expect(stderr).toMatch(
      /^A link that makes the owner was written into \S+\. It works once, until \S+Z\.\n$/,
    )
    expect(stdout).toContain('migration 0001_webhooks applied')
    const lines = stdout.trimEnd().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { level: string }).level)).not.toContain('error')
    const databasePassword = new URL(connectionString).password || 'none'
    for (const secret of [keys.POSTRIDER_ADMIN_KEY, keys.POSTRIDER_ENCRYPTION_KEYS, databasePassword]) {
      expect(stdout).not.toContain(secret)
    }
  })

  test('without a database of one’s own starts one, and finds data and keys again at the next start', async () => {
    const cwd = temporaryDirectory()
    const first = await serve(['serve'], { cwd })
    const file = join(cwd, '.postrider', 'admin-key')
    const adminKey = readFileSync(file, 'utf8').trim()
    expect(first.command.stderr).toContain(`A new POSTRIDER_ADMIN_KEY was generated into ${file}\n`)
    expect(first.command.stdout + first.command.stderr).not.toContain(adminKey)
    const { id } = (await (await createProject(first.url, adminKey)).json()) as { id: string }
    first.command.child.kill('SIGINT')
    expect((await first.command.ended).exitCode).toBe(0)

    const second = await serve(['serve'], { cwd })
    const project = await fetch(`${second.url}/api/projects/${id}`, {
      headers: { authorization: `Bearer ${adminKey}` },
    })
    expect(project.status).toBe(200)
    second.command.child.kill('SIGTERM')
    const ended = await second.command.ended
    expect(ended.exitCode).toBe(0)
    expect(ended.stderr).not.toContain('POSTRIDER_ADMIN_KEY')
  })

  test('fails in one line when its port is taken', async () => {
    const { connectionString } = await createEmptyDatabase()
    const env = { DATABASE_URL: connectionString, ...keys }
    const first = await serve([], { env })
    const { port, host } = new URL(first.url!)
    const second = new Command(['serve'], { env: { ...env, POSTRIDER_PORT: port } })
    const { stderr, exitCode } = await second.ended
    expect(stderr).toBe(
      `postrider: ${host} is in use: stop what listens there, or set another POSTRIDER_PORT\n`,
    )
    expect(exitCode).toBe(1)
  })
})

test('postrider api and postrider worker are the same parts alone', async () => {
  const { connectionString } = await createEmptyDatabase()
  const { POSTRIDER_ADMIN_KEY: _adminKey, ...workerKeys } = keys
  const [api, worker] = await Promise.all([
    serve(['api'], { env: { DATABASE_URL: connectionString, ...keys } }),
    serve(['worker'], {
      env: { DATABASE_URL: connectionString, ...workerKeys, POSTRIDER_METRICS_PORT: '0' },
    }),
  ])
  expect((await fetch(`${api.url}/readyz`)).status).toBe(200)
  expect(worker.url).toBeUndefined()
  const { metrics } = JSON.parse(
    worker.command.stdout.split('\n').find((text) => text.includes('"Postrider is up"'))!,
  ) as { metrics: string }
  const told = await (await fetch(metrics)).text()
  for (const name of ['postrider_workers 1', 'nodejs_eventloop_lag_p99_seconds', 'process_cpu_seconds_total'])
    expect(told).toContain(`\n${name}`)
  for (const [path, status] of [
    ['/healthz', 200],
    ['/readyz', 200],
    ['/api/projects', 404],
    ['/', 404],
  ] as const)
    expect((await fetch(new URL(path, metrics))).status).toBe(status)
  const another = new Command(['worker'], {
    env: { DATABASE_URL: connectionString, ...workerKeys, POSTRIDER_METRICS_PORT: new URL(metrics).port },
  })
  expect((await another.ended).stderr).toMatch(
    /^postrider: 127\.0\.0\.1:\d+ is in use: .* another POSTRIDER_METRICS_PORT\n$/,
  )
  for (const { command } of [api, worker]) command.child.kill('SIGTERM')
  expect((await api.command.ended).exitCode).toBe(0)
  expect((await worker.command.ended).exitCode).toBe(0)
})
