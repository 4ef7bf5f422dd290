import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { type AddressInfo, isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import proxyAddr from 'proxy-addr'
import { createLifecycle } from '../lifecycle.ts'
import { type Logger, silentLogger } from '../log.ts'
import { type Api, createApi } from './api.ts'
import type { Engine } from './engine.ts'
import { nodeListener } from './node.ts'
import type { OidcOptions } from './oidc.ts'
import { createProbes } from './probe-api.ts'
import type { Probed } from './probes.ts'
import { createRateLimits, noRateLimits } from './rate-limit.ts'

export { type Api, type ApiOptions, createApi } from './api.ts'
export { toFastifyPlugin, toNodeHandler } from './node.ts'
export { createRateLimits } from './rate-limit.ts'

export interface ServerOptions {
  postrider: Engine
  adminKey: string | null
  /** 127.0.0.1 by default. */
  host?: string
  /** 8080 by default; 0 for any free one. */
  port?: number
  publicUrl?: string | null
  corsOrigins?: readonly string[]
  /** Where people log in by single sign-on. None by default. */
  oidc?: OidcOptions | undefined
  /** CIDRs, or `loopback`, `linklocal`, `uniquelocal`: proxies whose X-Forwarded-For is believed. None by default. */
  trustedProxies?: readonly string[]
  /** On by default. */
  rateLimit?: boolean
  logger?: Logger
}

export interface ApiServer {
  /** Resolves once it listens, with the URL by which this machine reaches it. */
  start(): Promise<{ url: string }>
  /** Takes no new connection, lets what is in flight finish, and closes. */
  stop(): Promise<void>
}

/** How long requests in flight may take to finish when it stops. */
const drainMs = 2_000

/** The API on a server of its own. */
export function createServer(options: ServerOptions): ApiServer {
  const { host = '127.0.0.1', port = 8080, logger = silentLogger } = options
  const api = createApi({
    engine: options.postrider,
    adminKey: options.adminKey,
    publicUrl: options.publicUrl ?? null,
    corsOrigins: options.corsOrigins ?? [],
    oidc: options.oidc,
    limits: (options.rateLimit ?? true) ? createRateLimits() : noRateLimits,
    addressOf: clientAddress(options.trustedProxies ?? []),
    logger,
  })
  return serverOf(api, { host, port })
}

export interface ProbeServerOptions {
  postrider: Probed
  /** 127.0.0.1 by default. */
  host?: string
  /** 0 for any free one. */
  port: number
  logger?: Logger
}

/** `/healthz`, `/readyz` and `/metrics` alone, for a process that sends deliveries and serves no API. */
export function createProbeServer(options: ProbeServerOptions): ApiServer {
  const { postrider, host = '127.0.0.1', port, logger = silentLogger } = options
  const probed = { ready: () => postrider.ready(), metrics: postrider.metrics }
  return serverOf(createProbes(probed, logger), { host, port })
}

function serverOf(api: Api, { host, port }: { host: string; port: number }): ApiServer {
  let server: Server
  const lifecycle = createLifecycle({
    async start() {
      server = httpServer(api)
      await listen(server, host, port)
    },
    stop: () => {
      api.endStreams()
      return drain(server)
    },
  })
  return {
    async start() {
      await lifecycle.start()
      return { url: urlOf(server.address() as AddressInfo) }
    },
    stop: () => lifecycle.stop(),
  }
}

function httpServer(api: Api): Server {
  const listener = nodeListener(api)
  const latestAnswers = new WeakMap<Duplex, ServerResponse>()
  const server = createHttpServer(
    {
      // Slow clients: 10 s for the headers, 60 s for the whole request.
      headersTimeout: 10_000,
      requestTimeout: 60_000,
      // Longer than the 60 s that load balancers keep idle connections for, or they would meet a closed one.
      keepAliveTimeout: 65_000,
      connectionsCheckingInterval: 5_000,
    },
    (incoming, outgoing) => {
      latestAnswers.set(incoming.socket, outgoing)
      void listener(incoming, outgoing)
    },
  )
  server.on('clientError', (error, socket) => {
    const answer = latestAnswers.get(socket)
    // What is broken came behind a whole request: that one is answered first, or it would be told the wrong thing.
    if (answer?.req.complete && !answer.writableFinished && !answer.destroyed) {
      answer.once('close', () => answerBrokenRequest(error, socket as Socket))
    } else answerBrokenRequest(error, socket as Socket)
  })
  return server
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Requests that came in are answered on connections that close after it; those that take too long are cut off. */
function drain(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const cutOff = setTimeout(() => server.closeAllConnections(), drainMs)
    const closeIdle = setInterval(() => server.closeIdleConnections(), 50)
    server.close(() => {
      clearTimeout(cutOff)
      clearInterval(closeIdle)
      resolve()
    })
    server.prependListener('request', (_incoming: IncomingMessage, outgoing: ServerResponse) => {
      outgoing.setHeader('connection', 'close')
    })
  })
}

/** What Node's parser refuses never becomes a request; it is told so in our form all the same. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, title] = brokenRequests[error.code ?? ''] ?? [400, 'Bad Request']
  const problem = JSON.stringify({ type: 'about:blank', title, status, code: 'bad_request', detail: title })
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(problem)}\r\nconnection: close\r\n\r\n${problem}`,
  )
}

const brokenRequests: Record<string, [number, string]> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
}

/**
 * The client's address: the last one in X-Forwarded-For that was not written by a trusted proxy. For `addressOf` of
 * `createApi`, where `toNodeHandler` or `toFastifyPlugin` hands over requests.
 */
export function clientAddress(trustedProxies: readonly string[]): (env: unknown) => string | undefined {
  const isTrusted = proxyAddr.compile([...trustedProxies])
  return (env) => {
    const { incoming } = env as { incoming?: IncomingMessage }
    return incoming && asAddress(proxyAddr(incoming, isTrusted))
  }
}

/** An address without the port that some proxies write after it; what is none is nobody's. */
function asAddress(text: string | undefined): string | undefined {
  const bare = text?.replace(/^\[(.*)\](:\d+)?$/, '$1').replace(/^([\d.]+):\d+$/, '$1')
  return bare !== undefined && isIP(bare) !== 0 ? bare : undefined
}

function urlOf({ address, family, port }: AddressInfo): string {
  if (address === '0.0.0.0') return `http://127.0.0.1:${port}`
  if (address === '::') return `http://[::1]:${port}`
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}
