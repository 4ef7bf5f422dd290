import type { TSchema } from 'typebox'
import { version } from '../version.ts'
import { Payload } from './deliveries.ts'
import { type ErrorCode, errorCodes } from './errors.ts'
import { receivedEvent, receivedOperationalEvent } from './openapi-receiver.ts'
import { OperationalPayload } from './operational.ts'
import { type Route, routes } from './routes.ts'
import { EventType } from './text.ts'

/** The contract as an OpenAPI 3.1 document: the table of routes in another form. */

type Json = null | boolean | number | string | Json[] | { [name: string]: Json | undefined }
type JsonObject = { [name: string]: Json | undefined }

export interface OpenapiOptions {
  /** Where the API is: absolute, or a path of the server that the document came from. */
  serverUrl: string
}

/**
 * @example
 * const document = openapi({ serverUrl: 'https://postrider.example.com' })
 * document.paths['/healthz'] // { get: { operationId: 'health', … } }
 */
export function openapi({ serverUrl }: OpenapiOptions) {
  const components: JsonObject = { Problem: problemSchema }
  const paths: { [path: string]: JsonObject } = {}
  for (const [operationId, route] of Object.entries<Route>(routes)) {
    paths[route.path] ??= {}
    paths[route.path]![route.method.toLowerCase()] = operation(operationId, route, components)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Postrider',
      version,
      summary: 'Webhooks for your product, on the PostgreSQL you already have.',
      description: overview,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: serverUrl }],
    security: [{ key: [] }, { session: [] }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths,
    webhooks: {
      event: plain(receivedEvent(refer(Payload, components))),
      operationalEvent: plain(receivedOperationalEvent(refer(OperationalPayload, components))),
    },
    components: {
      schemas: components,
      responses: Object.fromEntries(allCodes.map((code) => [code, problemResponse(code)])),
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'The admin key, or the key of a project.' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: 'postrider_session',
          description:
            'What a browser gets when it logs in; over https the name begins with `__Host-` or `__Secure-`. Calls that change something also need `x-csrf-token` and an `Origin` that is this server. A key that is sent counts alone.',
        },
      },
    },
  }
}

const tags: Record<Route['tag'], string> = {
  Events: 'What applications publish.',
  Webhooks: 'Where events are sent, and which of them.',
  Deliveries: 'What happened with an event at one webhook.',
  Jobs: 'Many deliveries at once, in the background.',
  Statistics: 'How it went over time, out of counts that are kept for it.',
  Projects: 'Everything belongs to one, and nothing of one is seen from another.',
  Login: 'How people come in, and what they are logged in with.',
  People: 'Who may do what in a project, and who there is.',
  Administration: 'For the operator of the server.',
  Server: 'Health, metrics, and these pages. No key is needed.',
}

const allCodes = Object.keys(errorCodes) as ErrorCode[]

const overview = `An *event* is published once; each *webhook* that matches it gets one *delivery*; a delivery is tried in one or more *attempts*.

Send a key as \`authorization: Bearer KEY\`. The admin key may do everything. The key of a project has one role: \`view\` reads, \`publish\` publishes events too, \`manage\` does everything inside its project. Anything of another project answers 404, as if it did not exist.

A key may have an end (\`expires_at\`), and opens nothing from the moment on that it is revoked. Calls with one key, calls from one address, wrong keys and test sends are limited: 429 with \`retry-after\`.

Lists are newest first: \`limit\` (1 to 100, 50 by default) and \`cursor\`, the \`next_cursor\` of the page before. Times are RFC 3339.

Errors are \`application/problem+json\` (RFC 9457). Programs should look at \`code\`:

| code | status | meaning |
| --- | --- | --- |
${allCodes.map((code) => `| \`${code}\` | ${errorCodes[code].status} | ${errorCodes[code].title} |`).join('\n')}`

const problemSchema: JsonObject = {
  type: 'object',
  title: 'Problem',
  required: ['type', 'title', 'status', 'code', 'detail'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', enum: allCodes, description: 'Stable: for programs.' },
    detail: { type: 'string', description: 'For people: may change.' },
    errors: {
      type: 'array',
      description: 'What is wrong, field by field.',
      items: {
        type: 'object',
        required: ['path', 'message'],
        properties: {
          path: { type: 'string', examples: ['events[3].data'] },
          message: { type: 'string' },
        },
        additionalProperties: false,
      },
    },
  },
  additionalProperties: false,
}

function operation(operationId: string, route: Route, components: JsonObject): JsonObject {
  return {
    operationId,
    tags: [route.tag],
    summary: route.summary,
    description: [route.description, accessInWords[route.access]].filter(Boolean).join('\n\n'),
    ...(route.access === 'anyone' && { security: [] }),
    ...(route.access === 'session' && { security: [{ session: [] }] }),
    parameters: [
      ...Array.from(route.path.matchAll(/\{(\w+)\}/g), ([, name]) => pathParameter(name!)),
      ...parameters('query', route.query),
      ...parameters('header', route.headers),
    ],
    ...(route.body && {
      requestBody: { required: !route.body.isOptional, content: json(refer(route.body.shape, components)) },
    }),
    responses: { ...answers(route, components), ...problems(route) },
  }
}

const accessInWords: Record<Route['access'], string> = {
  anyone: '',
  session: 'Needs the session of a user.',
  view: 'Needs a key of the project, or a member.',
  publish: 'Needs a key or member of the project with the role `publish` or `manage`.',
  manage: 'Needs a key or member of the project with the role `manage`.',
  admin: 'Needs the admin key, or an owner.',
}

function pathParameter(name: string): JsonObject {
  const schema = name === 'name' ? plain(EventType) : { type: 'string', format: 'uuid' }
  return { name, in: 'path', required: true, schema }
}

function parameters(where: 'query' | 'header', shape: Route['query']): JsonObject[] {
  return Object.entries(shape?.properties ?? {}).map(([name, property]) => {
    const { description, ...schema } = plain(property)
    return { name, in: where, ...(description !== undefined && { description }), schema }
  })
}

function answers({ answers }: Route, components: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(answers).map(([status, answer]) => [status, answerOf(status, answer, components)]),
  )
}

function answerOf(status: string, answer: TSchema | string | null, components: JsonObject): JsonObject {
  const description = statusInWords[status] ?? 'Done.'
  if (answer === null) return { description }
  if (typeof answer === 'string')
    return { description, content: { [answer]: { schema: { type: 'string' } } } }
  return { description, content: json(refer(answer, components)) }
}

const statusInWords: Record<string, string> = {
  200: 'Here it is.',
  201: 'Created.',
  202: 'Accepted: what follows happens in the background.',
  204: 'Done; there is no body.',
  302: 'It goes on there.',
  503: 'Not now.',
}

/** The errors that a call can answer, by status; of one status there may be several codes. */
function problems(route: Route): JsonObject {
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of codesOf(route)) {
    const { status } = errorCodes[code]
    // A status that says something of its own here, as 503 for readiness, stays that.
    if (!(status in route.answers)) byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries(
    Array.from(byStatus, ([status, codes]) => [
      status,
      codes.length === 1 ? { $ref: responseRef(codes[0]!) } : several(codes),
    ]),
  )
}

/** Every code that a call can answer. */
export function codesOf(route: Route): ErrorCode[] {
  const isOpen = route.access === 'anyone'
  return [
    'bad_request' as const,
    ...(route.body
      ? (['bad_json', 'too_large', 'unsupported_media_type', 'validation_failed'] as const)
      : []),
    ...(route.query && !route.body ? (['validation_failed'] as const) : []),
    ...(isOpen ? [] : (['unauthorized', 'rate_limited', 'unavailable'] as const)),
    ...(isOpen || route.access === 'view' ? [] : (['forbidden'] as const)),
    ...(route.path.includes('{') ? (['not_found'] as const) : []),
    ...(route.errors ?? []),
    'internal' as const,
  ]
}

function responseRef(code: ErrorCode): string {
  return `#/components/responses/${code}`
}

function problemResponse(code: ErrorCode): JsonObject {
  return { ...several([code]), ...(code in errorHeaders && { headers: errorHeaders[code] }) }
}

function several(codes: ErrorCode[]): JsonObject {
  const examples = codes.map((code) => [code, { value: exampleProblem(code) }] as const)
  return {
    description: codes.map((code) => `\`${code}\`: ${errorCodes[code].title}.`).join(' '),
    content: {
      'application/problem+json': {
        schema: { $ref: '#/components/schemas/Problem' },
        examples: Object.fromEntries(examples),
      },
    },
  }
}

const retryAfter: JsonObject = {
  'retry-after': { description: 'Seconds to wait before the next try.', schema: { type: 'integer' } },
}
const errorHeaders: { [code in ErrorCode]?: JsonObject } = {
  unauthorized: { 'www-authenticate': { schema: { type: 'string' } } },
  method_not_allowed: { allow: { schema: { type: 'string' } } },
  rate_limited: retryAfter,
  unavailable: retryAfter,
}

function exampleProblem(code: ErrorCode): JsonObject {
  const { status, title } = errorCodes[code]
  const problem = { type: 'about:blank', title, status, code, detail: `${title}.` }
  if (code !== 'validation_failed') return problem
  const error = { path: 'typ', message: 'unknown field `typ`: did you mean `type`?' }
  return { ...problem, detail: error.message, errors: [error] }
}

function json(schema: JsonObject): JsonObject {
  return { 'application/json': { schema } }
}

/** A shape by its name, which is its title; it is written out once, among the components. */
function refer(shape: TSchema, components: JsonObject): JsonObject {
  return named(plain(shape), components)
}

function named(schema: JsonObject, components: JsonObject): JsonObject {
  const inner = Object.fromEntries(
    Object.entries(schema).map(([keyword, value]) => [keyword, namedInside(keyword, value, components)]),
  )
  const name = schema['title']
  if (typeof name !== 'string') return inner
  components[name] ??= inner
  return { $ref: `#/components/schemas/${name}` }
}

/** Goes down where schemas are; what stands in `examples`, `default` and the like is data. */
function namedInside(keyword: string, value: Json | undefined, components: JsonObject): Json | undefined {
  if (keyword === 'items' || keyword === 'additionalProperties') {
    return isObject(value) ? named(value, components) : value
  }
  if (keyword === 'anyOf' && Array.isArray(value)) {
    return value.map((choice) => (isObject(choice) ? named(choice, components) : choice))
  }
  if (keyword === 'properties' && isObject(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([name, property]) => [
        name,
        isObject(property) ? named(property, components) : property,
      ]),
    )
  }
  return value
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A shape as JSON Schema alone, without what TypeBox keeps with it. */
function plain(shape: object): JsonObject {
  return JSON.parse(JSON.stringify(shape)) as JsonObject
}
