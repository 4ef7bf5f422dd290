import type { BlankSchema } from 'hono/types'
import type { Context as HonoContext, Hono } from 'hono'
import type { PostriderError } from '../contract/errors.ts'
import type { Caller } from './authorize.ts'
import type { UsedSession } from './session.ts'

/** What is known of one request, collected on the way to its line in the log. */
interface Variables {
  requestId: string
  /** Of the client, as far as it is known. */
  address: string | undefined
  /** The path as it stands in the table of routes. */
  route: string | undefined
  /** The ids in its path. */
  ids: Record<string, string> | undefined
  caller: Caller | undefined
  session: UsedSession | undefined
  error: PostriderError | undefined
}

export interface Environment {
  Variables: Variables
}

export type App = Hono<Environment, BlankSchema, string>
export type Context = HonoContext<Environment>

/** A path of the table of routes as Hono writes it. */
export function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1')
}
