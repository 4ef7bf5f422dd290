import * as oidc from 'openid-client'
import { notFound } from '../contract/errors.ts'
import { Email, Name } from '../contract/text.ts'
import { type LoginError, loginErrors } from '../contract/users.ts'
import { validate } from '../contract/validate.ts'
import type { Logger } from '../log.ts'
import type { ProvenPerson } from '../registry/logins.ts'
import type { Gate } from './gate.ts'
import type { FrontDesk, Visitor } from './login.ts'
import { cookie, homeOf, readCookie } from './site.ts'

export interface OidcOptions {
  /** As the provider writes it, such as `https://accounts.example.com`. */
  issuer: string
  clientId: string
  clientSecret: string
  /** Of emails that may log in; all of them if there is none. */
  allowedDomains: readonly string[]
}

/** What a browser remembers while it is at the provider. */
interface Errand {
  state: string
  nonce: string
  verifier: string
  returnTo: string
}

const callbackPath = '/api/session/oidc/callback'
/** For the callback alone. */
const errandCookie = { name: 'postrider_oidc', path: callbackPath }
const errandSeconds = 600
const timeoutSeconds = 10

/** Single sign-on by OpenID Connect: the code flow with PKCE, state and nonce. */
export class Provider {
  readonly #gate: Gate
  readonly #desk: FrontDesk
  readonly #options: OidcOptions | undefined
  readonly #logger: Logger
  #discovery: Promise<oidc.Configuration> | undefined

  constructor(options: { gate: Gate; desk: FrontDesk; provider: OidcOptions | undefined; logger: Logger }) {
    this.#gate = options.gate
    this.#desk = options.desk
    this.#options = options.provider
    this.#logger = options.logger
  }

  /** Sends the browser to the provider. */
  async leave(visitor: Visitor, returnTo = '/'): Promise<null> {
    const options = this.#configured()
    const home = homeOf(this.#gate.site, visitor.request)
    this.#gate.limits.login(undefined, visitor.address ?? 'unknown')
    const provider = await this.#discover(options).catch((error: unknown) => this.#noProvider(error))
    if (!provider) return goTo(visitor, loginPage(home, 'failed'))
    const errand: Errand = {
      state: oidc.randomState(),
      nonce: oidc.randomNonce(),
      verifier: oidc.randomPKCECodeVerifier(),
      returnTo: returnTo.startsWith('/') ? returnTo : '/',
    }
    const url = oidc.buildAuthorizationUrl(provider, {
      redirect_uri: home + callbackPath,
      scope: 'openid email profile',
      state: errand.state,
      nonce: errand.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(errand.verifier),
      code_challenge_method: 'S256',
    })
    const value = Buffer.from(JSON.stringify(errand)).toString('base64url')
    visitor.answerHeaders.append(
      'set-cookie',
      cookie(home, { ...errandCookie, value, maxAgeSeconds: errandSeconds }),
    )
    return goTo(visitor, url.href)
  }

  /** Who comes back is let in, or told at the login page why not. */
  async comeBack(visitor: Visitor): Promise<null> {
    const options = this.#configured()
    const home = homeOf(this.#gate.site, visitor.request)
    this.#gate.limits.login(undefined, visitor.address ?? 'unknown')
    const errand = readErrand(readCookie(home, visitor.request, errandCookie))
    const person = errand ? await this.#prove(options, visitor.request, { home, errand }) : 'failed'
    const session =
      typeof person === 'string' ? person : await this.#gate.engine.logins.withProvider(person, visitor)
    if (typeof session === 'string') {
      this.#endErrand(visitor, home)
      return goTo(visitor, loginPage(home, session))
    }
    await this.#desk.enter(visitor, session)
    this.#endErrand(visitor, home)
    return goTo(visitor, home + errand!.returnTo)
  }

  /** What the provider says of them, after all of it was checked: signature, issuer, audience, times, state, nonce. */
  async #prove(
    options: OidcOptions,
    request: Request,
    { home, errand }: { home: string; errand: Errand },
  ): Promise<ProvenPerson | LoginError> {
    const { searchParams, search } = new URL(request.url)
    if (searchParams.has('error')) return 'refused'
    try {
      const provider = await this.#discover(options)
      const tokens = await oidc.authorizationCodeGrant(provider, new URL(home + callbackPath + search), {
        expectedState: errand.state,
        expectedNonce: errand.nonce,
        pkceCodeVerifier: errand.verifier,
        idTokenExpected: true,
      })
      const claims = tokens.claims()!
      // Some providers tell the email at their other door only.
      const profile =
        claims['email'] === undefined
          ? await oidc.fetchUserInfo(provider, tokens.access_token, claims.sub)
          : claims
      return personOf({ ...profile, iss: claims.iss, sub: claims.sub }, options)
    } catch (error) {
      this.#noProvider(error)
      return 'failed'
    }
  }

  #configured(): OidcOptions {
    if (!this.#options) throw notFound('provider: single sign-on is not configured')
    return this.#options
  }

  /** Asked once it is needed, and again if the provider could not be reached. */
  #discover({ issuer, clientId, clientSecret }: OidcOptions): Promise<oidc.Configuration> {
    if (this.#discovery) return this.#discovery
    const url = new URL(issuer)
    this.#discovery = oidc.discovery(url, clientId, clientSecret, undefined, {
      timeout: timeoutSeconds,
      execute: [
        // The signature of a token is checked, too, however it came.
        oidc.enableNonRepudiationChecks,
        // The settings take http for this machine only.
        ...(url.protocol === 'http:' ? [oidc.allowInsecureRequests] : []),
      ],
    })
    this.#discovery.catch(() => (this.#discovery = undefined))
    return this.#discovery
  }

  #noProvider(error: unknown): undefined {
    this.#logger.warn({ error }, 'single sign-on failed')
    return undefined
  }

  #endErrand(visitor: Visitor, home: string): void {
    visitor.answerHeaders.append('set-cookie', cookie(home, { ...errandCookie, value: '', maxAgeSeconds: 0 }))
  }
}

/** Only a verified email says who somebody is here: any other one may be anybody's. */
export function personOf(
  claims: { iss: string; sub: string; [name: string]: unknown },
  { allowedDomains }: Pick<OidcOptions, 'allowedDomains'>,
): ProvenPerson | LoginError {
  const { iss: issuer, sub: subject, email, name } = claims
  const isVerified = claims['email_verified'] === true || claims['email_verified'] === 'true'
  if (!isVerified || !fits(Email, email)) return 'unverified'
  const domain = email.slice(email.lastIndexOf('@') + 1).toLowerCase()
  if (allowedDomains.length > 0 && !allowedDomains.includes(domain)) return 'domain'
  return { issuer, subject, email, name: fits(Name, name) ? name : undefined }
}

function fits(shape: typeof Email, value: unknown): value is string {
  try {
    validate(shape, value)
    return true
  } catch {
    return false
  }
}

function readErrand(value: string | undefined): Errand | undefined {
  if (!value) return undefined
  try {
    const { state, nonce, verifier, returnTo } = JSON.parse(
      Buffer.from(value, 'base64url').toString(),
    ) as Record<keyof Errand, unknown>
    const texts = [state, nonce, verifier, returnTo]
    if (!texts.every((text) => typeof text === 'string' && text !== '')) return undefined
    return { state, nonce, verifier, returnTo } as Errand
  } catch {
    return undefined
  }
}

function goTo(visitor: Visitor, url: string): null {
  visitor.answerHeaders.set('location', url)
  return null
}

function loginPage(home: string, error: LoginError): string {
  return `${home}/login?error=${error satisfies keyof typeof loginErrors}`
}
