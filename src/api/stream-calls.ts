import type { Static, TObject } from 'typebox'
import { PostriderError } from '../contract/errors.ts'
import type { routes } from '../contract/routes.ts'
import { authorize } from './authorize.ts'
import { type App, honoPath } from './context.ts'
import type { ProjectCalls } from './engine.ts'
import type { Gate } from './gate.ts'
import type { LiveStream } from './live-stream.ts'
import { readQuery } from './query.ts'

/** What the calls have in common that answer with a stream of server-sent events. */

/** Who asks for a stream, and from where on. */
export interface StreamAsked<Query> {
  projectId: string
  query: Query
  /** Whose streams are counted. */
  caller: string
  lastEventId: string | null
  /** Throws once the key or session opens the project no more. */
  check: () => Promise<unknown>
  /** With the rights of who asks. */
  calls: ProjectCalls
}

const types = { 'content-type': 'text/event-stream' }

export function addStreamCall<Shape extends TObject>(
  app: App,
  gate: Gate,
  {
    route,
    query: shape,
    open,
  }: {
    route: typeof routes.streamDeliveries | typeof routes.streamEvents
    query: Shape
    open: (asked: StreamAsked<Static<Shape>>) => Response | Promise<Response>
  },
): void {
  app.get(honoPath(route.path), async (context) => {
    const request = context.req.raw
    const projectId = context.req.param('project_id')!
    context.set('route', route.path)
    const check = () =>
      authorize(gate, {
        request,
        address: context.get('address') ?? 'unknown',
        access: route.access,
        projectId,
      })
    const { caller } = await check()
    context.set('caller', caller)
    context.set('ids', { project_id: projectId })
    const query = readQuery(shape, new URL(request.url).searchParams)
    // Whoever asks for the head alone reads nothing, and would never be seen to go.
    if (request.method === 'HEAD') return new Response(null, { headers: types })
    return open({
      projectId,
      query,
      caller: caller.kind === 'admin' ? 'admin' : caller.id,
      lastEventId: request.headers.get('last-event-id'),
      check,
      calls: gate.engine.inProject(projectId, { kind: 'system' }),
    })
  })
}

export function streamAnswer({ body }: LiveStream): Response {
  return new Response(body, {
    headers: {
      ...types,
      'cache-control': 'no-store',
      // nginx would gather what is sent.
      'x-accel-buffering': 'no',
    },
  })
}

export function tooManyStreams(): PostriderError {
  return new PostriderError('rate_limited', 'Too many streams are open: close one first.', {
    retryAfterSeconds: 5,
  })
}
