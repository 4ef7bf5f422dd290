/** A TypeScript interface that fits an example of an event's data. */
export function interfaceOf(eventType: string, example: unknown): string {
  const name = `${eventType
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')}Event`.replace(/^\d/, '_$&')
  return `import { verify } from 'postrider/verify'

interface ${name} {
  id: string
  timestamp: string
  type: '${eventType}'
  data: ${typeOf(example, 1)}
}

const event = (await verify({ secret, headers, body })) as ${name}
`
}

function typeOf(value: unknown, depth: number): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) {
    const kinds = [...new Set(value.slice(0, 20).map((item) => typeOf(item, depth)))]
    if (kinds.length === 0) return 'unknown[]'
    return kinds.length === 1 && !kinds[0]!.includes(' | ') ? `${kinds[0]}[]` : `(${kinds.join(' | ')})[]`
  }
  if (typeof value !== 'object') return typeof value
  // A number of more digits than a double holds.
  if (Object.getPrototypeOf(value) === null) return 'number'
  const fields = Object.entries(value).map(
    ([key, inner]) => `${'  '.repeat(depth + 1)}${keyOf(key)}: ${typeOf(inner, depth + 1)}`,
  )
  return fields.length === 0 ? 'Record<string, never>' : `{\n${fields.join('\n')}\n${'  '.repeat(depth)}}`
}

function keyOf(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key)
}
