import type { OidcOptions } from '../api/oidc.ts'
import { createProbeServer, createServer } from '../api/server.ts'
import type { Config } from '../config.ts'
import { Database } from '../database/database.ts'
import { migrate } from '../database/migrate.ts'
import { inOrder, type Lifecycle } from '../lifecycle.ts'
import type { Logger } from '../log.ts'
import { Postrider } from '../postrider.ts'
import { type DatabaseInUse, openDatabase } from './database.ts'
import { exitCodes, Failure } from './failure.ts'

export interface Running {
  connectionString: string
  postrider: Postrider
  /** Where the API listens; null without one. */
  url: string | null
  /** Where a worker without an API tells how it is; null where it does not. */
  probesUrl: string | null
}

/** Which parts run in this process: `serve` runs both, `api` and `worker` one each. */
export interface Parts {
  api: boolean
  worker: boolean
}

/**
 * The whole of Postrider, wired: the database, its schema, the engine, the server; stopped in reverse, so that
 * no part outlives what it needs. `running()` is there once it has started.
 */
export function compose(config: Config, parts: Parts, log: Logger): Lifecycle & { running(): Running } {
  let database: DatabaseInUse
  let postrider: Postrider
  let server: ReturnType<typeof createServer>
  let url: string | null = null
  let probes: ReturnType<typeof createProbeServer>
  let probesUrl: string | null = null

  const databasePart: Lifecycle = {
    async start() {
      database = await openDatabase(config, (message) => log.info({}, message))
    },
    stop: () => database.release(),
  }
  const schemaPart: Lifecycle = {
    start: () => migrateUp(database, log),
    stop: async () => {},
  }
  const enginePart: Lifecycle = {
    async start() {
      postrider = new Postrider({ ...config, connectionString: database.connectionString, logger: log })
      postrider.metrics.tellProcess()
      await (parts.worker ? postrider.start() : postrider.connect())
    },
    stop: () => postrider.stop(),
  }
  const serverPart: Lifecycle = {
    async start() {
      server = createServer({ ...config, postrider, oidc: oidcOf(config), logger: log })
      url = (await server.start()).url
    },
    stop: () => server.stop(),
  }
  const probesPart: Lifecycle = {
    async start() {
      const { host, metricsPort } = config
      probes = createProbeServer({ postrider, host, port: metricsPort!, logger: log })
      probesUrl = await probes.start().then(
        ({ url: probed }) => probed,
        (error: unknown) => Promise.reject(portTaken(error, `${host}:${metricsPort}`)),
      )
    },
    stop: () => probes.stop(),
  }
  const hasProbes = !parts.api && config.metricsPort !== null

  return {
    ...inOrder([
      databasePart,
      schemaPart,
      enginePart,
      ...(parts.api ? [serverPart] : []),
      ...(hasProbes ? [probesPart] : []),
    ]),
    running: () => ({ connectionString: database.connectionString, postrider, url, probesUrl }),
  }
}

function portTaken(error: unknown, place: string): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') return error
  const message = `${place} is in use: stop what listens there, or set another POSTRIDER_METRICS_PORT`
  return new Failure(message, { exitCode: exitCodes.failed, cause: error })
}

function oidcOf(config: Config): OidcOptions | undefined {
  const { oidcIssuer, oidcClientId, oidcClientSecret, oidcAllowedDomains } = config
  if (oidcIssuer === null || oidcClientId === null || oidcClientSecret === null) return undefined
  return {
    issuer: oidcIssuer,
    clientId: oidcClientId,
    clientSecret: oidcClientSecret,
    allowedDomains: oidcAllowedDomains,
  }
}

async function migrateUp({ connectionString }: DatabaseInUse, log: Logger): Promise<void> {
  const database = new Database({ connectionString, maxConnections: 1 })
  try {
    await migrate(database, { direction: 'up', log: (message) => log.info({}, message) })
  } finally {
    await database.close()
  }
}
