import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { type Language, receiverSnippet } from '../../src/dashboard/pages/snippets.ts'
import { Sender } from '../../src/deliver/send.ts'
import { sign } from '../../src/deliver/sign.ts'
import { generateSecret, publicKeyOf } from '../../src/registry/secret.ts'

/** What people paste into a receiver is run as it stands, but for its port, against requests that were signed by us. */

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const directory = await mkdtemp(join(tmpdir(), 'postrider-snippets-'))
const sender = new Sender({ policy: { allowHttp: true, allowPrivate: ['127.0.0.0/8'] } })
const children: ChildProcess[] = []
afterAll(async () => {
  for (const child of children) {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  await sender.close()
  await rm(directory, { recursive: true, force: true })
})

interface Ways {
  /** Brings what it needs; where that fails, the language or its packages are not to be had here. */
  prepare: () => Promise<unknown>
  start: (snippet: string, home: string, env: NodeJS.ProcessEnv) => Promise<ChildProcess>
}

const packages = join(directory, 'python-packages')
const examples = join(root, 'examples/receivers')

const ways: Record<Language, Ways> = {
  typescript: {
    prepare: async () => {
      const verify = pathToFileURL(join(root, 'src/verify/verify.ts')).href
      await writeFile(
        join(directory, 'package.mjs'),
        `import { registerHooks } from 'node:module'
        registerHooks({
          resolve: (name, context, next) => next(name === 'postrider/verify' ? '${verify}' : name, context),
        })`,
      )
    },
    start: async (snippet, home, env) => {
      await writeFile(join(home, 'receiver.mts'), snippet)
      const hook = pathToFileURL(join(directory, 'package.mjs')).href
      return spawn(process.execPath, ['--import', hook, 'receiver.mts'], { cwd: home, env })
    },
  },
  python: {
    prepare: () =>
      run(
        'python3',
        `-m pip install --quiet --retries 0 --timeout 10 --target ${packages} -r requirements.txt`.split(' '),
        { cwd: join(examples, 'python'), timeout: 60_000 },
      ),
    start: async (snippet, home, env) => {
      await writeFile(join(home, 'receiver.py'), snippet)
      return spawn('python3', ['receiver.py'], {
        cwd: home,
        env: { ...env, PYTHONPATH: packages, PYTHONUNBUFFERED: '1' },
      })
    },
  },
  go: {
    prepare: () => run('go', ['mod', 'download'], { cwd: join(examples, 'go'), timeout: 60_000 }),
    start: async (snippet, home, env) => {
      for (const file of ['go.mod', 'go.sum']) await copyFile(join(examples, 'go', file), join(home, file))
      await writeFile(join(home, 'receiver.go'), snippet)
      await run('go', ['build', '-o', 'receiver', 'receiver.go'], { cwd: home })
      return spawn(join(home, 'receiver'), { cwd: home, env })
    },
  },
}

const languages = Object.keys(ways) as Language[]
const prepared = await Promise.all(
  languages.map((language) =>
    ways[language].prepare().then(
      () => true,
      () => false,
    ),
  ),
)

// oxlint-disable-next-line vitest/no-disabled-tests -- says what this machine cannot try
it.skip.each(languages.filter((_, index) => !prepared[index]))(
  'the receiver in %s: what it needs is not to be had here',
  () => {},
)

const tried = languages
  .filter((_, index) => prepared[index])
  .flatMap((language) => (['v1', 'v1a'] as const).map((scheme) => ({ language, scheme })))

describe.each(tried)('the receiver in $language for $scheme', ({ language, scheme }) => {
  it('accepts what its webhook signs and refuses what others do', { timeout: 120_000 }, async () => {
    const secret = generateSecret(scheme)
    const known = scheme === 'v1' ? secret : publicKeyOf(secret)!
    const home = join(directory, `${language}-${scheme}`)
    await mkdir(home)
    const port = await freePort()
    const snippet = receiverSnippet(language, { path: '/hooks/orders', scheme })
    expect(snippet.match(/3000/g)).toHaveLength(1)
    const child = await ways[language].start(snippet.replace('3000', String(port)), home, {
      ...process.env,
      WEBHOOK_SECRET: known,
    })
    children.push(child)
    const said = saidBy(child)
    await listening(port, child, said)
    const url = `http://127.0.0.1:${port}/hooks/orders`

    expect(await deliver(url, [secret])).toBe(204)
    expect(await deliver(url, [generateSecret(scheme), secret])).toBe(204)
    expect(await deliver(url, [generateSecret(scheme)])).toBe(400)
    expect(await deliver(url, [secret], (body) => body.replace('Zoë', 'Zoe'))).toBe(400)
    expect((await fetch(url, { method: 'POST', body: event })).status).toBe(400)
    await expect.poll(said, { timeout: 10_000 }).toContain('order.paid')
  })
})

const event = '{"id":"1","type":"order.paid","data":{"name":"Zoë"}}'

/** What the receiver answers to an attempt. */
async function deliver(url: string, secrets: string[], change = (body: string) => body): Promise<number> {
  const signed = sign(
    {
      eventId: '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7',
      eventType: 'order.paid',
      deliveryId: '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d8',
      attempt: 1,
      body: event,
      secrets,
      headers: {},
      url,
    },
    new Date(),
  )
  const answer = await sender.send({ ...signed, body: change(signed.body) }, { timeoutMs: 10_000 })
  if (answer.kind === 'error') throw new Error(answer.error)
  return answer.status
}

function saidBy(child: ChildProcess): () => string {
  let said = ''
  child.stdout!.on('data', (chunk: Buffer) => (said += chunk.toString()))
  child.stderr!.on('data', (chunk: Buffer) => (said += chunk.toString()))
  return () => said
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Snippets do not say when they listen. */
async function listening(port: number, child: ChildProcess, said: () => string): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`it ended: ${said()}`)
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return
    } catch {
      await pause(50)
    } finally {
      socket.destroy()
    }
  }
}
