import type { LookupAddress } from 'node:dns'
import { lookup, Resolver as DnsResolver } from 'node:dns/promises'
import { isLocalName } from '../registry/url.ts'
import { hostsFile } from './hosts-file.ts'

/** Every address of a name, of both families; throws where there is none. */
export type Resolver = (hostname: string) => Promise<LookupAddress[]>

/** A name has no address, or could not be looked up; `code` as Node has it, such as `ENOTFOUND` or `ESERVFAIL`. */
export class LookupError extends Error {
  override readonly name = 'LookupError'
  readonly code: string

  constructor(code: string, options?: ErrorOptions) {
    super(`lookup failed: ${code}`, options)
    this.code = code
  }

  get isNotFound(): boolean {
    return this.code === 'ENOTFOUND' || this.code === 'ENODATA'
  }

  static from(error: unknown): LookupError {
    if (error instanceof LookupError) return error
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    return new LookupError(typeof code === 'string' ? code : 'EUNKNOWN', { cause: error })
  }
}

export interface ResolverOptions {
  /** Also names that only this machine's system can complete: single labels, search domains. False by default. */
  insideToo?: boolean
  /** `address:port` of DNS servers, in place of the system's. */
  servers?: readonly string[]
}

/**
 * Names as the hosts file and the DNS have them, asked for anew each time: a change is seen by the next connection, and
 * only connections that open at the same moment share a lookup.
 *
 * The system's own resolver is asked for names inside a network alone. Node runs two of its lookups at a time, and one
 * whose servers are silent holds its place for many seconds: two such names of anyone's would stop everybody's
 * deliveries.
 */
export function nameResolver({ insideToo = false, servers }: ResolverOptions = {}): Resolver {
  return sharing(async (hostname) => {
    const written = await hostsFile.addresses(hostname)
    if (written.length > 0) return written
    if (insideToo && isLocalName(hostname)) return systemLookup(hostname)
    try {
      return await dnsLookup(hostname, servers)
    } catch (error) {
      // It may be the beginning of a name: `receiver.shop` is `receiver.shop.svc.cluster.local` in Kubernetes.
      if (insideToo && error instanceof LookupError && error.isNotFound) return systemLookup(hostname)
      throw error
    }
  })
}

function sharing(resolve: Resolver): Resolver {
  const running = new Map<string, Promise<LookupAddress[]>>()
  return (hostname) => {
    const shared = running.get(hostname)
    if (shared) return shared
    const looked = resolve(hostname).finally(() => running.delete(hostname))
    running.set(hostname, looked)
    return looked
  }
}

async function systemLookup(hostname: string): Promise<LookupAddress[]> {
  try {
    return await lookup(hostname, { all: true, order: 'verbatim' })
  } catch (error) {
    throw LookupError.from(error)
  }
}

/** IPv4 first: where a machine has no way to IPv6 that is found out only by waiting. */
async function dnsLookup(hostname: string, servers?: readonly string[]): Promise<LookupAddress[]> {
  // A new one each time follows changes of /etc/resolv.conf, and costs 35 µs.
  const resolver = new DnsResolver({ timeout: 1_500, tries: 3, maxTimeout: 3_000 })
  if (servers) resolver.setServers(servers)
  const [ipv4, ipv6] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)])
  const found = [...addressesOf(ipv4, 4), ...addressesOf(ipv6, 6)]
  if (found.length > 0) return found
  const errors = [ipv4, ipv6].flatMap((each) =>
    each.status === 'rejected' ? [LookupError.from(each.reason)] : [],
  )
  // That a name has no AAAA says nothing while the servers for its A are silent.
  throw errors.find((error) => !error.isNotFound) ?? errors[0] ?? new LookupError('ENODATA')
}

function addressesOf(result: PromiseSettledResult<string[]>, family: 4 | 6): LookupAddress[] {
  return result.status === 'fulfilled' ? result.value.map((address) => ({ address, family })) : []
}
