import { type AddressPolicy, isWithin, notPublicBecause, parseAddress, parseRanges } from '../address.ts'

/**
 * The friendly check of a webhook's URL when it is saved. What it lets through is checked again, with
 * authority, by the connector at every send (`deliver/guard.ts`): names change what they resolve to.
 */

export const maxUrlLength = 2_048

export type UrlCheck = { ok: true; url: string } | { ok: false; message: string }

/**
 * The URL as it is stored (WHATWG form: punycode, no fragment), or what the user should change.
 *
 *     checkUrl('https://München.de/hooks#top', policy)  // { ok: true, url: 'https://xn--mnchen-3ya.de/hooks' }
 *     checkUrl('http://example.com', policy)            // { ok: false, message: 'use https: …' }
 */
export function checkUrl(text: string, policy: AddressPolicy): UrlCheck {
  if (text.length > maxUrlLength) return refused(`must be at most ${maxUrlLength} characters`)
  // The WHATWG parser drops these without a word, so that what is read is not what is sent to.
  if (/\p{Cc}/u.test(text)) return refused('must not contain line breaks, tabs or other control characters')
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url) return refused('must be a full URL, such as https://example.com/webhooks')
  const message = complaint(url, policy)
  if (message) return refused(message)
  url.hash = ''
  if (url.href.length > maxUrlLength)
    return refused(`must be at most ${maxUrlLength} characters when encoded`)
  return { ok: true, url: url.href }
}

/** Why a parsed URL may not be a webhook's, as far as the URL alone tells. */
function complaint(url: URL, policy: AddressPolicy): string | undefined {
  const scheme = url.protocol.slice(0, -1)
  if (scheme === 'http' && !policy.allowHttp) return 'use https: plain http is not allowed here'
  if (scheme !== 'http' && scheme !== 'https') return `use https: "${scheme}" URLs are not supported`
  if (url.username || url.password) return 'must not contain a user name or password: use headers instead'
  const host = hostOf(url)
  const port = portOf(url)
  if (port === 0) return 'port 0 is not a port to send to'
  const allowed = parseRanges(policy.allowPrivate)
  const address = parseAddress(host)
  if (address) {
    if (isWithin(address, allowed)) return undefined
    const why = notPublicBecause(address)
    if (why) return `private addresses are not allowed: ${host} is not public (${why})`
  } else {
    if (!isHostName(host)) return `"${host}" is not a valid host name`
    // Where private ranges are open, such a name may well lead into one: what it resolves to decides at send.
    if (isLocalName(host) && allowed.length > 0) return undefined
    if (isLocalName(host)) return `private addresses are not allowed: ${host} is a name inside a network`
  }
  if (!isWebPort(port))
    return `port ${port} is not allowed: use 80, 443 or a port from 1024 that serves the web`
  return undefined
}

/** The host of a URL without the brackets of an IPv6 address. */
export function hostOf(url: URL): string {
  return url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
}

export function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port)
  return url.protocol === 'https:' ? 443 : 80
}

/** A name that by its form can only mean something inside a network: `localhost`, `db`, `printer.local`. */
export function isLocalName(host: string): boolean {
  const labels = host.toLowerCase().replace(/\.$/, '').split('.')
  return labels.length === 1 || localSuffixes.some((suffix) => `.${labels.join('.')}`.endsWith(`.${suffix}`))
}

/** A port that plain web servers use; the rest belongs to other services, which an HTTP request could upset. */
export function isWebPort(port: number): boolean {
  return port === 80 || port === 443 || (port >= 1_024 && port <= 65_535 && !servicePorts.has(port))
}

function isHostName(host: string): boolean {
  const labels = host.replace(/\.$/, '').split('.')
  return host.length <= 254 && labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label))
}

function refused(message: string): UrlCheck {
  return { ok: false, message }
}

const localSuffixes = [
  'localhost',
  'localdomain',
  'local',
  'internal',
  'intranet',
  'private',
  'corp',
  'home',
  'lan',
  'home.arpa',
]

/** Databases, queues, remote consoles and the like, and the bad ports of the Fetch standard (§ 2.9) from 1024. */
const servicePorts = new Set([
  1_433, 1_434, 1_521, 1_719, 1_720, 1_723, 2_049, 2_181, 2_375, 2_376, 2_379, 2_380, 3_306, 3_389, 3_659,
  4_045, 4_190, 4_369, 5_060, 5_061, 5_432, 5_433, 5_672, 5_900, 5_984, 5_985, 5_986, 6_000, 6_379, 6_380,
  6_432, 6_566, 6_665, 6_666, 6_667, 6_668, 6_669, 6_679, 6_697, 9_042, 9_092, 9_160, 9_200, 9_300, 10_080,
  10_250, 11_211, 15_672, 26_379, 27_017, 27_018, 27_019,
])
