import { openapi } from '../contract/openapi.ts'
import { routes } from '../contract/routes.ts'
import type { App, Context } from './context.ts'
import { addDashboard } from './dashboard.ts'
import { docsAnswer, docsPaths } from './docs.ts'
import type { Engine } from './engine.ts'

interface Pages {
  engine: Engine
  /** Where the API is, as the OpenAPI document tells it. */
  serverUrl: string
  /** In front of every path of a request. */
  basePath: string
}

/** What needs no key: for probes, for Prometheus, for people. */
export function addPages(app: App, { engine, serverUrl, basePath }: Pages): void {
  const add = (path: string, answer: (context: Context) => Response | Promise<Response>): void => {
    app.get(path, (context) => {
      context.set('route', path)
      return answer(context)
    })
  }
  const document = openapi({ serverUrl })
  // Open to anyone and never limited, since probes depend on it: those who ask at once share one look at the database.
  let looking: ReturnType<Engine['ready']> | undefined
  const look = () => (looking ??= engine.ready().finally(() => (looking = undefined)))
  add(routes.readiness.path, () => readiness(look))
  add(routes.metrics.path, () => metrics(engine))
  add(routes.openapi.path, () => Response.json(document))
  for (const path of docsPaths) add(path, docsAnswer(path))
  addDashboard(app, basePath)
}

async function readiness(look: Engine['ready']): Promise<Response> {
  const { database, migrated } = await look()
  const isReady = database && migrated
  const answer = { status: isReady ? 'ready' : 'not ready', database, migrated }
  return Response.json(answer, { status: isReady ? 200 : 503 })
}

async function metrics(engine: Engine): Promise<Response> {
  const { contentType, body } = await engine.metrics.text()
  return new Response(body, { headers: { 'content-type': contentType } })
}
