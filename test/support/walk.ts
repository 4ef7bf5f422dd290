import { expect } from 'vitest'
import { type Route, routes } from '../../src/contract/routes.ts'
import type { ApiAnswer, CallOptions, TestApi } from './api.ts'

/** What a test needs to walk every call of the table of routes, those that are added later too. */

export type NamedRoute = Route & { name: string }

export const table: NamedRoute[] = Object.entries<Route>(routes).map(([name, route]) => ({ name, ...route }))

/** An id that names nothing. */
export const noId = '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7'

/** By the names of paths: `webhook_id` and the like. */
export type Ids = Record<string, string>

/** A path with its ids; those that are not given name nothing. */
export function pathOf(path: string, ids: Ids): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(ids[name] ?? noId))
}

/** The first example of a call's body, or an empty object; nothing for a call without one. */
export function exampleOf({ body }: Route): { json?: Record<string, unknown> } {
  if (!body) return {}
  const { examples } = body.shape as { examples?: Record<string, unknown>[] }
  return { json: structuredClone(examples?.[0] ?? {}) }
}

/**
 * A thing of every kind that a path can name: made from the example of the call that makes such things, or found in
 * the list of what came about by itself, as deliveries do.
 */
export async function makeThings(api: TestApi, projectId: string): Promise<Ids> {
  const ids: Ids = {
    project_id: projectId,
    user_id: await makeMember(api, projectId),
    // Of whoever is logged in, which nobody is.
    session_id: noId,
  }
  for (const { path } of table) {
    for (const [, before, name] of path.matchAll(/(?<=^(.*)\/)\{(\w+)\}/g)) {
      if (ids[name!] !== undefined) continue
      const make = table.find((route) => route.path === before && route.method === 'POST')
      if (make) {
        const made = await api.call('POST', pathOf(before!, ids), exampleOf(make))
        expect(made.status, `${make.name} takes its own example: ${made.text}`).toBeLessThan(300)
      }
      const listed = await api.call('GET', pathOf(before!, ids))
      const rows = Object.values(listed.body).find((value) => Array.isArray(value)) as Ids[]
      ids[name!] = rows[0]![name!] ?? rows[0]!['id']!
    }
  }
  return ids
}

/** People come in by links alone, which is more than a call. */
async function makeMember(api: TestApi, projectId: string): Promise<string> {
  const { rows } = await api.database.query<{ user_id: string }>(
    `WITH person AS (
       INSERT INTO postrider.users (email, name)
       VALUES (gen_random_uuid() || '@example.com', 'Ada')
       RETURNING id
     )
     INSERT INTO postrider.members (project_id, user_id, role)
     SELECT $1::uuid, id, 'view'
     FROM person
     RETURNING user_id`,
    [projectId],
  )
  return rows[0]!.user_id
}

/** Where in a body an id of something else may stand: `application_id`, `events.0.application_id`. */
export function idsInBody({ body }: Route): string[] {
  return body ? idsIn(body.shape) : []
}

export function idsInQuery({ query }: Route): string[] {
  return Object.keys(query?.properties ?? {}).filter((name) => name.endsWith('_id'))
}

interface Schema {
  properties?: Record<string, Schema>
  items?: Schema
  anyOf?: Schema[]
}

function idsIn({ properties = {}, items, anyOf = [] }: Schema, path: string[] = []): string[] {
  return [
    ...Object.entries(properties).flatMap(([name, inner]) =>
      name.endsWith('_id') ? [[...path, name].join('.')] : idsIn(inner, [...path, name]),
    ),
    ...(items ? idsIn(items, [...path, '0']) : []),
    ...anyOf.flatMap((choice) => idsIn(choice, path)),
  ]
}

/** Sets what stands at such a place. */
export function put(json: Record<string, unknown>, place: string, value: unknown): Record<string, unknown> {
  const names = place.split('.')
  let inner = json
  for (const name of names.slice(0, -1)) inner = (inner[name] ??= {}) as Record<string, unknown>
  inner[names.at(-1)!] = value
  return json
}

/** All of an answer that a stranger could learn something from. */
export function visible({ status, headers, text }: ApiAnswer): object {
  const { date: _, 'x-request-id': __, ...rest } = Object.fromEntries(headers)
  return { status, headers: rest, text }
}

/** What these answer depends on the time of day. */
const aboutNow = /\/(statistics|live)\b/

/** Everything that the API shows of a project, as text. */
export async function everythingOf(api: TestApi, ids: Ids): Promise<Record<string, string>> {
  const shown: Record<string, string> = {}
  for (const { name, method, path } of table) {
    if (method !== 'GET' || !path.includes('{project_id}') || aboutNow.test(path)) continue
    shown[name] = (await api.call('GET', pathOf(path, ids))).text
  }
  return shown
}

export type Caller = (route: NamedRoute, ids: Ids, options?: CallOptions) => Promise<ApiAnswer>

/** Makes a call of the table with the example of its body. */
export function callerOf(api: TestApi): Caller {
  return (route, ids, options = {}) =>
    api.call(route.method, pathOf(route.path, ids), { ...exampleOf(route), ...options })
}
