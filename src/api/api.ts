import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { notFound, PostriderError } from '../contract/errors.ts'
import { type Route, routes } from '../contract/routes.ts'
import { EventType } from '../contract/text.ts'
import type { Actor } from '../database/scope.ts'
import { isUuid } from '../ids.ts'
import { type Logger, silentLogger } from '../log.ts'
import { answerText } from './answer.ts'
import { authorize, type Caller } from './authorize.ts'
import { readBody } from './body.ts'
import { type Call, calls, type JsonRouteName } from './calls.ts'
import { type App, type Context, type Environment, honoPath } from './context.ts'
import type { AdminCalls, Engine, ProjectCalls } from './engine.ts'
import { addEventStreams, EventStreams } from './event-streams.ts'
import { addLive, LiveStreams } from './live.ts'
import { hashOfKey } from '../registry/api-key.ts'
import type { Gate } from './gate.ts'
import { FrontDesk, type Visitor } from './login.ts'
import { observe } from './observe.ts'
import { type OidcOptions, Provider } from './oidc.ts'
import { addPages } from './pages.ts'
import { asPostriderError, problemAnswer } from './problem.ts'
import { readQuery } from './query.ts'
import { noRateLimits, type RateLimits } from './rate-limit.ts'
import { Turns } from './turns.ts'

export interface ApiOptions {
  engine: Engine
  /** The key that may do everything; without one there are project keys only. */
  adminKey?: string | null | undefined
  /** Where people and browsers reach this; links and the OpenAPI document tell it. */
  publicUrl?: string | null | undefined
  /** The path under which this is mounted, if requests arrive with that still in front: `/webhooks`. */
  basePath?: string | undefined
  /** Other origins whose pages may call the API; `*` for all. None by default. */
  corsOrigins?: readonly string[] | undefined
  /** Where people log in by single sign-on. None by default. */
  oidc?: OidcOptions | undefined
  /** None by default. */
  limits?: RateLimits | undefined
  /** The address of the client, from what the server hands over with each request. */
  addressOf?: ((env: unknown) => string | undefined) | undefined
  /** Silent by default. */
  logger?: Logger | undefined
}

export interface Api {
  /** Answers one request; fits whatever knows the `Request` and `Response` of the Fetch standard. Never throws. */
  fetch: (request: Request, env?: unknown) => Promise<Response>
  /** Ends the streams that are open, which would not end by themselves. */
  endStreams: () => void
  /** The path in front of all of its paths, without a slash at its end. */
  basePath: string
}

/**
 * The HTTP API. Every call comes from the table of routes: who may make it, what it takes, what it answers.
 *
 * @example
 * const api = createApi({ engine: postrider, adminKey })
 * const response = await api.fetch(new Request('http://localhost/healthz'))
 */
export function createApi(options: ApiOptions): Api {
  const { engine, adminKey, corsOrigins = [], logger = silentLogger, addressOf } = options
  const basePath = (options.basePath ?? '').replace(/\/+$/, '')
  const app: App = new Hono<Environment>().basePath(basePath === '' ? '/' : basePath)
  const gate: Gate = {
    engine,
    adminKeyHash: adminKey ? hashOfKey(adminKey) : undefined,
    limits: options.limits ?? noRateLimits,
    site: { publicUrl: options.publicUrl ?? null, basePath },
  }
  const desk = new FrontDesk(gate, { hasProvider: options.oidc !== undefined })
  const entrance = {
    gate,
    desk,
    provider: new Provider({ gate, desk, provider: options.oidc, logger }),
    turns: new Turns(),
  }

  app.use(observe({ logger, addressOf }))
  if (corsOrigins.length > 0) app.use(cors(corsOptions(corsOrigins)))
  for (const name of Object.keys(calls) as JsonRouteName[]) addCall(app, name, entrance)
  const streams = new LiveStreams()
  addLive(app, gate, streams)
  const eventStreams = new EventStreams()
  addEventStreams(app, gate, eventStreams)
  addPages(app, { engine, serverUrl: options.publicUrl ?? (basePath === '' ? '/' : basePath), basePath })
  refuseOtherMethods(app)
  app.notFound((context) => refuse(context, new PostriderError('not_found', 'There is no such path.')))
  app.onError((error, context) => refuse(context, asPostriderError(error)))

  return {
    fetch: async (request, env) => app.fetch(request, env ?? {}),
    endStreams: () => {
      streams.close()
      eventStreams.close()
    },
    basePath,
  }
}

/** Those who let callers in. */
interface Entrance {
  gate: Gate
  desk: FrontDesk
  provider: Provider
  turns: Turns
}

/** One call: who asks, what is asked, the answer. */
function addCall<Name extends JsonRouteName>(app: App, name: Name, entrance: Entrance): void {
  const { gate, turns } = entrance
  const route: Route = routes[name]
  app.on(route.method, honoPath(route.path), async (context) => {
    const request = context.req.raw
    const params: Record<string, string> = context.req.param()
    context.set('route', route.path)
    if (route.access !== 'anyone') {
      const { caller, session } = await authorize(gate, {
        request,
        address: context.get('address') ?? 'unknown',
        access: route.access,
        projectId: params['project_id'],
      })
      context.set('caller', caller)
      context.set('session', session)
    }
    checkIds(params)
    context.set('ids', params)
    const query = route.query && readQuery(route.query, new URL(request.url).searchParams)
    const sent = route.body && (await readBody(request, route.body))
    try {
      if (route.isTestSend) gate.limits.testSend(params['project_id']!.toLowerCase())
      const engine = engineFor(context, { engine: gate.engine, projectId: params['project_id'] })
      const visitor = visitorOf(context)
      const call = { ...entrance, engine, params, query, body: sent?.value, sent, request, visitor }
      const asked = () => calls[name](call as unknown as Call<Name>)
      const projectId = params['project_id']?.toLowerCase()
      // A test waits for somebody else's server, and for the database hardly at all.
      const isAlone = projectId === undefined || route.isTestSend
      const answer = answerOf(route, await (isAlone ? asked() : turns.take(projectId, asked)))
      visitor.answerHeaders.forEach((value, header) => answer.headers.append(header, value))
      return answer
    } finally {
      sent?.done()
    }
  })
}

function visitorOf(context: Context): Visitor {
  const request = context.req.raw
  return {
    request,
    session: context.get('session'),
    address: context.get('address'),
    userAgent: request.headers.get('user-agent') ?? undefined,
    requestId: context.get('requestId'),
    answerHeaders: new Headers(),
  }
}

/** What a call may ask, in the name of who makes it: of its project alone, if it has one. */
function engineFor(
  context: Context,
  { engine, projectId }: { engine: Engine; projectId: string | undefined },
): ProjectCalls | AdminCalls | undefined {
  const caller = context.get('caller')
  if (!caller) return undefined
  const actor = {
    ...actorOf(caller),
    address: context.get('address'),
    requestId: context.get('requestId'),
  }
  if (projectId === undefined) return engine.actingAs(actor)
  return engine.inProject(projectId, actor, caller.kind === 'user' ? caller.id : undefined)
}

function actorOf(caller: Caller): Actor {
  if (caller.kind === 'admin') return { kind: 'admin' }
  if (caller.kind === 'key') return { kind: 'api_key', id: caller.id, name: caller.name }
  return { kind: 'user', id: caller.id, name: caller.name ?? caller.email }
}

function answerOf(route: Route, answer: object | null): Response {
  const status = Number(Object.keys(route.answers)[0])
  if (answer === null) return new Response(null, { status })
  return new Response(answerText(answer, route.rawMember), {
    status,
    headers: { 'content-type': 'application/json' },
  })
}

/** A known path with another method. These come last: the first match answers. */
function refuseOtherMethods(app: App): void {
  const methods = new Map<string, string[]>()
  for (const { method, path } of Object.values<Route>(routes)) {
    methods.set(path, [...(methods.get(path) ?? []), ...(method === 'GET' ? ['GET', 'HEAD'] : [method])])
  }
  for (const [path, allowed] of methods) {
    app.all(honoPath(path), (context) => {
      context.set('route', path)
      const error = new PostriderError('method_not_allowed', `Allowed here: ${allowed.join(', ')}.`)
      const answer = refuse(context, error)
      answer.headers.set('allow', allowed.join(', '))
      return answer
    })
  }
}

function refuse(context: Context, error: PostriderError): Response {
  context.set('error', error)
  return problemAnswer(error)
}

/** What is no UUID, or no event type, names nothing: it is answered as an unknown one would be, by what the path ends in. */
function checkIds(params: Record<string, string>): void {
  if (Object.entries(params).every(([param, id]) => (param === 'name' ? isEventType(id) : isUuid(id)))) return
  throw notFound(thingNames[Object.keys(params).at(-1)!] ?? 'thing')
}

const eventTypePattern = new RegExp((EventType as { pattern?: string }).pattern!)

function isEventType(name: string): boolean {
  return name.length <= 255 && eventTypePattern.test(name)
}

const thingNames: Record<string, string> = {
  name: 'event type',
  api_key_id: 'API key',
  application_id: 'application',
  webhook_id: 'webhook',
  event_id: 'event',
  job_id: 'job',
  delivery_id: 'delivery',
  user_id: 'user',
  session_id: 'session',
  invitation_id: 'invitation',
}

function corsOptions(origins: readonly string[]) {
  return {
    origin: origins.includes('*') ? '*' : [...origins],
    allowMethods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
    allowHeaders: [
      'authorization',
      'content-type',
      'idempotency-key',
      'last-event-id',
      'traceparent',
      'x-request-id',
    ],
    exposeHeaders: ['x-request-id', 'retry-after'],
    maxAge: 600,
  }
}
