import { routes } from '../contract/routes.ts'
import type { App, Context } from './context.ts'
import type { Engine } from './engine.ts'

/** What machines ask every few seconds: it needs no key. */
export interface Probed {
  ready: Engine['ready']
  metrics: Engine['metrics']
}

export function addProbes(app: App, { ready, metrics }: Probed): void {
  // Open to anyone and never limited, since probes depend on it: those who ask at once share one look at the database.
  let looking: ReturnType<Engine['ready']> | undefined
  const look = () => (looking ??= ready().finally(() => (looking = undefined)))
  answer(app, routes.readiness.path, () => readiness(look))
  answer(app, routes.metrics.path, () => exposition(metrics))
}

function answer(app: App, path: string, make: () => Response | Promise<Response>): void {
  app.get(path, (context: Context) => {
    context.set('route', path)
    return make()
  })
}

async function readiness(look: Engine['ready']): Promise<Response> {
  const { database, migrated } = await look()
  const isReady = database && migrated
  const told = { status: isReady ? 'ready' : 'not ready', database, migrated }
  return Response.json(told, { status: isReady ? 200 : 503 })
}

async function exposition(metrics: Engine['metrics']): Promise<Response> {
  const { contentType, body } = await metrics.text()
  return new Response(body, { headers: { 'content-type': contentType } })
}
