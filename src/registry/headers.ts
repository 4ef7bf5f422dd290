/** The rules for a webhook's own headers: they are added to every request and never replace what Postrider sends. */

export const maxHeaders = 32
/** Names and values together, in bytes. */
export const maxHeadersSize = 4_096

/** What is wrong with one header, or, without a name, with all of them together. */
export interface HeaderComplaint {
  name?: string
  message: string
}

/** Everything that is wrong with a webhook's headers; an empty list is none. */
export function checkHeaders(headers: Readonly<Record<string, unknown>>): HeaderComplaint[] {
  const complaints: HeaderComplaint[] = []
  const seen = new Map<string, string>()
  let size = 0
  for (const [name, value] of Object.entries(headers)) {
    const message =
      nameComplaint(name) ?? sameNameComplaint(seen.get(name.toLowerCase())) ?? valueComplaint(value)
    if (message) complaints.push({ name, message })
    seen.set(name.toLowerCase(), name)
    size += name.length + (typeof value === 'string' ? value.length : 0)
  }
  if (seen.size > maxHeaders) complaints.push({ message: `at most ${maxHeaders} headers are allowed` })
  if (size > maxHeadersSize)
    complaints.push({ message: `names and values must be at most ${maxHeadersSize} bytes` })
  return complaints
}

function nameComplaint(name: string): string | undefined {
  // No object of headers can be made to hold it on the way to the request.
  if (name === '__proto__') return 'is not a valid header name'
  // A token of RFC 9110 § 5.6.2.
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) return 'is not a valid header name'
  if (isReserved(name)) return 'is set by Postrider or the connection and cannot be replaced'
  return undefined
}

function sameNameComplaint(earlier: string | undefined): string | undefined {
  return earlier === undefined ? undefined : `is the same header as "${earlier}": names do not differ by case`
}

function valueComplaint(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'must be a string'
  if (/[\r\n\0]/.test(value)) return 'must not contain line breaks or NUL'
  if (!/^[\t\x20-\x7e]*$/.test(value)) return 'must be printable ASCII'
  if (value !== value.trim()) return 'must not begin or end with white space'
  return undefined
}

function isReserved(name: string): boolean {
  // CGI, WSGI and their kind read `webhook_id` as `webhook-id`.
  const lower = name.toLowerCase().replaceAll('_', '-')
  return reservedNames.has(lower) || reservedPrefixes.some((prefix) => lower.startsWith(prefix))
}

/** Hop-by-hop, length and routing headers, and what the runtime or the transport speaks for itself. */
const reservedNames = new Set([
  'host',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'trailers',
  'upgrade',
  'expect',
  'accept-encoding',
  'cookie',
  'user-agent',
  'forwarded',
  'via',
  'http2-settings',
])

const reservedPrefixes = ['content-', 'proxy-', 'webhook-', 'postrider-', 'x-forwarded-']
