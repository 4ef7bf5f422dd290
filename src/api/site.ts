/** Where browsers reach this, as far as it is known. */
export interface Site {
  publicUrl: string | null
  /** In front of every path of a request: `/webhooks`, or nothing. */
  basePath: string
}

/** The address of the first page, without a slash at its end: as it is known by, else as it was just asked for. */
export function homeOf({ publicUrl, basePath }: Site, request: Request): string {
  return publicUrl ?? `${new URL(request.url).origin}${basePath}`
}

/** What a link opens stands behind the `#`: that part goes to no server, and so into no log on the way. */
export function linkOf(home: string, page: 'setup' | 'invitation', token: string): string {
  return `${home}/${page}#token=${token}`
}

interface CookieOptions {
  name: string
  value: string
  /** Under `home`; none is the whole of it. */
  path?: string
  /** Without it, the cookie ends with the browser; 0 removes it. */
  maxAgeSeconds: number
}

/** For scripts not to be seen, for other sites' requests not to be sent, and over https never to be sent without. */
export function cookie(home: string, { name, value, path = '', maxAgeSeconds }: CookieOptions): string {
  const { pathname } = new URL(home)
  const attributes = [
    `${cookieName(home, name, path)}=${value}`,
    `Path=${pathname.replace(/\/$/, '') + path || '/'}`,
    `Max-Age=${maxAgeSeconds}`,
    'HttpOnly',
    'SameSite=Lax',
    ...(isSecure(home) ? ['Secure'] : []),
  ]
  return attributes.join('; ')
}

export function readCookie(
  home: string,
  request: Request,
  { name, path = '' }: { name: string; path?: string },
): string | undefined {
  const wanted = `${cookieName(home, name, path)}=`
  return (request.headers.get('cookie') ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith(wanted))
    ?.slice(wanted.length)
}

/** The prefixes keep other hosts of the same domain from setting it (RFC 6265bis, 4.1.3). */
function cookieName(home: string, name: string, path: string): string {
  if (!isSecure(home)) return name
  return new URL(home).pathname === '/' && path === '' ? `__Host-${name}` : `__Secure-${name}`
}

function isSecure(home: string): boolean {
  return home.startsWith('https:')
}
