import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Webhook } from 'standardwebhooks'
import { afterAll, describe, expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { Receiver } from '../support/receiver.ts'
import { startPostrider } from '../support/running.ts'

const run = promisify(execFile)
const publishers = join(import.meta.dirname, '../../examples/publishers')
const directory = await mkdtemp(join(tmpdir(), 'postrider-publishers-'))
afterAll(() => rm(directory, { recursive: true, force: true }))

const packages = join(directory, 'python')
const binary = join(directory, 'go-publisher')

/** The publishers beside the one in SQL; where `prepare` fails, the language or its packages are not to be had here. */
const languages = [
  {
    name: 'Python',
    folder: 'python',
    prepare: `python3 -m pip install --quiet --retries 0 --timeout 10 --target ${packages} -r requirements.txt`,
    program: 'python3',
    args: ['shop.py'],
  },
  {
    name: 'Go',
    folder: 'go',
    prepare: `go build -o ${binary} .`,
    program: binary,
    args: [],
  },
]

const prepared = await Promise.all(
  languages.map(({ folder, prepare }) => {
    const [command = '', ...args] = prepare.split(' ')
    const env = { ...process.env, CGO_ENABLED: '0' }
    return run(command, args, { cwd: join(publishers, folder), timeout: 90_000, env }).then(
      () => true,
      () => false,
    )
  }),
)

// oxlint-disable-next-line vitest/no-disabled-tests -- says what this machine cannot try, and why
it.skip.each(languages.filter((_, index) => !prepared[index]))(
  'the publisher in $name: "$prepare" fails here',
  () => {},
)

describe.each(languages.filter((_, index) => prepared[index]))('the publisher in $name', (language) => {
  it('publishes with its order, or leaves neither', async () => {
    await using running = await startPostrider()
    await using receiver = await Receiver.start()
    const { postrider, connectionString } = running
    const project = await postrider.projects.create({ name: 'shop' })
    const { secret } = await postrider.webhooks.create(project.id, { name: 'shop', url: receiver.url })
    const take = (amount: string) => {
      return run(language.program, [...language.args, amount], {
        cwd: join(publishers, language.folder),
        env: {
          ...process.env,
          PYTHONPATH: packages,
          DATABASE_URL: connectionString,
          PROJECT_ID: project.id,
        },
      })
    }
    await expect(take('1000.01')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('declined'),
    })
    const { stdout } = await take('25.00')
    // The number of the one that was declined is used up.
    expect(JSON.parse(stdout)).toEqual({ order: 2, event: expect.any(String) })
    const { event } = JSON.parse(stdout) as { event: string }
    const [request] = await receiver.waitFor(1)
    expect(
      new Webhook(secret!).verify(request!.body, request!.headers as Record<string, string>),
    ).toMatchObject({
      id: event,
      type: 'order.paid',
      data: { order: 2, amount: '25.00' },
    })
    const database = new Database({ connectionString, maxConnections: 1 })
    const { rows } = await database.query(
      `SELECT (SELECT array_agg(id::integer) FROM orders) AS orders, (SELECT array_agg(id) FROM postrider.events) AS events`,
    )
    await database.close()
    expect(rows).toEqual([{ orders: [2], events: [event] }])
  }, 60_000)
})
