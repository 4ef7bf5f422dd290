import { openapi } from '../contract/openapi.ts'
import { routes } from '../contract/routes.ts'
import type { App, Context } from './context.ts'
import { addDashboard } from './dashboard.ts'
import { docsAnswer, docsPaths } from './docs.ts'
import type { Engine } from './engine.ts'
import { addProbes } from './probes.ts'

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
  addProbes(app, { ready: () => engine.ready(), metrics: engine.metrics })
  add(routes.openapi.path, () => Response.json(document))
  for (const path of docsPaths) add(path, docsAnswer(path))
  addDashboard(app, basePath)
}
