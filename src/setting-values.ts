import { isIP } from 'node:net'
import { parseRange } from './address.ts'
import { parsePorts } from './ports.ts'
import { parseProxy } from './proxy.ts'

/**
 * What may be written for a setting. Each parser takes the trimmed text and answers the value,
 * or throws an `InvalidValue` that goes on from the setting's name: "must be a whole number from 5 to 300".
 * The text itself is never part of that sentence: it may be a secret.
 */
export class InvalidValue extends Error {}

export function wholeNumber(min: number, max: number) {
  return (text: string): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN
    if (!(value >= min && value <= max)) {
      throw new InvalidValue(`must be a whole number from ${min} to ${max}`)
    }
    return value
  }
}

export function oneOf<const Choice extends string>(choices: readonly Choice[]) {
  return (text: string): Choice => {
    const choice = choices.find((candidate) => candidate === text.toLowerCase())
    if (choice === undefined) throw new InvalidValue(`must be one of ${choices.join(', ')}`)
    return choice
  }
}

export function trueOrFalse(text: string): boolean {
  if (['true', 'on', 'yes', '1'].includes(text.toLowerCase())) return true
  if (['false', 'off', 'no', '0'].includes(text.toLowerCase())) return false
  throw new InvalidValue('must be true or false')
}

export function onOrOff(text: string): boolean {
  try {
    return trueOrFalse(text)
  } catch {
    throw new InvalidValue('must be on or off')
  }
}

export function listOf<Item>(parseItem: (text: string) => Item) {
  return (text: string): Item[] =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
      .map(parseItem)
}

export function path(text: string): string {
  if (text.includes('\0')) throw new InvalidValue('must be a path')
  return text
}

export function host(text: string): string {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  if (isIP(bare) === 0 && !/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i.test(bare)) {
    throw new InvalidValue('must be an address or a host name without a port, such as 127.0.0.1 or 0.0.0.0')
  }
  return bare
}

export function connectionUrl(text: string): string {
  if (!/^postgres(ql)?:\/\/\S+$/.test(text)) {
    throw new InvalidValue('must be a PostgreSQL URL such as postgresql://user:password@host:5432/database')
  }
  return text
}

/** An address the world knows us by, without a slash at its end, so that paths can be added. */
export function webUrl(text: string): string {
  const url = URL.parse(text)
  const isPlain = url && /^https?:$/.test(url.protocol) && !url.username && !url.search && !url.hash
  if (!isPlain) throw new InvalidValue('must be a web address such as https://postrider.example.com')
  return url.href.replace(/\/+$/, '')
}

export function origin(text: string): string {
  if (text === '*') return text
  const url = URL.parse(text)
  if (!url || !/^https?:$/.test(url.protocol) || url.origin !== text.replace(/\/$/, '')) {
    throw new InvalidValue('must be * or comma-separated origins such as https://app.example.com')
  }
  return url.origin
}

/** A range of addresses, `10.0.0.0/8`, or a single address. */
export function cidr(text: string): string {
  if (!isRange(text)) throw new InvalidValue('must be comma-separated CIDRs such as 127.0.0.0/8,fd00::/8')
  return text
}

const proxyNames = ['loopback', 'linklocal', 'uniquelocal']

export function proxy(text: string): string {
  if (proxyNames.includes(text)) return text
  if (!isRange(text)) {
    throw new InvalidValue(`must be comma-separated CIDRs or any of ${proxyNames.join(', ')}`)
  }
  if (parseRange(text).prefixBits === 0) {
    throw new InvalidValue('must not be everyone: whoever is believed can say to be anybody')
  }
  return text
}

function isRange(text: string): boolean {
  try {
    parseRange(text)
    return true
  } catch {
    return false
  }
}

/** `web`, a port, or a range of them; see `ports.ts`. */
export function ports(text: string): string {
  try {
    parsePorts(text)
    return text
  } catch {
    throw new InvalidValue('must be comma-separated ports, ranges or the word web, such as web,444,8000-8100')
  }
}

export function egressProxy(text: string): string {
  try {
    parseProxy(text)
    return text
  } catch {
    throw new InvalidValue('must be a URL such as http://proxy:4750 or https://user:password@proxy:8443')
  }
}

/** What a provider calls itself: as it stands there, since it is compared letter by letter. */
export function issuer(text: string): string {
  const url = URL.parse(text)
  const isLocal = url && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  const isPlain = url && !url.username && !url.search && !url.hash
  if (!isPlain || !(url.protocol === 'https:' || (url.protocol === 'http:' && isLocal))) {
    throw new InvalidValue('must be an https address such as https://accounts.example.com')
  }
  return text
}

/** Goes into a header as it stands, such as `Authorization`. */
export function oneWord(text: string): string {
  if (!/^[\x21-\x7e]+$/.test(text)) throw new InvalidValue('must be one word of visible ASCII characters')
  return text
}

export function mailDomain(text: string): string {
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)*$/i.test(text)) {
    throw new InvalidValue('must be comma-separated domains such as example.com')
  }
  return text.toLowerCase()
}

export function nameOrId(text: string): string {
  if (text.length > 255) throw new InvalidValue('must be an id or a name of at most 255 characters')
  return text
}

/** A key of AES-256 and the name that stands in front of what it encrypted. */
export interface EncryptionKey {
  id: string
  key: Buffer
}

/** `id:base64 of 32 bytes`, comma-separated, newest first; base64 in either alphabet. */
export function encryptionKeys(text: string): EncryptionKey[] {
  const keys = text.split(',').map((entry, index, entries) => {
    const [, id, base64] = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/_-]{43}=?)$/.exec(entry.trim()) ?? []
    if (id === undefined || base64 === undefined) {
      const which = entries.length > 1 ? `, and entry ${index + 1} is not` : ''
      throw new InvalidValue(`must be id:base64 of 32 bytes, comma-separated, newest first${which}`)
    }
    return { id, key: Buffer.from(base64, 'base64') }
  })
  keys.forEach(({ id }, index) => {
    const first = keys.findIndex((key) => key.id === id)
    if (first !== index) {
      throw new InvalidValue(`must have distinct ids, and entries ${first + 1} and ${index + 1} share one`)
    }
  })
  return keys
}
