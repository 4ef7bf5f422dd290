import { credentials, forget } from '../session/session.ts'
import type { FieldError } from './types.ts'

/** Where everything is mounted, with a slash at its end. The page's `<base>` tells it; later navigation does not move it. */
export const baseUrl = new URL('.', document.baseURI)

export type Query = Record<string, string | number | boolean | null | undefined>

export interface CallOptions {
  query?: Query
  body?: unknown
  signal?: AbortSignal
}

/** What the server refused, in its words. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly errors: readonly FieldError[]

  constructor(
    status: number,
    problem: { code?: string; detail?: string; title?: string; errors?: FieldError[] },
  ) {
    super(problem.detail ?? problem.title ?? `The server answered ${status}.`)
    this.status = status
    this.code = problem.code ?? 'unknown'
    this.errors = problem.errors ?? []
  }

  /** What is wrong with one field, if that is what was refused. */
  fieldError(path: string): string | undefined {
    return this.errors.find(
      (error) =>
        error.path === path || error.path.startsWith(`${path}.`) || error.path.startsWith(`${path}[`),
    )?.message
  }
}

/** Makes one call of the API; `path` is relative to `/api`. */
export async function call<Answer>(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  const url = apiUrl(path, options.query)
  const response = await fetch(url, {
    method,
    credentials: 'same-origin',
    headers: {
      ...credentials(method),
      ...(options.body !== undefined && { 'content-type': 'application/json' }),
    },
    body: options.body === undefined ? undefined : JSON.stringify(options.body),
    signal: options.signal,
  }).catch((error: unknown) => {
    if (options.signal?.aborted) throw error
    throw new ApiError(0, { code: 'unreachable', detail: 'The server cannot be reached.' })
  })
  const text = await response.text()
  if (response.ok) return (text === '' ? undefined : parseExactly(text)) as Answer
  if (response.status === 401) forget()
  throw new ApiError(response.status, problemOf(text))
}

export const get = <Answer>(path: string, query?: Query, signal?: AbortSignal) =>
  call<Answer>('GET', path, { query, signal })

export function apiUrl(path: string, query: Query = {}): URL {
  const url = new URL(`api${path}`, baseUrl)
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') url.searchParams.set(name, String(value))
  }
  return url
}

interface SourceContext {
  source?: string
}

/** Numbers that a double cannot hold stay text of their digits: they print as they came, where the browser can. */
export function parseExactly(text: string): unknown {
  const { rawJSON } = JSON as unknown as { rawJSON?: (text: string) => unknown }
  if (!rawJSON) return JSON.parse(text)
  return JSON.parse(text, ((_key: string, value: unknown, { source }: SourceContext) =>
    typeof value === 'number' &&
    source !== undefined &&
    String(value) !== source &&
    !sameNumber(value, source)
      ? rawJSON(source)
      : value) as (key: string, value: unknown) => unknown)
}

/** `1.0` and `1e3` are what a double shows otherwise; a long row of digits is not. */
function sameNumber(value: number, source: string): boolean {
  return source.length <= 15 && Number.isFinite(value)
}

function problemOf(text: string): ConstructorParameters<typeof ApiError>[1] {
  try {
    return JSON.parse(text) as ConstructorParameters<typeof ApiError>[1]
  } catch {
    return {}
  }
}
