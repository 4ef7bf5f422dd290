/** A JSON Schema in a few words. Shapes that have a name are links to it. */

interface Schema {
  $ref?: string
  type?: string | string[]
  format?: string
  enum?: unknown[]
  const?: unknown
  anyOf?: Schema[]
  items?: Schema
  title?: string
  properties?: Record<string, Schema>
  minimum?: number
  maximum?: number
}

export function typeInWords(given: object): string {
  const schema = given as Schema
  if (schema.$ref) return link(schema.$ref.split('/').at(-1)!)
  if (schema.title) return link(schema.title)
  if (schema.anyOf) return schema.anyOf.map(typeInWords).join(' or ')
  if (schema.enum) return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(', ')
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``
  if (Array.isArray(schema.type))
    return schema.type.map((type) => typeInWords({ ...schema, type })).join(' or ')
  switch (schema.type) {
    case 'string':
      return schema.format === 'uuid' ? 'UUID' : schema.format === 'date-time' ? 'time' : 'string'
    case 'integer':
      return `integer${range(schema)}`
    case 'number':
      return `number${range(schema)}`
    case 'array':
      return `list of ${schema.items ? typeInWords(schema.items) : 'anything'}`
    case 'object':
      return schema.properties ? membersOf(schema.properties) : 'an object'
    case undefined:
      return 'any JSON'
    default:
      return schema.type
  }
}

/** Of what has no name, such as the page of a list. */
function membersOf(properties: Record<string, Schema>): string {
  const members = Object.entries(properties).map(
    ([name, property]) => `\`${name}\` (${typeInWords(property)})`,
  )
  return members.length === 0 ? 'an object' : `an object with ${members.join(' and ')}`
}

function range({ minimum, maximum }: Schema): string {
  if (minimum !== undefined && maximum !== undefined) return `, ${minimum} to ${maximum}`
  return minimum !== undefined && minimum > 0 ? `, at least ${minimum}` : ''
}

function link(name: string): string {
  return `[${name}](shapes.md#${name.toLowerCase()})`
}
