import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { readDefinitions } from '../../src/cli/types/definitions.ts'
import { typescriptOf } from '../../src/cli/types/typescript.ts'
import { PostriderClient } from '../../src/client/client.ts'
import type { NewEventType } from '../../src/contract/event-types.ts'
import { newId } from '../../src/ids.ts'
import { adminKey, startPostrider } from '../support/running.ts'
import { runCommand, temporaryDirectory } from './command.ts'

/** `postrider types`, as processes of their own, against a whole server. */

const running = await startPostrider()
const admin = new PostriderClient({ baseUrl: running.url, key: adminKey })
afterAll(() => running[Symbol.asyncDispose]())

const root = resolve(import.meta.dirname, '../..')

async function setUp() {
  const { id } = await admin.createProject({ name: `p-${newId()}` })
  const project = admin.project(id)
  const { key } = await project.createApiKey({ name: 'cli', role: 'manage' })
  const cwd = temporaryDirectory()
  const env = { POSTRIDER_URL: running.url, POSTRIDER_KEY: key, POSTRIDER_PROJECT: id }
  const run = (...args: string[]) => runCommand(['types', ...args], { cwd, env })
  const read = (file: string) => readFileSync(join(cwd, file), 'utf8')
  /** A module as somebody has it beside their code. */
  const define = (definitions: object, file = 'events.ts') =>
    writeFileSync(
      join(cwd, file),
      `import { defineEvents } from '${root}/src/event-types/define.ts'\n` +
        `export const events = defineEvents(${JSON.stringify(definitions)})\n`,
    )
  return { project, cwd, run, read, define }
}

const schema = {
  type: 'object',
  properties: { version: { type: 'integer' }, environment: { enum: ['staging', 'production'] } },
  required: ['version'],
}

describe('types push', () => {
  test('brings what a module defines to the project, tells what is different, and nothing twice', async () => {
    const { run, define, project } = await setUp()
    define({
      'config.deployed': { description: 'It went live.', schema, example: { version: 7 } },
      'order.paid': {},
    })
    expect(await run('push', 'events.ts')).toMatchObject({
      stdout: '+ config.deployed: is new\n+ order.paid: is new\n2 of 2 event types brought to the project\n',
      stderr: '',
      exitCode: 0,
    })
    expect(await project.getEventType('config.deployed')).toMatchObject({ schema, example: { version: 7 } })
    expect((await run('push', 'events.ts', '--dry-run')).stdout).toBe('the project has all of this already\n')
  })

  test('does nothing where something would break, with exit code 6, unless forced', async () => {
    const { run, define, project } = await setUp()
    await project.createEventType({ name: 'config.deployed', schema })
    await project.createEventType({ name: 'only.here' })
    const { environment: _, ...properties } = schema.properties
    define({ 'config.deployed': { schema: { ...schema, properties } }, 'order.paid': {} })
    const refused = await run('push', 'events.ts', '--dry-run')
    expect(refused).toMatchObject({
      stdout:
        '! config.deployed: data.environment is removed (breaks receivers)\n+ order.paid: is new\n' +
        'only in the project, left as they are: only.here\n',
      exitCode: 6,
    })
    expect(refused.stderr).toContain('nothing was done')
    expect((await project.listEventTypes()).event_types).toHaveLength(2)
    const forced = await run('push', 'events.ts', '--force', '--json')
    expect(forced.exitCode).toBe(0)
    expect(JSON.parse(forced.stdout)).toMatchObject({
      done: true,
      breaking: true,
      changes: [
        {
          name: 'config.deployed',
          kind: 'update',
          breaking: true,
          schema: [{ path: 'data.environment', breaks: 'receivers' }],
        },
        { name: 'order.paid', kind: 'create', breaking: false },
      ],
      others: ['only.here'],
    })
    expect(await project.getEventType('config.deployed')).toMatchObject({ version: 2 })
  })

  test('says which file, type and place is wrong, with exit code 2', async () => {
    const { run, define, cwd } = await setUp()
    define({ 'config.deployed': { schema: { $ref: 'https://example.com/a' } } })
    const unusable = await run('push', 'events.ts')
    expect(unusable).toMatchObject({ stdout: '', exitCode: 2 })
    expect(unusable.stderr).toContain('config.deployed: schema.$ref must lead to a schema of this document')
    writeFileSync(join(cwd, 'wrong.json'), '{"event_types": [{"nam": "a"}]}')
    writeFileSync(join(cwd, 'other.json'), '[]')
    writeFileSync(join(cwd, 'empty.ts'), 'export const nothing = 1')
    const problems: Record<string, string> = {
      'wrong.json': 'event_types[0]: ',
      'other.json': 'has no event_types',
      'empty.ts': 'exports nothing that defineEvents()',
      'none.ts': 'cannot be loaded',
      'none.json': 'cannot be read',
    }
    for (const [file, problem] of Object.entries(problems)) {
      await expect(readDefinitions(join(cwd, file))).rejects.toMatchObject({
        message: expect.stringContaining(`${join(cwd, file)} ${problem}`),
        exitCode: 2,
      })
    }
  })
})

test('what types pull writes is what types push reads, digits and all', async () => {
  const [from, to] = [await setUp(), await setUp()]
  await from.project.createEventType({ name: 'order.paid', schema: { maximum: 5 }, description: 'Paid.' })
  await from.project.createEventType({ name: 'config.deployed', schema, example: { version: 7 } })
  const pulled = await from.run('pull')
  expect(pulled).toMatchObject({ stdout: 'event-types.json is written, with 2 event types\n', exitCode: 0 })
  const text = from.read('event-types.json')
  expect(JSON.parse(text).event_types).toMatchObject([
    { name: 'config.deployed', version: 1, schema, example: { version: 7 } },
    { name: 'order.paid', description: 'Paid.' },
  ])
  writeFileSync(join(to.cwd, 'event-types.json'), text)
  expect(await to.run('push', 'event-types.json')).toMatchObject({ exitCode: 0 })
  expect((await to.run('pull', '--out', 'again.json', '--json')).stdout).toBe(
    '{"file":"again.json","event_types":2}\n',
  )
  expect(to.read('again.json')).toBe(text)
})

describe('types generate', () => {
  test('writes TypeScript of what the project has, and tells when it is out of date', async () => {
    const { run, read, project, cwd } = await setUp()
    await project.createEventType({ name: 'config.deployed', schema })
    expect(await run('generate', '--out', 'types.ts')).toMatchObject({
      stdout: 'types.ts is written, with 1 event type\n',
      exitCode: 0,
    })
    expect(read('types.ts')).toContain('"config.deployed": ConfigDeployedData')
    expect(await run('generate', '--out', 'types.ts', '--check')).toMatchObject({ exitCode: 0 })
    await project.createEventType({ name: 'order.paid' })
    const before = read('types.ts')
    expect(await run('generate', '--out', 'types.ts', '--check')).toMatchObject({
      stdout: 'types.ts is out of date\n',
      exitCode: 1,
    })
    expect(read('types.ts')).toBe(before)
    writeFileSync(join(cwd, 'mine.ts'), 'export const mine = 1\n')
    const refused = await run('generate', '--out', 'mine.ts')
    expect(refused).toMatchObject({ exitCode: 2 })
    expect(refused.stderr).toContain('was not generated')
    expect(read('mine.ts')).toBe('export const mine = 1\n')
  })

  test('needs no server for a file, and follows no reference out of it', async () => {
    const cwd = temporaryDirectory()
    const write = (schema: object) =>
      writeFileSync(join(cwd, 'types.json'), JSON.stringify({ event_types: [{ name: 'a.b', schema }] }))
    const run = () =>
      runCommand(['types', 'generate', 'types.json'], { cwd, env: { POSTRIDER_URL: 'http://127.0.0.1:1' } })
    write({ type: 'string' })
    expect(await run()).toMatchObject({
      stdout: expect.stringContaining('"a.b": ABData'),
      stderr: '',
      exitCode: 0,
    })
    write({ properties: { secret: { $ref: '/etc/passwd' } } })
    expect(await run()).toMatchObject({ stdout: '', exitCode: 2 })
    expect(existsSync(join(cwd, 'events.ts'))).toBe(false)
  })
})

describe('the TypeScript of event types', () => {
  const types: NewEventType[] = [
    { name: 'config.deployed', description: 'It went live. */ alert(1) /*', schema },
    { name: 'config-deployed', schema: { type: 'string' }, deprecated: true },
    {
      name: '2fa.enabled',
      schema: { type: 'object', properties: { 'odd name': { type: ['number', 'null'] } } },
    },
    {
      name: 'order.paid',
      schema: {
        $defs: {
          user: {
            type: 'object',
            properties: { name: { type: 'string' }, friend: { $ref: '#/$defs/user' } },
            required: ['name'],
          },
        },
        type: 'object',
        properties: {
          by: { $ref: '#/$defs/user' },
          lines: {
            type: 'array',
            items: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] },
          },
          point: {
            prefixItems: [{ type: 'number' }, { type: 'string' }],
            type: 'array',
            minItems: 2,
            items: false,
          },
          note: { anyOf: [{ type: 'string' }, { type: 'null' }] },
          anything: true,
          tagged: { type: 'object', patternProperties: { 'a*/b': { type: 'string' } } },
        },
        required: ['by', 'lines', 'note'],
      },
    },
    {
      name: 'user.created',
      schema: {
        $defs: { user: { type: 'object', properties: { id: { type: 'integer' } } } },
        type: 'array',
        items: { $ref: '#/$defs/user' },
      },
    },
    { name: 'nothing.known' },
    { name: 'events' },
  ]

  test('types what is published and received by the names of events', async () => {
    const cwd = temporaryDirectory()
    const typescript = await typescriptOf(types)
    expect(typescript.replace(/\/\*\*[\s\S]*?\*\//g, '')).not.toContain('alert')
    writeFileSync(join(cwd, 'events.ts'), typescript)
    writeFileSync(
      join(cwd, 'use.ts'),
      `import type { Events, EventType, PostriderEvent } from './events.ts'

declare function publish<Type extends EventType>(type: Type, data: Events[Type]): void
publish('config.deployed', { version: 7, environment: 'staging' })
publish('config-deployed', 'text')
publish('2fa.enabled', { 'odd name': null })
publish('nothing.known', Symbol())
publish('order.paid', { by: { name: 'Ada', friend: { name: 'Bob' } }, lines: [{ n: 1 }], note: null, anything: 1 })
publish('user.created', [{ id: 1 }])
// @ts-expect-error
publish('config.deploy', { version: 7 })
// @ts-expect-error
publish('config.deployed', { version: '7' })
// @ts-expect-error
publish('config.deployed', { version: 7, environment: 'moon' })
// @ts-expect-error
publish('order.paid', { by: { id: 1 }, lines: [], note: null })
// @ts-expect-error
publish('order.paid', { by: { name: 'Ada' }, lines: [], note: 1 })

export function receive(event: PostriderEvent): number | string {
  switch (event.type) {
    case 'config.deployed':
      return event.data.version
    case 'order.paid':
      return event.data.by.name + event.project_id
    default:
      // @ts-expect-error
      return event.data.version
  }
}
`,
    )
    const flags = [
      '--noEmit',
      '--strict',
      '--target',
      'es2024',
      '--module',
      'nodenext',
      '--types',
      '',
      '--allowImportingTsExtensions',
    ]
    const tsc = join(root, 'node_modules/.bin/tsc')
    const { stdout } = await promisify(execFile)(tsc, [...flags, 'use.ts'], { cwd }).catch(
      (error: { stdout: string }) => error,
    )
    expect(stdout).toBe('')
  })

  test('is the same whatever the order of the types, and there without any', async () => {
    expect(await typescriptOf(types.toReversed())).toBe(await typescriptOf(types))
    expect(await typescriptOf([])).toContain('export interface Events {')
  })

  test('is refused where a name would end a comment', async () => {
    const schema = { $defs: { 'a*/b': { type: 'object' } }, properties: { a: { $ref: '#/$defs/a*~1b' } } }
    await expect(typescriptOf([{ name: 'a', schema }])).rejects.toThrow(/cannot be written as TypeScript/)
  })
})
