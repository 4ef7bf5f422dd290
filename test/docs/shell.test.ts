import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compileCache } from '../support/compile-cache.ts'
import { Receiver } from '../support/receiver.ts'
import { adminKey, encryptionKeys, type Running, startPostrider } from '../support/running.ts'
import { allBlocks, type Block, pages, placeOf, root } from './blocks.ts'

/**
 * Commands of the documents run against a real server, the blocks of a page in its order and in one shell: what one sets,
 * the next one has. Before the first there are a project, its key and a webhook, as on the page of the first webhook.
 */

const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0
const canRun = has('bash') && has('curl') && has('jq')

const blocksByPage = pages
  .map((page) => [page, allBlocks.filter((block) => block.page === page && isTested(block))] as const)
  .filter(([, blocks]) => blocks.length > 0)

let running: Running
let receiver: Receiver
const directory = mkdtempSync(join(tmpdir(), 'postrider-docs-shell-'))
const keyRing = encryptionKeys.map(({ id, key }) => `${id}:${key.toString('base64')}`).join(',')
beforeAll(async () => {
  mkdirSync(join(directory, '.postrider'))
  writeFileSync(join(directory, '.postrider/admin-key'), adminKey)
  writeFileSync(join(directory, '.postrider/encryption-keys'), `${keyRing}\n`)
  ;[running, receiver] = await Promise.all([startPostrider(), Receiver.start()])
})
afterAll(async () => {
  await running[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true })
})

describe('commands in the documents', () => {
  it.skipIf(!canRun).each(blocksByPage)(
    'of %s run (with bash, curl and jq)',
    async (_page, blocks) => {
      const script = [
        prelude,
        ...blocks.map((block) => `at="${placeOf(block)}"\n${fitting(block.code)}`),
      ].join('\n')
      const run = promisify(execFile)('bash', ['--norc', '-euo', 'pipefail', '-c', script], {
        cwd: directory,
        env: await environment(),
        timeout: 100_000,
      })
      await expect(run).resolves.toBeTruthy()
    },
    120_000,
  )

  it('are there to be run', () => {
    expect(blocksByPage.length).toBeGreaterThan(1)
  })
})

function isTested({ language, untested }: Block): boolean {
  return language === 'sh' && untested === undefined
}

const outward = ['npm', 'git', 'go', 'pip', 'docker', 'ssh', 'wget']
  .map((name) => `${name}() { echo "${name} reaches out" >&2; return 1; }`)
  .join('\n')

/** The package's command is the one of these sources. A failure tells its place; what would reach out fails. */
const prelude = `
trap 'echo "failed: $at" >&2' ERR
${outward}
postrider() { "$NODE" "${root}/src/main.ts" "$@"; }
npx() { "$@"; }
curl() { command curl --fail-with-body "$@"; }`

/** What is told on the page stands as it is, but for where the server is and what only the reader has. */
function fitting(code: string): string {
  return code
    .replaceAll('http://127.0.0.1:8080', running.url)
    .replaceAll('https://example.com/webhooks', receiver.url)
}

async function environment(): Promise<NodeJS.ProcessEnv> {
  const project = await running.postrider.projects.create({ name: 'shop' })
  const { key } = await running.postrider.apiKeys.create(project.id, { name: 'backend', role: 'manage' })
  const webhook = await running.postrider.webhooks.create(project.id, {
    name: 'billing',
    url: receiver.url,
    event_types: ['order.*'],
  })
  return {
    PATH: process.env['PATH'],
    HOME: directory,
    NODE: process.execPath,
    URL: running.url,
    ADMIN_KEY: adminKey,
    PROJECT: project.id,
    KEY: key,
    WEBHOOK: webhook.id,
    POSTRIDER_URL: running.url,
    POSTRIDER_KEY: key,
    POSTRIDER_PROJECT: project.id,
    DATABASE_URL: running.connectionString,
    POSTRIDER_ADMIN_KEY: adminKey,
    POSTRIDER_ENCRYPTION_KEYS: keyRing,
    ...compileCache,
  }
}
