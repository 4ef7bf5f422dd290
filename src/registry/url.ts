import { type AddressPolicy, openRanges, parseAddress, refusedBecause } from '../address.ts'
import { portRule } from '../ports.ts'

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
  if (hasControls(text)) return refused('must not contain line breaks, tabs or other control characters')
  const url = URL.parse(text)
  if (!url) return refused('must be a full URL, such as https://example.com/webhooks')
  const message = complaint(url, policy)
  if (message) return refused(message)
  url.hash = ''
  if (url.href.length > maxUrlLength)
    return refused(`must be at most ${maxUrlLength} characters when encoded`)
  return { ok: true, url: url.href }
}

/** The same from a row that somebody may have written past that check: what could be read in two ways is no URL. */
export function readUrl(text: string): URL | null {
  const url = hasControls(text) ? null : URL.parse(text)
  return url && !url.username && !url.password ? url : null
}

/** The WHATWG parser drops some of these without a word, so that what is read is not what is sent to. */
function hasControls(text: string): boolean {
  return /\p{Cc}/u.test(text)
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
  const open = openRanges(policy)
  const address = parseAddress(host)
  if (address) {
    const why = refusedBecause(address, open)
    if (why) return `private addresses are not allowed: ${host} is not public (${why})`
  } else {
    if (!isHostName(host)) return `"${host}" is not a valid host name`
    // Where private ranges are open, such a name may well lead into one: what it resolves to decides at send.
    if (isLocalName(host) && open.ranges.length === 0)
      return `private addresses are not allowed: ${host} is a name inside a network`
  }
  if (!portRule(policy)(port)) return `port ${port} is not allowed: ${whichPorts(policy)}`
  return undefined
}

function whichPorts({ allowPorts = ['web'] }: AddressPolicy): string {
  const named = allowPorts.filter((ports) => ports !== 'web')
  const web = allowPorts.includes('web') ? ['80, 443 or a port from 1024 that serves the web'] : []
  return `use ${[...named, ...web].join(', ')}`
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

/** What could stand in the DNS: labels of letters, digits, `-` and `_`, with or without the dot at the end. */
export function isHostName(host: string): boolean {
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
