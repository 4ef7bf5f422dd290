/** What a type is known by: its schema, or, where there is none, data that was seen. */
export interface Known {
  schema: unknown
  example: unknown
}

type Rules = Record<string, unknown>

/** A TypeScript interface for an event's data. */
export function interfaceOf(eventType: string, { schema, example }: Known): string {
  const name = `${eventType
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')}Event`.replace(/^\d/, '_$&')
  const data = schema === null || schema === undefined ? typeOf(example, 1) : typeBy(schema, schema, 1)
  return `import { verify } from 'postrider/verify'

interface ${name} {
  id: string
  timestamp: string
  type: '${eventType}'
  data: ${data}
}

const event = (await verify({ secret, headers, body })) as ${name}
`
}

function typeOf(value: unknown, depth: number): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) {
    return arrayOf(union(value.slice(0, 20).map((item) => typeOf(item, depth))))
  }
  if (typeof value !== 'object') return typeof value
  // A number of more digits than a double holds.
  if (Object.getPrototypeOf(value) === null) return 'number'
  const fields = Object.entries(value).map(([key, inner]) => `${keyOf(key)}: ${typeOf(inner, depth + 1)}`)
  return objectOf(fields, depth, 'Record<string, never>')
}

/** Deeper than anybody reads here; a schema may also hold itself. */
const mostDepth = 8

/** What a schema says in the usual ways; `postrider types generate` knows all of them. */
function typeBy(schema: unknown, root: unknown, depth: number): string {
  if (schema === false) return 'never'
  if (!isRules(schema) || depth > mostDepth) return 'unknown'
  if (typeof schema['$ref'] === 'string') return typeBy(found(root, schema['$ref']), root, depth + 1)
  if ('const' in schema) return literal(schema['const'])
  if (Array.isArray(schema['enum'])) return union(schema['enum'].map(literal))
  const alternatives = [schema['anyOf'], schema['oneOf']].flatMap((list) => (Array.isArray(list) ? list : []))
  if (alternatives.length > 0) return union(alternatives.map((inner) => typeBy(inner, root, depth)))
  const types = [schema['type'] ?? (isRules(schema['properties']) ? 'object' : [])].flat()
  return types.length === 0 ? 'unknown' : union(types.map((type) => typeNamed(type, schema, root, depth)))
}

function typeNamed(type: unknown, schema: Rules, root: unknown, depth: number): string {
  switch (type) {
    case 'integer':
      return 'number'
    case 'array':
      return arrayOf(schema['items'] === undefined ? 'unknown' : typeBy(schema['items'], root, depth))
    case 'object': {
      const required = Array.isArray(schema['required']) ? schema['required'] : []
      const properties = isRules(schema['properties']) ? schema['properties'] : {}
      const fields = Object.entries(properties).map(
        ([key, inner]) =>
          `${keyOf(key)}${required.includes(key) ? '' : '?'}: ${typeBy(inner, root, depth + 1)}`,
      )
      return objectOf(fields, depth, 'Record<string, unknown>')
    }
    default:
      return String(type)
  }
}

function found(root: unknown, ref: string): unknown {
  let place = root
  for (const part of ref.split('/').slice(1)) {
    const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
    place = isRules(place) || Array.isArray(place) ? (place as Rules)[name] : undefined
  }
  return place
}

function isRules(value: unknown): value is Rules {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function literal(value: unknown): string {
  return typeof value === 'string'
    ? `'${JSON.stringify(value).slice(1, -1).replaceAll("'", "\\'")}'`
    : JSON.stringify(value)
}

function union(types: string[]): string {
  return [...new Set(types)].join(' | ') || 'unknown'
}

function arrayOf(item: string): string {
  return item.includes(' | ') ? `(${item})[]` : `${item}[]`
}

function objectOf(fields: string[], depth: number, empty: string): string {
  if (fields.length === 0) return empty
  const indent = '  '.repeat(depth)
  return `{\n${fields.map((field) => `${indent}  ${field}`).join('\n')}\n${indent}}`
}

function keyOf(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key)
}
