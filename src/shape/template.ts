import type { FieldError } from '../contract/errors.ts'
import { memberPath } from '../contract/validate.ts'
import { maxShapedBytes, maxTemplateBytes, maxTemplateDepth, maxTemplatePaths } from './limits.ts'
import { cutOut, parsePath, type Path } from './path.ts'
import { ShapeError } from './shape-error.ts'

/**
 * A payload template is a JSON document. Its strings that begin with `$.` are paths into the envelope and stand for what is
 * there, `null` where nothing is; `$$.` writes one that is to begin with `$.`. Everything else is meant as it stands, the
 * names of members too.
 */
export interface Template {
  /**
   * The body for an envelope, which is JSON text. The same envelope makes the same body, to the byte.
   *
   * @throws {ShapeError} if it is larger than 512 KiB
   */
  render(envelope: string): string
}

/** Between its texts stand the values of its paths, one after each but the last. */
interface Parts {
  texts: string[]
  paths: Path[]
}

/** @throws {ShapeError} for a path that is none */
export function compileTemplate(template: unknown): Template {
  const parts: Parts = { texts: [''], paths: [] }
  write(template, parts)
  const { texts, paths } = parts
  return {
    render(envelope) {
      const values = paths.length === 0 ? [] : cutOut(envelope, paths)
      const pieces = texts.flatMap((text, index) =>
        index < paths.length ? [text, values[index] ?? 'null'] : [text],
      )
      const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
      if (length > maxShapedBytes || Buffer.byteLength(pieces.join('')) > maxShapedBytes) {
        throw new ShapeError('the template makes a body of more than 512 KiB')
      }
      return pieces.join('')
    },
  }
}

function write(value: unknown, parts: Parts): void {
  if (typeof value === 'string' && isPath(value)) {
    parts.paths.push(parsePath(value))
    parts.texts.push('')
  } else if (Array.isArray(value)) {
    value.forEach((item, index) => {
      add(parts, index === 0 ? '[' : ',')
      write(item, parts)
    })
    add(parts, value.length === 0 ? '[]' : ']')
  } else if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
    members.forEach(([name, member], index) => {
      add(parts, `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`)
      write(member, parts)
    })
    add(parts, members.length === 0 ? '{}' : '}')
  } else {
    add(parts, JSON.stringify(typeof value === 'string' && isEscaped(value) ? value.slice(1) : value))
  }
}

function add({ texts }: Parts, text: string): void {
  texts[texts.length - 1] += text
}

function isPath(text: string): boolean {
  return text.startsWith('$.')
}

function isEscaped(text: string): boolean {
  return /^\$\$+\./.test(text)
}

/** Everything that is wrong with a template, below `path`; an empty list is none. */
export function templateComplaints(template: unknown, path = 'payload_template'): FieldError[] {
  const found: FieldError[] = []
  const count = look(template, path, 0, found)
  if (found.length > 0) return found.slice(0, mostComplaints)
  if (count > maxTemplatePaths) return [{ path, message: `may have at most ${maxTemplatePaths} paths` }]
  const bytes = Buffer.byteLength(JSON.stringify(template))
  return bytes > maxTemplateBytes
    ? [{ path, message: `must have at most ${maxTemplateBytes.toLocaleString('en')} bytes as JSON (16 KiB)` }]
    : []
}

const mostComplaints = 8

/** Answers how many paths there are. */
function look(value: unknown, path: string, depth: number, found: FieldError[]): number {
  const complaint = complaintOf(value, depth)
  if (complaint !== undefined) {
    found.push({ path, message: complaint })
    return 0
  }
  if (typeof value === 'string') return isPath(value) ? 1 : 0
  if (typeof value !== 'object' || value === null) return 0
  const members = Array.isArray(value)
    ? value.map((item, index) => [`${path}[${index}]`, item] as const)
    : Object.entries(value).map(([name, member]) => [memberPath(path, name), member] as const)
  if (!Array.isArray(value) && Object.keys(value).some((name) => unstorable.test(name))) {
    found.push({ path, message: `has a name that ${cannotBeStored}` })
  }
  return members.reduce((count, [place, member]) => count + look(member, place, depth + 1, found), 0)
}

/** What PostgreSQL takes as JSON and then cannot read. */
const unstorable = /[\0\ud800-\udfff]/u
const cannotBeStored = 'must not contain \\u0000 or half of a surrogate pair'

function complaintOf(value: unknown, depth: number): string | undefined {
  switch (typeof value) {
    case 'string':
      if (unstorable.test(value)) return cannotBeStored
      return isPath(value) ? pathComplaint(value) : undefined
    case 'number':
      if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))
        return 'is a number that cannot be kept to the digit: write it as a string'
      return undefined
    case 'object':
      return value !== null && depth >= maxTemplateDepth
        ? `is nested deeper than ${maxTemplateDepth} levels`
        : undefined
    case 'boolean':
      return undefined
    case 'bigint':
    case 'function':
    case 'symbol':
    case 'undefined':
    default:
      return 'cannot be written as JSON'
  }
}

function pathComplaint(text: string): string | undefined {
  try {
    parsePath(text)
    return undefined
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return `${JSON.stringify(text.slice(0, 100))} ${reason}`
  }
}
