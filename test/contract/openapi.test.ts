import { expect, test } from 'vitest'
import { errorCodes } from '../../src/contract/errors.ts'
import { openapi } from '../../src/contract/openapi.ts'
import { type Route, routes } from '../../src/contract/routes.ts'
import { document, validatorOf } from '../support/openapi.ts'

const text = JSON.stringify(openapi({ serverUrl: 'https://example.com' }))

test('every route is in the document, and nothing else', () => {
  const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(
      ([method, { operationId }]) => `${operationId} ${method.toUpperCase()} ${path}`,
    ),
  )
  const known = Object.entries<Route>(routes).map(([name, { method, path }]) => `${name} ${method} ${path}`)
  expect(documented.toSorted()).toEqual(known.toSorted())
})

test('every reference leads somewhere', () => {
  const references = new Set(Array.from(text.matchAll(/"\$ref":"([^"]+)"/g), ([, reference]) => reference!))
  expect(references.size).toBeGreaterThan(10)
  for (const reference of references) {
    const found = reference
      .split('/')
      .slice(1)
      .reduce<unknown>((place, name) => (place as Record<string, unknown>)[name], document)
    expect({ reference, type: typeof found }).toEqual({ reference, type: 'object' })
  }
})

test('every error code is documented, and none is invented', () => {
  expect(Object.keys(document.components.responses).toSorted()).toEqual(Object.keys(errorCodes).toSorted())
  const { info } = JSON.parse(text) as { info: { description: string } }
  for (const [code, { status }] of Object.entries(errorCodes)) {
    expect(info.description).toContain(`| \`${code}\` | ${status} |`)
  }
})

test('the document has what OpenAPI 3.1 asks for', () => {
  const ids = new Set<string>()
  for (const [path, operations] of Object.entries(document.paths)) {
    expect(path).toMatch(/^\/[\w/{}.-]*$/)
    for (const operation of Object.values(operations) as unknown as Operation[]) {
      expect(ids).not.toContain(operation.operationId)
      ids.add(operation.operationId)
      expect(operation.summary).not.toBe('')
      const inPath = operation.parameters
        .filter(({ in: where }) => where === 'path')
        .map(({ name }) => `{${name}}`)
      expect(inPath).toEqual(path.match(/\{\w+\}/g) ?? [])
      expect(new Set(operation.parameters.map(({ name }) => name)).size).toBe(operation.parameters.length)
      for (const response of Object.values(operation.responses)) {
        expect(response.$ref ?? response.description).toBeTypeOf('string')
      }
    }
  }
})

test('nothing of our own tools is left in the document', () => {
  expect(text).not.toMatch(/"~|"\$id"|undefined/)
})

test('every example fits its schema', () => {
  let checked = 0
  for (const [name, schema] of Object.entries(document.components.schemas)) {
    for (const example of (schema as { examples?: unknown[] }).examples ?? []) {
      const validator = validatorOf(schema)
      expect({ name, errors: validator.Errors(example)[1] }).toEqual({ name, errors: [] })
      checked += 1
    }
  }
  expect(checked).toBeGreaterThan(8)
})

test('a check of an answer can fail', () => {
  const project = document.components.schemas['Project']!
  const right = {
    id: '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7',
    name: 'a',
    retention_days: null,
    payload_retention_days: null,
    backlog_limit: null,
    created_at: '2026-11-24T09:30:00.000Z',
    updated_at: '2026-11-24T09:30:00.000Z',
  }
  expect(validatorOf(project).Check(right)).toBe(true)
  expect(validatorOf(project).Check({ ...right, secret: 'x' })).toBe(false)
  expect(validatorOf(project).Check({ ...right, created_at: 'yesterday' })).toBe(false)
  const page = {
    type: 'object',
    properties: { projects: { items: { $ref: '#/components/schemas/Project' } } },
  }
  expect(validatorOf(page).Check({ projects: [right] })).toBe(true)
  expect(validatorOf(page).Check({ projects: [{ ...right, id: 1 }] })).toBe(false)
})

interface Operation {
  operationId: string
  summary: string
  parameters: { name: string; in: string }[]
  responses: Record<string, { $ref?: string; description?: string }>
}
