import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'

/** Every address of a name, of both families; throws where there is none. */
export type Resolver = (hostname: string) => Promise<LookupAddress[]>

/**
 * The operating system's resolver, hosts file included. Nothing is cached, so that a change is seen by the next
 * connection; connections that open at the same moment share one lookup, because Node runs few at a time
 * (`UV_THREADPOOL_SIZE`) and a name whose servers are silent holds its place for seconds.
 */
export function systemResolver(): Resolver {
  const running = new Map<string, Promise<LookupAddress[]>>()
  return (hostname) => {
    const shared = running.get(hostname)
    if (shared) return shared
    const looked = lookup(hostname, { all: true, order: 'verbatim' }).finally(() => running.delete(hostname))
    running.set(hostname, looked)
    return looked
  }
}
