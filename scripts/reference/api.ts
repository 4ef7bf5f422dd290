import { openapi } from '../../src/contract/openapi.ts'
import { typeInWords } from './types.ts'

/** The OpenAPI document as Markdown: the calls, and the shapes of what they take and answer. */

interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  description?: string
  schema: object
}

interface Operation {
  operationId: string
  summary: string
  description?: string
  tags: [string]
  parameters: Parameter[]
  requestBody?: { required: boolean; content: { 'application/json': { schema: object } } }
  responses: Record<string, Response>
}

interface Response {
  $ref?: string
  description?: string
  content?: Record<string, { schema?: object; examples?: object }>
}

interface Shape {
  type?: string
  description?: string
  required?: string[]
  properties?: Record<string, { description?: string; default?: unknown }>
}

const document = openapi({ serverUrl: 'http://127.0.0.1:8080' })

export function callsPage(): string {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      path,
      method: method.toUpperCase(),
      operation: operation as unknown as Operation,
    })),
  )
  const sections = document.tags.map(({ name, description }) => {
    const calls = operations.filter(({ operation }) => operation.tags[0] === name)
    return `## ${name}\n\n${description}\n\n${calls.map(callSection).join('\n\n')}`
  })
  return `# HTTP API

${withoutTable(document.info.description)}

[Error codes](errors.md) and [shapes](shapes.md) have pages of their own. A running server shows all of this at \`/docs\`, and
as OpenAPI 3.1 at \`/openapi.json\`.

${sections.join('\n\n')}
`
}

function callSection({
  method,
  path,
  operation,
}: {
  method: string
  path: string
  operation: Operation
}): string {
  const parameters = operation.parameters.filter(({ in: where }) => where !== 'path')
  return [
    `### ${operation.summary}`,
    `\`${method} ${path}\``,
    ...(operation.description ? [operation.description] : []),
    ...(parameters.length > 0 ? [parameterTable(parameters)] : []),
    [...bodyLine(operation), ...answerLines(operation), errorLine(operation)].join('\\\n'),
  ].join('\n\n')
}

function parameterTable(parameters: readonly Parameter[]): string {
  const rows = parameters.map(
    ({ name, in: where, description, schema }) =>
      `| \`${name}\`${where === 'header' ? ' (header)' : ''} | ${cell(typeInWords(schema))} | ${cell(description ?? '')} |`,
  )
  return ['| parameter | type | |', '| --- | --- | --- |', ...rows].join('\n')
}

function bodyLine({ requestBody }: Operation): string[] {
  if (!requestBody) return []
  const { schema } = requestBody.content['application/json']
  if (typeInWords(schema) === 'an object') return []
  return [`Body: ${typeInWords(schema)}${requestBody.required ? '' : ', which may be left out'}.`]
}

function answerLines({ responses }: Operation): string[] {
  return Object.entries(responses)
    .filter(([status]) => Number(status) < 400 || status === '503')
    .filter(([, { content }]) => !content?.['application/problem+json'])
    .filter(([, { $ref }]) => !$ref)
    .map(([status, { content = {} }]) => {
      const [[mediaType, { schema = {} }] = [null, {}]] = Object.entries(content)
      if (mediaType === null) return `Answer: ${status}, without a body.`
      const what = mediaType === 'application/json' ? typeInWords(schema) : `\`${mediaType}\``
      return `Answer: ${status}, ${what}.`
    })
}

/** Out of `$ref`s to the responses of single codes, and the examples of responses that have several. */
function errorLine({ responses }: Operation): string {
  const codes = Object.values(responses).flatMap(({ $ref, content }) => {
    if ($ref) return [$ref.split('/').at(-1)!]
    return Object.keys(content?.['application/problem+json']?.examples ?? {})
  })
  return `Errors: ${codes.map((code) => `\`${code}\``).join(', ')}.`
}

export function shapesPage(): string {
  const shapes = Object.entries(document.components.schemas) as unknown as [string, Shape][]
  const sections = shapes
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(
      ([name, shape]) =>
        `## ${name}\n\n${shape.description ? `${shape.description}\n\n` : ''}${fieldTable(shape)}`,
    )
  return `# Shapes

What bodies and answers of the [HTTP API](http-api.md) look like. A field that is not \`required\` may be left out. Times are
RFC 3339 in UTC.

${sections.join('\n\n')}
`
}

function fieldTable(shape: Shape): string {
  const fields = Object.entries(shape.properties ?? {})
  if (fields.length === 0) return `${typeInWords(shape)}.`
  const rows = fields.map(([name, field]) => {
    const facts = [
      field.description,
      ...(field.default === undefined ? [] : [`Default: \`${JSON.stringify(field.default)}\`.`]),
    ].filter(Boolean)
    const required = shape.required?.includes(name) ? 'required' : ''
    return `| \`${name}\` | ${cell(typeInWords(field))} | ${required} | ${cell(facts.join(' '))} |`
  })
  return ['| field | type | | |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

/** The codes of errors have a page of their own. */
function withoutTable(text: string): string {
  return text.replace(/Errors are `application[\s\S]*$/, '').trim()
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
