import { Compile, type Validator } from 'typebox/schema'
import { openapi } from '../../src/contract/openapi.ts'

interface Operation {
  operationId: string
  responses: Record<string, { $ref?: string; content?: Record<string, { schema: object }> }>
}

export const document = JSON.parse(JSON.stringify(openapi({ serverUrl: '/' }))) as {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, object>; responses: Record<string, Operation['responses'][string]> }
}

export interface DocumentedAnswer {
  status: number
  headers: Headers
  text: string
  body: unknown
}

/** Throws unless the OpenAPI document tells of such an answer to this call, with such a body. */
export function checkAnswer(method: string, path: string, answer: DocumentedAnswer): void {
  const operation = findOperation(method, path)
  if (!operation) return
  const what = `${answer.status} of ${operation.operationId}`
  const found = operation.responses[String(answer.status)]
  if (!found) throw new Error(`${what} is not documented: ${answer.text}`)
  const response = found.$ref ? document.components.responses[found.$ref.split('/').at(-1)!]! : found
  if (!response.content) {
    if (answer.text !== '') throw new Error(`${what} is documented without a body: ${answer.text}`)
    return
  }
  const mediaType = answer.headers.get('content-type')?.split(';')[0] ?? ''
  const content = response.content[mediaType]
  if (!content) throw new Error(`${what} is not documented as ${mediaType}`)
  if (!/json/.test(mediaType)) return
  const validator = validatorOf(content.schema)
  if (!validator.Check(answer.body)) {
    throw new Error(
      `${what} is not as documented: ${JSON.stringify(validator.Errors(answer.body))} ${answer.text}`,
    )
  }
}

const templates = Object.entries(document.paths).map(([path, operations]) => ({
  pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  parameters: path.match(/\{/g)?.length ?? 0,
  operations,
}))

/** The operation that answers a path; of several templates the one with the fewest parameters. */
export function findOperation(method: string, path: string): Operation | undefined {
  const bare = path.replace(/\?.*/s, '')
  const matches = templates
    .filter(({ pattern, operations }) => pattern.test(bare) && method.toLowerCase() in operations)
    .toSorted((one, other) => one.parameters - other.parameters)
  return matches[0]?.operations[method.toLowerCase()]
}

const validators = new Map<object, Validator>()

/** References of a schema are pointers into the document, so the schema is compiled as a part of it. */
export function validatorOf(schema: object): Validator {
  let validator = validators.get(schema)
  if (!validator) {
    validator = Compile({ ...schema, components: document.components }) as unknown as Validator
    validators.set(schema, validator)
  }
  return validator
}
