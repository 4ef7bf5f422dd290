import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net'
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls'
import type { ProxyServer } from '../proxy.ts'
import { describeFailure } from './failure.ts'
import type { Guard, Target } from './guard.ts'
import { askForTunnel, ProxyError } from './tunnel.ts'

export interface OpenOptions {
  guard: Guard
  /** Everything goes through it; it, not the guard, checks where names lead. */
  proxy?: ProxyServer | undefined
  /** Which certificates to trust; one for all, since making it takes a millisecond. */
  secureContext: SecureContext
}

/** Sees each socket as it is made, so that it can be destroyed at any moment; throws when it is too late for another. */
export type Keep = <Kept extends Socket>(make: () => Kept) => Kept

/** A connection to the target that its request can be written to: through the guard, the proxy and TLS. */
export async function open(target: Target, options: OpenOptions, keep: Keep): Promise<Socket> {
  const socket = options.proxy
    ? await openTunnel(target, { ...options, proxy: options.proxy }, keep)
    : await openDirectly(target, options, keep)
  return target.protocol === 'https:' ? secure(socket, target.hostname, { ...options, keep }) : socket
}

async function openDirectly(target: Target, { guard }: OpenOptions, keep: Keep): Promise<Socket> {
  const addresses = await guard.addresses(target)
  // Only what was checked: nothing is resolved a second time.
  const lookup: LookupFunction = (_hostname, { all }, found) => {
    if (all) found(null, addresses)
    else found(null, addresses[0]!.address, addresses[0]!.family)
  }
  const socket = keep(() =>
    connectTcp({
      ...connecting,
      host: target.hostname,
      port: target.port,
      lookup,
      autoSelectFamily: addresses.length > 1,
    }),
  )
  await opened(socket, 'connect')
  guard.check(socket.remoteAddress ?? '', target)
  return socket
}

async function openTunnel(
  target: Target,
  { guard, proxy, secureContext }: OpenOptions & { proxy: ProxyServer },
  keep: Keep,
): Promise<Socket> {
  guard.admit(target)
  const socket = await reachProxy(proxy, { secureContext, keep })
  await askForTunnel(socket, proxy, target)
  return socket
}

async function reachProxy(
  { protocol, hostname, port }: ProxyServer,
  { secureContext, keep }: { secureContext: SecureContext; keep: Keep },
): Promise<Socket> {
  try {
    const socket = keep(() => connectTcp({ ...connecting, host: hostname, port }))
    await opened(socket, 'connect')
    return protocol === 'https:' ? await secure(socket, hostname, { secureContext, keep }) : socket
  } catch (error) {
    const { error: words } = describeFailure(error, 'nothing')
    throw new ProxyError(`proxy: ${words}`, { cause: error })
  }
}

async function secure(
  socket: Socket,
  hostname: string,
  { secureContext, keep }: { secureContext: SecureContext; keep: Keep },
): Promise<TLSSocket> {
  const secured = keep(() =>
    connectTls({
      socket,
      // The certificate is for the host of the URL; an address is no server name (RFC 6066 § 3).
      host: hostname,
      servername: isIP(hostname) ? '' : hostname.replace(/\.$/, ''),
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: true,
      secureContext,
    }),
  )
  await opened(secured, 'secureConnect')
  return secured
}

const connecting = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }

function opened(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve)
    socket.once('error', reject)
    socket.once('close', () =>
      reject(Object.assign(new Error('closed while connecting'), { code: 'ECONNRESET' })),
    )
  })
}
