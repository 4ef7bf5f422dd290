import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Sender } from '../../src/deliver/send.ts'
import { sign } from '../../src/deliver/sign.ts'
import { generateSecret, publicKeyOf } from '../../src/registry/secret.ts'

const run = promisify(execFile)
const receivers = join(import.meta.dirname, '../../examples/receivers')
const directory = await mkdtemp(join(tmpdir(), 'postrider-receivers-'))
const sender = new Sender({ policy: { allowHttp: true, allowPrivate: ['127.0.0.0/8'] } })
afterAll(async () => {
  await sender.close()
  await rm(directory, { recursive: true, force: true })
})

interface Language {
  name: string
  folder: string
  /** Brings the official library; where that fails, the language or its packages are not to be had here. */
  prepare: string
  start: (folder: string, env: NodeJS.ProcessEnv) => Promise<ChildProcess>
}

const packages = join(directory, 'python')
const binary = join(directory, 'go-receiver')

const languages: Language[] = [
  {
    name: 'Python',
    folder: 'python',
    prepare: `python3 -m pip install --quiet --retries 0 --timeout 10 --target ${packages} -r requirements.txt`,
    start: async (cwd, env) =>
      spawn('python3', ['receiver.py'], { cwd, env: { ...env, PYTHONPATH: packages } }),
  },
  {
    name: 'Go',
    folder: 'go',
    prepare: 'go mod download',
    start: async (cwd, env) => {
      await run('go', ['build', '-o', binary, '.'], { cwd })
      return spawn(binary, { env })
    },
  },
]

const prepared = await Promise.all(
  languages.map(async ({ folder, prepare }) => {
    const [command = '', ...args] = prepare.split(' ')
    const done = run(command, args, { cwd: join(receivers, folder), timeout: 60_000 })
    return done.then(
      () => true,
      () => false,
    )
  }),
)

// oxlint-disable-next-line vitest/no-disabled-tests -- says what this machine cannot try, and why
it.skip.each(languages.filter((_, index) => !prepared[index]))(
  'the receiver in $name: "$prepare" fails here',
  () => {},
)

const shared = generateSecret()
const privateKey = generateSecret('v1a')
const event = '{"id":"1","type":"order.paid","data":{"name":"Zoë 🚚","n":12345678901234567890.10}}'

describe.each(languages.filter((_, index) => prepared[index]))('the receiver in $name', (language) => {
  let child: ChildProcess | undefined
  let url = ''

  beforeAll(async () => {
    const secrets = [generateSecret(), shared, publicKeyOf(privateKey)]
    child = await language.start(join(receivers, language.folder), {
      ...process.env,
      PORT: '0',
      WEBHOOK_SECRET: secrets.join(' '),
    })
    url = await new Promise<string>((found, failed) => {
      let said = ''
      const listen = (chunk: Buffer) => {
        said += chunk.toString()
        const [, address] = /listening on (\S+)\n/.exec(said) ?? []
        if (address) found(address)
      }
      child!.stdout!.on('data', listen)
      child!.stderr!.on('data', listen)
      child!.once('exit', () => failed(new Error(`the receiver ended: ${said}`)))
    })
  }, 120_000)
  afterAll(async () => {
    if (!child) return
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })

  /** What it answers to a delivery. */
  async function deliver({
    secrets = [shared],
    at = new Date(),
    change = (body: string) => body,
  }): Promise<number> {
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
      at,
    )
    const answer = await sender.send({ ...signed, body: change(signed.body) }, { timeoutMs: 10_000 })
    if (answer.kind === 'error') throw new Error(answer.error)
    return answer.status
  }

  it('accepts what is signed with the secret that it shares', async () => {
    expect(await deliver({})).toBe(204)
  })

  it('accepts what is signed with the private key whose public key it has', async () => {
    expect(await deliver({ secrets: [privateKey] })).toBe(204)
  })

  it('accepts either of two that sign during an overlap, of both schemes', async () => {
    for (const known of [shared, privateKey]) {
      for (const other of [generateSecret(), generateSecret('v1a')]) {
        expect(await deliver({ secrets: [known, other] })).toBe(204)
        expect(await deliver({ secrets: [other, known] })).toBe(204)
      }
    }
  })

  it('refuses another secret, another body and another time', async () => {
    for (const secrets of [[shared], [privateKey]]) {
      expect(await deliver({ secrets, change: (body) => body.replace('Zoë', 'Zoe') })).toBe(401)
      for (const ageSeconds of [400, -400]) {
        expect(await deliver({ secrets, at: new Date(Date.now() - ageSeconds * 1_000) })).toBe(401)
      }
    }
    expect(await deliver({ secrets: [generateSecret()] })).toBe(401)
    expect(await deliver({ secrets: [generateSecret('v1a')] })).toBe(401)
  })

  it('refuses what is not signed, or not in words that it knows', async () => {
    const headers = { 'webhook-id': 'a', 'webhook-timestamp': String(Math.floor(Date.now() / 1_000)) }
    for (const signature of [undefined, '', 'v1,', 'v1a,', 'v1', 'v1a,@@', 'v1a,AAAA', 'v2,AAAA']) {
      const given = signature === undefined ? headers : { ...headers, 'webhook-signature': signature }
      const answer = await fetch(url, { method: 'POST', body: event, headers: given })
      expect([signature, answer.status]).toEqual([signature, 401])
    }
  })
})
