import ipaddr from 'ipaddr.js'

/**
 * Which addresses are public. Everything here works on bytes and fails closed: what cannot be parsed, or is not
 * known to be public, is not. The libraries' own range names are not used: they call `168.63.129.16`,
 * `::127.0.0.1` and `4000::1` ordinary.
 */

/** What the address guard lets through beyond https to public addresses. */
export interface AddressPolicy {
  /** Plain http URLs too. */
  allowHttp: boolean
  /** CIDRs that may be reached although they are not public, such as `10.0.0.0/8`. */
  allowPrivate: readonly string[]
}

/** Four bytes of IPv4 or sixteen of IPv6; an IPv4 address inside IPv6 (`::ffff:8.8.8.8`) is the IPv4 one. */
export type AddressBytes = readonly number[]

export interface AddressRange {
  bytes: AddressBytes
  prefixBits: number
}

/** The bytes of an address in its ordinary spelling, or `undefined`; a zone (`fe80::1%eth0`) is no address. */
export function parseAddress(text: string): AddressBytes | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text).octets
  if (!text.includes(':') || text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined
  const address = ipaddr.IPv6.parse(text)
  return address.isIPv4MappedAddress() ? address.toIPv4Address().octets : address.toByteArray()
}

/** One CIDR, or one address by itself. Throws a `RangeError` that names what is wrong. */
export function parseRange(cidr: string): AddressRange {
  const [text = '', prefix, ...rest] = cidr.trim().split('/')
  const bytes = parseAddress(text)
  if (!bytes || rest.length > 0)
    throw new RangeError(`"${cidr}" is not a CIDR such as 10.0.0.0/8 or fd00::/8`)
  // The prefix of ::ffff:10.0.0.0/104 counts the 96 bits that were taken off.
  const unwrappedBits = text.includes(':') && bytes.length === 4 ? 96 : 0
  const widthBits = bytes.length * 8
  const prefixBits =
    prefix === undefined ? widthBits : /^\d{1,3}$/.test(prefix) ? Number(prefix) - unwrappedBits : -1
  if (prefixBits < 0 || prefixBits > widthBits) {
    throw new RangeError(`"${cidr}" is not a CIDR: the prefix is out of range`)
  }
  return { bytes, prefixBits }
}

export function parseRanges(cidrs: readonly string[]): AddressRange[] {
  return cidrs.map(parseRange)
}

export function isWithin(address: AddressBytes, ranges: readonly AddressRange[]): boolean {
  return ranges.some((range) => contains(range, address))
}

/** Why an address is not public, in words (`loopback`, `private network`), or `undefined` for a public one. */
export function notPublicBecause(address: AddressBytes): string | undefined {
  const special = specialRanges.find(({ range }) => contains(range, address))
  if (special) return special.what
  // IANA has given out nothing but 2000::/3 for global unicast.
  if (address.length === 16 && !contains(globalUnicast, address)) return 'reserved'
  return undefined
}

function contains({ bytes, prefixBits }: AddressRange, address: AddressBytes): boolean {
  if (bytes.length !== address.length) return false
  for (let bit = 0; bit < prefixBits; bit += 8) {
    const mask = prefixBits - bit >= 8 ? 0xff : (0xff00 >> (prefixBits - bit)) & 0xff
    if (((bytes[bit / 8]! ^ address[bit / 8]!) & mask) !== 0) return false
  }
  return true
}

const globalUnicast = parseRange('2000::/3')

/** The special-purpose registries of IANA (RFC 6890 and what was added since), and what clouds keep for themselves. */
const specialRanges = [
  ['0.0.0.0/8', 'this host'],
  ['10.0.0.0/8', 'private network'],
  ['100.64.0.0/10', 'carrier network'],
  ['127.0.0.0/8', 'loopback'],
  ['168.63.129.16/32', 'cloud metadata'],
  ['169.254.0.0/16', 'link-local, cloud metadata'],
  ['172.16.0.0/12', 'private network'],
  ['192.0.0.0/24', 'reserved'],
  ['192.0.2.0/24', 'documentation'],
  ['192.88.99.0/24', 'relay'],
  ['192.168.0.0/16', 'private network'],
  ['198.18.0.0/15', 'benchmarking'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
  ['::/128', 'this host'],
  ['::1/128', 'loopback'],
  ['::/96', 'IPv4 inside IPv6'],
  ['::ffff:0:0:0/96', 'IPv4 inside IPv6'],
  ['64:ff9b::/96', 'IPv4 inside IPv6'],
  ['64:ff9b:1::/48', 'IPv4 inside IPv6'],
  ['2001::/23', 'reserved'],
  ['2001:db8::/32', 'documentation'],
  ['2002::/16', 'IPv4 inside IPv6'],
  ['3fff::/20', 'documentation'],
  ['fc00::/7', 'private network'],
  ['fe80::/10', 'link-local'],
  ['fec0::/10', 'private network'],
  ['ff00::/8', 'multicast'],
].map(([cidr, what]) => ({ range: parseRange(cidr!), what: what! }))
