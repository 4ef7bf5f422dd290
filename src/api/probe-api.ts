import { Hono } from 'hono'
import { PostriderError } from '../contract/errors.ts'
import { routes } from '../contract/routes.ts'
import type { Logger } from '../log.ts'
import type { Api } from './api.ts'
import type { App, Environment } from './context.ts'
import { observe } from './observe.ts'
import { addProbes, type Probed } from './probes.ts'
import { asPostriderError, problemAnswer } from './problem.ts'

/** Nothing but what machines ask, for a worker, which has no API. */
export function createProbes(probed: Probed, logger: Logger): Api {
  const app: App = new Hono<Environment>()
  app.use(observe({ logger, addressOf: undefined }))
  app.get(routes.health.path, (context) => {
    context.set('route', routes.health.path)
    return Response.json({ status: 'ok' })
  })
  addProbes(app, probed)
  app.notFound(() => problemAnswer(new PostriderError('not_found', 'There is no such path.')))
  app.onError((error) => problemAnswer(asPostriderError(error)))
  return { fetch: async (request, env) => app.fetch(request, env ?? {}), endStreams: () => {}, basePath: '' }
}
