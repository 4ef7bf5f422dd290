import type { LookupAddress } from 'node:dns'
import { type AddressPolicy, isOpened, openRanges, parseAddress, refusedBecause } from '../address.ts'
import { portRule } from '../ports.ts'
import { isHostName, isLocalName } from '../registry/url.ts'
import { LookupError, nameResolver, type Resolver } from './resolve.ts'

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
 *
 * What its policy says is read once, when it is made: another policy is another guard, with connections of its own.
 */
export class Guard {
  readonly #allowHttp: boolean
  readonly #open: ReturnType<typeof openRanges>
  readonly #mayUsePort: ReturnType<typeof portRule>
  readonly #resolve: Resolver

  /** Throws a `RangeError` where the policy holds something that is no CIDR or no port. */
  constructor(policy: AddressPolicy, resolve?: Resolver) {
    this.#allowHttp = policy.allowHttp
    this.#open = openRanges(policy)
    this.#mayUsePort = portRule(policy)
    this.#resolve = resolve ?? nameResolver({ insideToo: this.#opensRanges })
  }

  /** All that can be said without a lookup, which is all that we say of a name that a proxy resolves. */
  admit(target: Target): void {
    const { protocol, hostname, port } = target
    if (protocol !== 'https:' && !(protocol === 'http:' && this.#allowHttp)) {
      throw new BlockedError(`blocked scheme ${protocol.replace(':', '')}`)
    }
    if (parseAddress(hostname)) this.check(hostname, target)
    else if (!isHostName(hostname) || (isLocalName(hostname) && !this.#opensRanges)) {
      throw new BlockedError(`blocked host ${hostname}`)
    }
    if (!this.#mayUsePort(port)) throw new BlockedError(`blocked port ${port}`)
  }

  /** The addresses of a target, all of them checked. Throws a `BlockedError` or a `LookupError`. */
  async addresses(target: Target): Promise<LookupAddress[]> {
    this.admit(target)
    const literal = parseAddress(target.hostname)
    const found = literal ? [toLookup(target.hostname, literal)] : await this.#lookup(target.hostname)
    for (const { address } of found) this.check(address, target)
    return found.slice(0, maxAddresses)
  }

  /** Throws a `BlockedError` unless a connection for `target` may lead to `address`. */
  check(address: string, { hostname }: Target): void {
    const bytes = parseAddress(address)
    if (!bytes || refusedBecause(bytes, this.#open)) throw new BlockedError(`blocked address ${address}`)
    // A name inside a network that leads out of it is somebody else's by now.
    const isStray = isLocalName(hostname) && !parseAddress(hostname) && !isOpened(bytes, this.#open)
    if (isStray) throw new BlockedError(`blocked address ${address}`)
  }

  async #lookup(hostname: string): Promise<LookupAddress[]> {
    const found = await this.#resolve(hostname).catch((error: unknown) => {
      throw LookupError.from(error)
    })
    if (found.length === 0) throw new LookupError('ENODATA')
    // This machine has two loopback addresses, and opening 127.0.0.0/8 alone is common.
    const open = isLocalhost(hostname) ? found.filter(({ address }) => this.#isOpened(address)) : []
    return open.length > 0 ? open : found
  }

  get #opensRanges(): boolean {
    return this.#open.ranges.length > 0
  }

  #isOpened(address: string): boolean {
    const bytes = parseAddress(address)
    return bytes !== undefined && isOpened(bytes, this.#open)
  }
}

function toLookup(address: string, bytes: readonly number[]): LookupAddress {
  return bytes.length === 4 ? { address: bytes.join('.'), family: 4 } : { address, family: 6 }
}

function isLocalhost(hostname: string): boolean {
  return /^(.+\.)?localhost\.?$/i.test(hostname)
}
