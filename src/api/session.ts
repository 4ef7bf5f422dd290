import { timingSafeEqual } from 'node:crypto'
import { PostriderError } from '../contract/errors.ts'
import { type OpenSession, wholeDays } from '../registry/sessions.ts'
import { csrfTokenOf, hashOfToken } from '../registry/token.ts'
import type { Gate } from './gate.ts'
import { cookie, homeOf, readCookie, type Site } from './site.ts'

const cookieName = 'postrider_session'
/** As long as a session can last at most. */
const cookieSeconds = wholeDays * 86_400
const tokenForm = /^[A-Za-z0-9_-]{43}$/

export interface UsedSession extends OpenSession {
  token: string
}

/**
 * Whose session the cookie opens, with the role in `projectId`. Where a key is sent, too, the cookie is nothing.
 *
 * @throws {PostriderError} `unauthorized` for a session that has ended, or never was
 */
export async function readSession(
  gate: Gate,
  request: Request,
  { address, projectId }: { address: string; projectId?: string | undefined },
): Promise<UsedSession | undefined> {
  const token = sessionToken(gate.site, request)
  if (token === undefined) return undefined
  const { engine, adminKeyHash, limits } = gate
  const tokenHash = hashOfToken(token).toString('base64')
  if (tokenForm.test(token)) {
    limits.call(tokenHash, address)
    const session = await engine.sessions.authenticate(token, { projectId, adminKeyHash })
    if (session) {
      limits.known(tokenHash)
      return { ...session, token }
    }
  }
  limits.refused(tokenHash, address)
  throw new PostriderError('unauthorized', 'This session has ended: log in again.')
}

function sessionToken(site: Site, request: Request): string | undefined {
  if (request.headers.has('authorization')) return undefined
  return readCookie(homeOf(site, request), request, { name: cookieName })
}

export function sessionCookie(site: Site, request: Request, token: string): string {
  const home = homeOf(site, request)
  return cookie(home, { name: cookieName, value: token, maxAgeSeconds: cookieSeconds })
}

export function noSessionCookie(site: Site, request: Request): string {
  return cookie(homeOf(site, request), { name: cookieName, value: '', maxAgeSeconds: 0 })
}

/** A call that changes something must come from our own pages, which alone know the token of the header. */
export function requireOwnPage(site: Site, request: Request, token: string): void {
  if (request.method === 'GET' || request.method === 'HEAD') return
  if (!request.headers.has('origin')) {
    throw new PostriderError('forbidden', 'A call with a session that changes something needs an Origin.')
  }
  refuseOtherOrigins(site, request)
  const given = Buffer.from(request.headers.get('x-csrf-token') ?? '')
  const expected = Buffer.from(csrfTokenOf(token))
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new PostriderError(
      'forbidden',
      'A call with a session that changes something needs its csrf_token in the header x-csrf-token.',
    )
  }
}

/** For what works without a session, too: a page of others logs nobody in. What is no browser sends neither. */
export function refuseOtherOrigins({ publicUrl }: Site, request: Request): void {
  const origin = request.headers.get('origin')
  const fetchSite = request.headers.get('sec-fetch-site')
  const isFromElsewhere = fetchSite === 'cross-site' || fetchSite === 'same-site'
  if (!isFromElsewhere && (origin === null || isOwnOrigin(origin, publicUrl, request))) return
  throw new PostriderError('forbidden', 'A page of another origin may not make this call.')
}

/** Behind a proxy that speaks TLS the scheme of a request is not the browser's: its host is, and only ours has it. */
function isOwnOrigin(origin: string, publicUrl: string | null, request: Request): boolean {
  if (publicUrl !== null && new URL(publicUrl).origin === origin) return true
  return URL.parse(origin)?.host === new URL(request.url).host
}
