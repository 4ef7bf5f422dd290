import type { LookupAddress } from 'node:dns'
import { type AddressPolicy, isWithin, notPublicBecause, parseAddress, parseRanges } from '../address.ts'
import { isLocalName, isWebPort } from '../registry/url.ts'
import { systemResolver, type Resolver } from './resolve.ts'

/** The target is not one that this deployment may send to; `message` is the words for the history. */
export class BlockedError extends Error {
  override readonly name = 'BlockedError'
}

export interface Target {
  /** `http:` or `https:`. */
  protocol: string
  /** A name, or an address without brackets. */
  hostname: string
  port: number
}

/** More addresses than this of one name are not tried: the deadline would be over long before. */
const maxAddresses = 8

/**
 * The authority on where a connection may go: asked for the addresses before connecting, and about the
 * connected one before a byte is written. One record of a name that is not allowed refuses the name: a
 * resolver that mixes public and private answers is an attack or a mistake.
 */
export class Guard {
  readonly #allowHttp: boolean
  readonly #allowed: ReturnType<typeof parseRanges>
  readonly #resolve: Resolver

  constructor(policy: AddressPolicy, resolve: Resolver = systemResolver()) {
    this.#allowHttp = policy.allowHttp
    this.#allowed = parseRanges(policy.allowPrivate)
    this.#resolve = resolve
  }

  /** The addresses of a target, all of them checked. Throws a `BlockedError`, or the resolver's error. */
  async addresses(target: Target): Promise<LookupAddress[]> {
    if (target.protocol !== 'https:' && !(target.protocol === 'http:' && this.#allowHttp)) {
      throw new BlockedError(`blocked scheme ${target.protocol.replace(':', '')}`)
    }
    const literal = parseAddress(target.hostname)
    const found = literal ? [toLookup(target.hostname, literal)] : await this.#lookup(target.hostname)
    for (const { address } of found) this.check(address, target)
    return found.slice(0, maxAddresses)
  }

  /** Throws a `BlockedError` unless a connection for `target` may lead to `address`. */
  check(address: string, { hostname, port }: Target): void {
    const bytes = parseAddress(address)
    if (!bytes) throw new BlockedError(`blocked address ${address}`)
    if (port === 0) throw new BlockedError('blocked port 0')
    if (this.#isAllowed(address)) return
    const local = !parseAddress(hostname) && isLocalName(hostname)
    if (local || notPublicBecause(bytes)) throw new BlockedError(`blocked address ${address}`)
    if (!isWebPort(port)) throw new BlockedError(`blocked port ${port}`)
  }

  async #lookup(hostname: string): Promise<LookupAddress[]> {
    if (isLocalName(hostname) && this.#allowed.length === 0)
      throw new BlockedError(`blocked host ${hostname}`)
    const found = await this.#resolve(hostname)
    if (found.length === 0) throw Object.assign(new Error('no address'), { code: 'ENOTFOUND' })
    // This machine has two loopback addresses, and opening 127.0.0.0/8 alone is common.
    const open = isLocalhost(hostname) ? found.filter(({ address }) => this.#isAllowed(address)) : []
    return open.length > 0 ? open : found
  }

  #isAllowed(address: string): boolean {
    const bytes = parseAddress(address)
    return bytes !== undefined && isWithin(bytes, this.#allowed)
  }
}

function toLookup(address: string, bytes: readonly number[]): LookupAddress {
  return bytes.length === 4 ? { address: bytes.join('.'), family: 4 } : { address, family: 6 }
}

function isLocalhost(hostname: string): boolean {
  return /^(.+\.)?localhost\.?$/i.test(hostname)
}
