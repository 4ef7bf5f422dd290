import ipaddr from 'ipaddr.js'

/**
 * Which addresses are public. Everything here works on bytes and fails closed: what cannot be parsed, or is not
 * known to be public, is not. The libraries' own range names are not used: they call `168.63.129.16`,
 * `::127.0.0.1` and `4000::1` ordinary.
 */

/** What the address guard lets through beyond https to public addresses. What is not named is not let through. */
export interface AddressPolicy {
  /** Plain http URLs too. */
  allowHttp: boolean
  /** CIDRs that may be reached although they are not public, such as `10.0.0.0/8`. */
  allowPrivate: readonly string[]
  /** `allowPrivate` opens link-local and cloud metadata addresses too; without it they stay shut, whatever that names. */
  allowLinkLocal?: boolean | undefined
  /** `web`, ports and ranges of ports, as in `ports.ts`; `web` by default. */
  allowPorts?: readonly string[] | undefined
  /** Ports that are refused whatever `allowPorts` says. */
  denyPorts?: readonly string[] | undefined
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

/** What a policy opens beyond public addresses. */
export interface OpenRanges {
  ranges: readonly AddressRange[]
  linkLocal: boolean
}

/** Throws a `RangeError` where the policy holds something that is no CIDR. */
export function openRanges({ allowPrivate, allowLinkLocal = false }: AddressPolicy): OpenRanges {
  return { ranges: parseRanges(allowPrivate), linkLocal: allowLinkLocal }
}

/**
 * Why an address may not be reached, in words, or `undefined` where it may. An open range that carries IPv4 inside
 * (`64:ff9b::/96`, behind which a NAT64 stands) opens only the IPv4 addresses that may be reached themselves.
 */
export function refusedBecause(address: AddressBytes, open: OpenRanges): string | undefined {
  if (!isWithin(address, open.ranges)) return notPublicBecause(address)
  if (!open.linkLocal && isWithin(address, linkLocalRanges)) return 'link-local, cloud metadata'
  const inner = embeddedIPv4(address)
  return inner && refusedBecause(inner, open)
}

/** Whether an address may be reached because the policy opens its range. */
export function isOpened(address: AddressBytes, open: OpenRanges): boolean {
  return isWithin(address, open.ranges) && refusedBecause(address, open) === undefined
}

/** Why an address is not public, in words (`loopback`, `private network`), or `undefined` for a public one. */
export function notPublicBecause(address: AddressBytes): string | undefined {
  const special = specialRanges.find(({ range }) => contains(range, address))
  if (special) return special.what
  if (isIsatap(address)) return 'IPv4 inside IPv6'
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

/** The IPv4 address that an IPv6 one stands for, where it is one of those that do. */
function embeddedIPv4(address: AddressBytes): AddressBytes | undefined {
  if (address.length === 4) return undefined
  if (isIsatap(address)) return address.slice(12)
  const carrier = carriers.find(({ range }) => contains(range, address))
  return carrier?.ipv4(address)
}

/** An interface identifier that ends in an IPv4 address (RFC 5214 § 6.1), behind whatever prefix. */
function isIsatap(address: AddressBytes): boolean {
  const [first, ...rest] = address.slice(8, 12)
  return (first === 0x00 || first === 0x02) && rest.join() === '0,94,254'
}

const lastBytes = (address: AddressBytes): AddressBytes => address.slice(12)

/** Where IPv6 addresses hold an IPv4 one. That of `::ffff:0:0/96` was taken out when it was parsed. */
const carriers: readonly {
  range: AddressRange
  ipv4: (address: AddressBytes) => AddressBytes | undefined
}[] = [
  // But for `::` and `::1`, which are no IPv4.
  {
    range: parseRange('::/96'),
    ipv4: (address) => (address.slice(12, 15).some((byte) => byte > 0) ? lastBytes(address) : undefined),
  },
  { range: parseRange('::ffff:0:0:0/96'), ipv4: lastBytes },
  { range: parseRange('64:ff9b::/96'), ipv4: lastBytes },
  { range: parseRange('64:ff9b:1::/48'), ipv4: lastBytes },
  { range: parseRange('2002::/16'), ipv4: (address) => address.slice(2, 6) },
  // Teredo (RFC 4380 § 4) writes it upside down.
  { range: parseRange('2001::/32'), ipv4: (address) => lastBytes(address).map((byte) => byte ^ 0xff) },
]

const globalUnicast = parseRange('2000::/3')

/** Reached by whoever stands on the same link, and where clouds keep credentials: of AWS, Azure, Alibaba, Oracle, Google, Scaleway. */
const linkLocalRanges = parseRanges([
  '169.254.0.0/16',
  '168.63.129.16/32',
  '100.100.100.200/32',
  '192.0.0.192/32',
  'fe80::/10',
  'fd00:ec2::/32',
  'fd20:ce::254/128',
  'fd00:42::42/128',
])

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
