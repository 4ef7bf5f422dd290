/** An egress proxy: where every connection to a receiver is asked for with CONNECT. */
export interface ProxyServer {
  protocol: 'http:' | 'https:'
  /** A name, or an address without brackets. */
  hostname: string
  port: number
  /** The value of `Proxy-Authorization`, where the URL holds a user name or password. */
  authorization: string | undefined
}

/**
 * `http://proxy.internal:4750`, or `https://user:password@…`. Throws a `RangeError` otherwise, which does not repeat what
 * was given: it may hold a password.
 */
export function parseProxy(text: string): ProxyServer {
  const url = /\p{Cc}/u.test(text) ? null : URL.parse(text)
  const isPlain = url && /^https?:$/.test(url.protocol) && url.pathname === '/' && !url.search && !url.hash
  if (!isPlain || url.port === '0') throw new RangeError('the proxy is not a URL such as http://proxy:4750')
  const protocol = url.protocol === 'https:' ? 'https:' : 'http:'
  return {
    protocol,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (protocol === 'https:' ? 443 : 80) : Number(url.port),
    authorization: url.username || url.password ? basic(url) : undefined,
  }
}

function basic({ username, password }: URL): string {
  return `Basic ${Buffer.from(`${percentDecoded(username)}:${percentDecoded(password)}`).toString('base64')}`
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new RangeError('the user name or password of the proxy is not percent-encoded UTF-8')
  }
}
