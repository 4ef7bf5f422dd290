import type { KeyRole } from '../../src/contract/projects.ts'
import { hashPassword } from '../../src/registry/passwords.ts'
import type { ApiAnswer, CallOptions, TestApi } from './api.ts'

/** A password that every user of the tests has, hashed once: it takes its time. */
export const password = 'correct horse battery staple'
let hash: Promise<string> | undefined

let count = 0

export interface TestUser {
  id: string
  email: string
}

interface NewUser {
  isOwner?: boolean
  /** By the id of the project. */
  roles?: Record<string, KeyRole>
  hasPassword?: boolean
  /** An email of its own by default. */
  email?: string
}

/** Somebody who came in before. */
export async function makeUser(
  { database }: Pick<TestApi, 'database'>,
  {
    isOwner = false,
    roles = {},
    hasPassword = true,
    email = `user-${(count += 1)}@example.com`,
  }: NewUser = {},
): Promise<TestUser> {
  const { rows } = await database.query<TestUser>(
    `INSERT INTO postrider.users (email, name, is_owner, password_hash)
     VALUES ($1::text, 'Ada', $2::boolean, $3::text)
     RETURNING id, email`,
    [email, isOwner, hasPassword ? await (hash ??= hashPassword(password)) : null],
  )
  for (const [projectId, role] of Object.entries(roles)) {
    await database.query(
      `INSERT INTO postrider.members (project_id, user_id, role)
       VALUES ($1::uuid, $2::uuid, $3::text)`,
      [projectId, rows[0]!.id, role],
    )
  }
  return rows[0]!
}

interface BrowserCall extends CallOptions {
  /** That of the server by default; `null` sends none. */
  origin?: string | null
  /** That of the session by default; `null` sends none. */
  csrfToken?: string | null
}

/** Keeps cookies as a browser does, and sends what our pages send. */
export class Browser {
  readonly cookies = new Map<string, string>()
  csrfToken: string | null = null
  readonly #api: TestApi
  readonly #url: string

  /** At another server than that of `api`, if it is told where. */
  constructor(api: TestApi, url = api.url) {
    this.#api = api
    this.#url = url
  }

  /** Already logged in, without a login. */
  static async of(api: TestApi, user: TestUser, url = api.url): Promise<Browser> {
    const browser = new Browser(api, url)
    const visit = { address: '127.0.0.1', userAgent: 'test', requestId: undefined }
    const { token } = await api.postrider.sessions.open(api.database, { userId: user.id }, visit)
    browser.cookies.set('postrider_session', token)
    await browser.state()
    return browser
  }

  async call(
    method: string,
    path: string,
    { origin = this.#url, csrfToken = this.csrfToken, headers, ...options }: BrowserCall = {},
  ): Promise<ApiAnswer> {
    const isSafe = method === 'GET' || method === 'HEAD'
    const answer = await this.#api.call(method, path.startsWith('http') ? path : this.#url + path, {
      key: null,
      ...options,
      headers: {
        ...(this.cookies.size > 0 && { cookie: this.#cookieHeader() }),
        ...(!isSafe && origin !== null && { origin }),
        ...(!isSafe && csrfToken !== null && { 'x-csrf-token': csrfToken }),
        ...headers,
      },
    })
    this.#keep(answer.headers.getSetCookie())
    return answer
  }

  /** Who is logged in; from then on the token is known. */
  async state() {
    const { body } = await this.call('GET', '/api/session')
    this.csrfToken = body.session?.csrf_token ?? null
    return body
  }

  async logIn(json: object): Promise<ApiAnswer> {
    const answer = await this.call('POST', '/api/session', { json })
    this.csrfToken = answer.body?.session?.csrf_token ?? this.csrfToken
    return answer
  }

  #cookieHeader(): string {
    return Array.from(this.cookies, ([name, value]) => `${name}=${value}`).join('; ')
  }

  #keep(cookies: readonly string[]): void {
    for (const cookie of cookies) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!
      if (/Max-Age=0(;|$)/.test(cookie)) this.cookies.delete(name!)
      else this.cookies.set(name!, value!)
    }
  }
}
