import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What the provider says of whoever is logged in there. */
export interface Claims {
  sub: string
  email?: string
  email_verified?: boolean | string
  name?: string
  [name: string]: unknown
}

interface Grant {
  nonce: string | null
  challenge: string | null
  redirectUri: string | null
}

/** An OpenID Connect provider on this machine with one client, whose users have all agreed already. */
export class OidcProvider {
  readonly clientId = 'postrider'
  readonly clientSecret = 'the secret of the client'
  /** Who is logged in there. */
  claims: Claims = { sub: 'nobody' }
  /** Told at the other door instead of in the token. */
  userinfo: Claims | undefined
  /** Changes the token before it is signed, as a provider would that is broken or somebody else. */
  spoil: (token: Record<string, unknown>) => Record<string, unknown> = (token) => token
  /** Another key than the one that is published. */
  signWith: KeyObject | undefined
  isDown = false
  /** What was asked at the door of the browsers. */
  readonly asked: URLSearchParams[] = []
  readonly #server: Server = createServer((request, response) => void this.#answer(request, response))
  readonly #keys = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  readonly #grants = new Map<string, Grant>()

  static async start(): Promise<OidcProvider> {
    const provider = new OidcProvider()
    provider.#server.listen(0, '127.0.0.1')
    await once(provider.#server, 'listening')
    return provider
  }

  get issuer(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url!, this.issuer)
    const json = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    if (this.isDown) return json(503, {})
    switch (pathname) {
      case '/.well-known/openid-configuration':
        return json(200, this.#metadata())
      case '/jwks':
        return json(200, {
          keys: [{ ...this.#keys.publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'RS256', use: 'sig' }],
        })
      case '/authorize':
        response.writeHead(302, { location: this.#authorize(searchParams) }).end()
        return
      case '/token':
        return this.#token(new URLSearchParams(await textOf(request)), request, json)
      case '/userinfo':
        return json(200, this.userinfo ?? this.claims)
      default:
        return json(404, {})
    }
  }

  #metadata(): object {
    return {
      issuer: this.issuer,
      authorization_endpoint: `${this.issuer}/authorize`,
      token_endpoint: `${this.issuer}/token`,
      jwks_uri: `${this.issuer}/jwks`,
      userinfo_endpoint: `${this.issuer}/userinfo`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      code_challenge_methods_supported: ['S256'],
    }
  }

  #authorize(asked: URLSearchParams): string {
    this.asked.push(asked)
    const code = randomBytes(16).toString('base64url')
    this.#grants.set(code, {
      nonce: asked.get('nonce'),
      challenge: asked.get('code_challenge'),
      redirectUri: asked.get('redirect_uri'),
    })
    const back = new URL(asked.get('redirect_uri')!)
    back.searchParams.set('code', code)
    back.searchParams.set('state', asked.get('state')!)
    return back.href
  }

  #token(
    form: URLSearchParams,
    request: IncomingMessage,
    json: (status: number, body: object) => void,
  ): void {
    const grant = this.#grants.get(form.get('code') ?? '')
    this.#grants.delete(form.get('code') ?? '')
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url')
    const isRight =
      grant !== undefined &&
      grant.challenge === challenge &&
      grant.redirectUri === form.get('redirect_uri') &&
      this.#isClient(form, request)
    if (!isRight) return json(400, { error: 'invalid_grant' })
    const now = Math.floor(Date.now() / 1_000)
    const token = this.spoil({
      iss: this.issuer,
      aud: this.clientId,
      iat: now,
      exp: now + 300,
      nonce: grant.nonce,
      ...(this.userinfo ? { sub: this.claims.sub } : this.claims),
    })
    json(200, { access_token: 'a', token_type: 'Bearer', expires_in: 300, id_token: this.#signed(token) })
  }

  #isClient(form: URLSearchParams, { headers }: IncomingMessage): boolean {
    const [, basic] = /^Basic (.+)$/.exec(headers.authorization ?? '') ?? []
    const [id, secret] = basic
      ? Buffer.from(basic, 'base64')
          .toString()
          .split(':')
          .map((part) => decodeURIComponent(part.replaceAll('+', ' ')))
      : [form.get('client_id'), form.get('client_secret')]
    return id === this.clientId && secret === this.clientSecret
  }

  #signed(token: object): string {
    const text = [{ alg: 'RS256', kid: 'k', typ: 'JWT' }, token]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')
    const signature = sign('sha256', Buffer.from(text), this.signWith ?? this.#keys.privateKey)
    return `${text}.${signature.toString('base64url')}`
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}
