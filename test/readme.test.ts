import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateSecret } from '../src/registry/secret.ts'
import { sign } from '../src/deliver/sign.ts'
import { deliveryOf } from './support/engine.ts'
import { adminKey, type Running, startPostrider } from './support/running.ts'
import { Database } from '../src/database/database.ts'

/** What the README shows is run as it stands there; only addresses and keys are this test's. */

const root = join(import.meta.dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0

/** The code block under a heading, by its language. */
function block(heading: string, language: string): string {
  const section = readme.slice(readme.indexOf(`${heading}\n`))
  const code = section.match(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``))?.[1]
  if (code === undefined) throw new Error(`README has no ${language} under ${heading}`)
  return code
}

/** In a checkout the package's name leads to nothing built: the source stands in for it. */
function fromSource(code: string): string {
  const at = (path: string): string => `'${pathToFileURL(join(root, path)).href}'`
  return code
    .replace("'postrider/verify'", at('src/verify/verify.ts'))
    .replace("'postrider'", at('src/index.ts'))
    .replace("'pg'", at('node_modules/pg/esm/index.mjs'))
}

let running: Running
let directory: string
beforeAll(async () => {
  running = await startPostrider()
  directory = await mkdtemp(join(tmpdir(), 'postrider-readme-'))
})
afterAll(async () => {
  await running[Symbol.asyncDispose]()
  await rm(directory, { recursive: true })
})

describe('the README', () => {
  it('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    const shell = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, code]) => code!).join('')
    const named = [...shell.matchAll(/npm (?:run )?([a-z:]+)\b/g)]
      .map(([, name]) => name!)
      .filter((name) => name !== 'ci')
    expect(named).toEqual(expect.arrayContaining(['start', 'test', 'demo']))
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })

  it.skipIf(!has('curl') || !has('jq'))('shows curl calls that work', async () => {
    const script = block('## First webhook', 'sh')
      .replace('http://127.0.0.1:8080', running.url)
      .replace('$(cat .postrider/admin-key)', adminKey)
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script])
    expect(stdout).toMatch(/^"whsec_[A-Za-z0-9+/=]+"\n/)
    expect(stdout).toContain('"deliveries":1,"duplicate":false')
    expect(stdout).toContain('"event_type":"order.paid"')
  })

  it('shows how to publish from TypeScript in a transaction', async () => {
    const project = await running.postrider.projects.create({ name: 'shop' })
    await running.postrider.webhooks.create(project.id, {
      name: 'w',
      url: 'https://example.com/hook',
      is_active: true,
    })
    const database = new Database({ connectionString: running.connectionString })
    await database.query('CREATE TABLE orders (id integer PRIMARY KEY, paid boolean NOT NULL DEFAULT false)')
    await database.query('INSERT INTO orders (id) VALUES (1001)')
    const file = join(directory, 'publish.ts')
    const code = fromSource(block('### From TypeScript', 'ts'))
    await writeFile(file, `const projectId = '${project.id}'\n${code}\nawait pool.end()\n`)
    await promisify(execFile)(process.execPath, [file], {
      env: { ...process.env, DATABASE_URL: running.connectionString },
    })
    const { rows: orders } = await database.query('SELECT paid FROM orders')
    expect(orders).toEqual([{ paid: true }])
    const events = await running.postrider.events.list(project.id)
    expect(events.rows).toMatchObject([{ type: 'order.paid', deliveries: 1 }])
    await database.close()
  })

  it('shows how to publish from SQL, and what to grant', async () => {
    const project = await running.postrider.projects.create({ name: 'shop' })
    const database = new Database({ connectionString: running.connectionString })
    const sql = block('### From SQL', 'sql')
    const { rows } = await database.query(sql.replace(":'project'", `'${project.id}'`))
    expect(rows).toMatchObject([{ deliveries: 0, duplicate: false }])
    const grants = readme.match(/GRANT USAGE[\s\S]*?publish_many TO shop;/)![0]
    await database.transaction(async (transaction) => {
      await transaction.query(`CREATE ROLE shop; ${grants}`)
      await transaction.query('SET LOCAL ROLE shop')
      await transaction.query(`SELECT * FROM postrider.publish('${project.id}', 'a', '{}')`)
      await transaction.query('RESET ROLE; DROP OWNED BY shop; DROP ROLE shop')
    })
    await database.close()
  })

  it('shows a receiver that takes what is signed and refuses the rest', async () => {
    const secret = generateSecret()
    const file = join(directory, 'receiver.ts')
    const code = fromSource(block('## Receive', 'ts')).replace(
      '.listen(3000)',
      ".listen(0, function () { console.log('port', this.address().port) })",
    )
    await writeFile(file, code)
    const receiver = spawn(process.execPath, [file], { env: { ...process.env, WEBHOOK_SECRET: secret } })
    try {
      const [line] = (await once(receiver.stdout, 'data')) as [Buffer]
      const url = `http://127.0.0.1:${line.toString().match(/port (\d+)/)![1]}/`
      const eventId = '01a20c2c-823f-799a-85a5-3c1e82d7abf3'
      const request = sign(
        {
          eventId,
          eventType: 'order.paid',
          deliveryId: eventId,
          attempt: 1,
          body: JSON.stringify({ id: eventId, type: 'order.paid', data: {} }),
          secrets: [secret],
          headers: {},
          url,
        },
        new Date(),
      )
      const post = async (body: string): Promise<number> =>
        (await fetch(url, { method: 'POST', headers: request.headers, body })).status
      expect(await post(request.body)).toBe(204)
      expect(await post(request.body.replace('paid', 'lost'))).toBe(400)
    } finally {
      receiver.kill()
    }
  })

  it('shows SQL that reads the history', async () => {
    const project = await running.postrider.projects.create({ name: 'history' })
    await running.postrider.webhooks.create(project.id, { name: 'w', url: 'https://example.com/hook' })
    const { id } = await running.postrider.publish({ projectId: project.id, type: 'a', data: {} })
    const database = new Database({ connectionString: running.connectionString })
    expect(await deliveryOf(database, id)).toBeTruthy()
    const sql = readme.match(/psql -c "([^"]+)"/)![1]!
    const { rows } = await database.query(sql)
    expect(rows.length).toBeGreaterThan(0)
    await database.close()
  })
})
