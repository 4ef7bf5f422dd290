import { compile, jsonpath } from 'json-p3'
import { type Node, parseTree } from 'jsonc-parser'
import { ShapeError } from './shape-error.ts'

/** Names of members and indexes of elements, from the outermost container on; a negative index counts from the end. */
export type Path = readonly (string | number)[]

/**
 * Reads a singular query of RFC 9535, which names at most one value: `$.data.items[0]['a key']`.
 *
 * @throws {ShapeError} for anything else
 */
export function parsePath(text: string): Path {
  const { NameSelector, IndexSelector } = jsonpath.selectors
  let query: ReturnType<typeof compile>
  try {
    query = compile(text)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ShapeError(`is no JSONPath: ${reason}`, { cause: error })
  }
  if (!query.singularQuery()) {
    throw new ShapeError(
      'may name one value alone: names and indexes such as $.data.items[0], no wildcards, slices or filters',
    )
  }
  return query.segments.map(({ selectors: [selector] }) => {
    if (selector instanceof NameSelector) return selector.name
    if (selector instanceof IndexSelector) return selector.index
    throw new ShapeError('may hold names and indexes alone')
  })
}

/**
 * The texts of the values at these paths, cut out of the JSON as they stand there: no number passes through a double.
 * `undefined` where there is none.
 */
export function cutOut(json: string, paths: readonly Path[]): (string | undefined)[] {
  const root = parseTree(json)
  return paths.map((path) => {
    const node = path.reduce<Node | undefined>((place, step) => place && childOf(place, step), root)
    return node && json.slice(node.offset, node.offset + node.length)
  })
}

function childOf({ type, children = [] }: Node, step: string | number): Node | undefined {
  if (typeof step === 'number') return type === 'array' ? children.at(step) : undefined
  // Of several members with one name the last one counts, as in PostgreSQL.
  return type === 'object'
    ? children.findLast(({ children: member }) => member?.[0]?.value === step)?.children?.[1]
    : undefined
}
