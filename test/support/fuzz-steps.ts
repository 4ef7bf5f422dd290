import fc from 'fast-check'
import { change, changed, evilName, evilValue, type Json, render } from './fuzz-json.ts'
import { known, type Schema, Values } from './fuzz-values.ts'

/** What may be asked of an API, made from its OpenAPI document alone. */

export interface Operation {
  operationId: string
  parameters: { name: string; in: 'path' | 'query' | 'header'; schema: Schema }[]
  requestBody?: { required: boolean; content: { 'application/json': { schema: Schema } } }
  responses: Record<string, unknown>
}

export interface Document {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

/** One request, as data: ids of earlier answers stand in it as `{{webhook_id:3}}`. */
export interface Step {
  operationId: string
  method: string
  /** With its query. */
  path: string
  key: Key
  headers: Record<string, string>
  body?: Body | undefined
}

export interface Body {
  text: string
  damage?: Damage | undefined
  isChunked: boolean
}

/** What happens to the bytes of a body on the way. */
export type Damage = { kind: 'cut' | 'byte'; at: number } | { kind: 'mark' | 'gzip' | 'double' }

export type Key = 'admin' | 'manage' | 'publish' | 'view' | 'foreign' | 'wrong' | 'none'

/** Steps over all operations; most of each are right, so that they lead somewhere. */
export function stepsOf({ paths, components }: Document): fc.Arbitrary<Step> {
  const values = new Values(components.schemas)
  const steps = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      weight: weights[operation.operationId] ?? 4,
      arbitrary: stepOf(values, path, method.toUpperCase(), operation),
    })),
  )
  return fc.oneof(...steps)
}

/** What makes things is asked for more often than what removes them. */
const weights: Record<string, number> = {
  publishEvent: 12,
  createWebhook: 8,
  deleteProject: 1,
  deleteWebhook: 2,
}

function stepOf(values: Values, path: string, method: string, operation: Operation): fc.Arbitrary<Step> {
  const parameters = (where: string) => operation.parameters.filter((parameter) => parameter.in === where)
  return fc.record({
    operationId: fc.constant(operation.operationId),
    method: mostly(
      fc.constant(method),
      fc.constantFrom('PUT', 'OPTIONS', 'HEAD', 'TRACE', 'DELETE', 'GET', 'POST'),
    ),
    path: fc
      .tuple(pathOf(path), queryOf(values, parameters('query')))
      .map(([filled, query]) => (query === '' ? filled : `${filled}?${query}`)),
    key: fc.oneof(
      { weight: 20, arbitrary: fc.constantFrom<Key>('admin', 'manage') },
      { weight: 3, arbitrary: fc.constantFrom<Key>('publish', 'view', 'foreign', 'wrong', 'none') },
    ),
    headers: headersOf(values, parameters('header'), operation.requestBody !== undefined),
    body: operation.requestBody
      ? bodyOf(values, operation.requestBody.content['application/json'].schema)
      : mostly(fc.constant(undefined), bodyOf(values, {})),
  })
}

/** `usual` fifteen times in sixteen: a request has many parts that can be wrong. */
function mostly<One, Other>(usual: fc.Arbitrary<One>, other: fc.Arbitrary<Other>): fc.Arbitrary<One | Other> {
  return fc.oneof({ weight: 15, arbitrary: usual }, { weight: 1, arbitrary: other })
}

function pathOf(template: string): fc.Arbitrary<string> {
  const parts = template.split(/(\{\w+\})/).map((part) => {
    const kind = /^\{(\w+)\}$/.exec(part)?.[1]
    if (kind === undefined) return fc.constant(part)
    return mostly(
      known(kind),
      fc.oneof(
        wrongId,
        known('webhook_id'),
        known(kind).map((id) => id.replace('}}', ':upper}}')),
      ),
    )
  })
  return mostly(
    fc.tuple(...parts).map((filled) => filled.join('')),
    fc.tuple(fc.tuple(...parts), tail).map(([filled, end]) => filled.join('') + end),
  )
}

const wrongId = fc.constantFrom(
  'x',
  '%00',
  '%ff',
  '..',
  '%2e%2e',
  '%2F',
  '*',
  'null',
  '{}',
  "'",
  'a'.repeat(3_000),
)
const tail = fc.constantFrom('/', '//', '/x', '%', '%2f', ';a', '?', '#a', '/..', '.json')

function queryOf(values: Values, parameters: Operation['parameters']): fc.Arbitrary<string> {
  const right = parameters.map(({ name, schema }) =>
    fc.option(
      values.text(schema, name).map((text) => `${name}=${encodeURIComponent(text)}`),
      { freq: 1, nil: undefined },
    ),
  )
  const names = fc.constantFrom(...parameters.map(({ name }) => name), 'limt', '__proto__', '%00', '')
  const wrong = fc
    .tuple(names, evilValue)
    .map(([name, value]) => `${name}=${encodeURIComponent(value.replace(/^"(.*)"$/s, '$1')).slice(0, 2_000)}`)
  const given = fc.tuple(...right).map((pairs) => pairs.filter((pair) => pair !== undefined))
  return fc
    .tuple(given, mostly(fc.constant<string[]>([]), fc.array(wrong, { minLength: 1, maxLength: 3 })))
    .map(([one, other]) => [...one, ...other].join('&'))
}

function headersOf(
  values: Values,
  parameters: Operation['parameters'],
  hasBody: boolean,
): fc.Arbitrary<Record<string, string>> {
  const documented = parameters.map(({ name, schema }) =>
    fc.option(
      values.text(schema, name).map((value) => ({ [name]: value })),
      { freq: 1, nil: {} },
    ),
  )
  const odd = fc.array(
    fc.constantFrom(
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/json; charset=utf-16' },
      { 'content-encoding': 'gzip' },
      { 'Idempotency-Key': 'k'.repeat(300) },
      { 'Idempotency-Key': '' },
      { 'x-request-id': '<script>' },
      { 'x-forwarded-for': '1.2.3.4, nonsense' },
      { accept: 'text/html' },
      { expect: '100-continue' },
      { 'x-http-method-override': 'DELETE' },
      { authorization: 'Bearer \u00ff' },
      { range: 'bytes=0-0' },
      { 'x-long': 'x'.repeat(6_000) },
    ),
    { minLength: 1, maxLength: 2 },
  )
  return fc
    .tuple(fc.tuple(...documented), mostly(fc.constant<Record<string, string>[]>([]), odd))
    .map(([given, added]): Record<string, string> =>
      Object.assign(hasBody ? { 'content-type': 'application/json' } : {}, ...given, ...added),
    )
}

function bodyOf(values: Values, schema: Schema): fc.Arbitrary<Body | undefined> {
  const right = values.json(schema)
  const nearlyRight = fc
    .tuple(right, fc.array(change, { minLength: 1, maxLength: 3 }))
    .map(([json, changes]) => changes.reduce<Json>(changed, json))
  const json = fc.oneof(
    { weight: 12, arbitrary: right },
    { weight: 6, arbitrary: nearlyRight },
    { weight: 1, arbitrary: evilValue },
    { weight: 1, arbitrary: fc.tuple(evilName, evilValue).map((member): Json => ({ members: [member] })) },
  )
  const body = fc.record({
    text: mostly(
      json.map(render),
      json.map((given) => ` \n${render(given)}\t`),
    ),
    damage: mostly(fc.constant(undefined), damage),
    isChunked: fc.boolean(),
  })
  return fc.oneof({ weight: 20, arbitrary: body }, { weight: 1, arbitrary: fc.constant(undefined) })
}

const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constantFrom('cut', 'byte'), at: fc.nat(5_000) }),
  fc.record({ kind: fc.constantFrom('mark', 'gzip', 'double') }),
)
