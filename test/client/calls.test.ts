import { expect, test } from 'vitest'
import { calls, type CallShape } from '../../src/client/calls.ts'
import { PostriderClient } from '../../src/client/client.ts'
import { type Route, routes } from '../../src/contract/routes.ts'

const table: [string, Route][] = Object.entries(routes)
const withKey = table.filter(([, { access }]) => access !== 'anyone' && access !== 'session')
const client = new PostriderClient({ baseUrl: 'http://127.0.0.1:9', key: 'k' })

/** What the table of the client must say of a route. */
function shapeOf(route: Route): CallShape {
  const { method, query, body } = route
  const path = route.path.replaceAll(/\{\w+\}/g, '{}')
  const isInProject = route.path.startsWith('/api/projects/{project_id}')
  const isList = query !== undefined && 'cursor' in query.properties
  const hasBody =
    body !== undefined && Object.keys((body.shape as { properties?: object }).properties ?? {}).length > 0
  return [
    method,
    isInProject ? path.slice('/api/projects/{}/'.length) : path,
    isList ? 'page' : query !== undefined ? 'query' : hasBody ? 'body' : undefined,
  ]
}

test('every call that is made with a key has its method, and no other has one', () => {
  expect(Object.keys(calls).toSorted()).toEqual(withKey.map(([name]) => name).toSorted())
})

test.each(withKey)('%s is what the table of routes says', (name, route) => {
  const [method, path, takes, is] = (calls as Record<string, CallShape>)[name]!
  expect([method, path, takes]).toEqual(shapeOf(route))
  expect(is === 'stream').toBe(Object.values(route.answers)[0] === 'text/event-stream')
  expect(client).toHaveProperty(name, expect.any(Function))
  const project = client.project('019a8c2e-0a3b-7d5c-9e1f-4b7a8c2d6e90')
  if (route.path.includes('{project_id}')) expect(project).toHaveProperty(name, expect.any(Function))
  else expect(project).not.toHaveProperty(name)
})
