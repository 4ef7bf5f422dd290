import type { Static, TObject } from 'typebox'
import type { FieldError } from '../contract/errors.ts'
import { invalid, memberPath, unknownField, validate } from '../contract/validate.ts'

/** As many as are told of a body: a short query can hold thousands. */
const maxErrors = 8

/**
 * The query of a call. A parameter is text; where its shape is a whole number, text that is one becomes it.
 *
 * @throws {PostriderError} for a parameter that is unknown, given twice or of the wrong form
 */
export function readQuery<Shape extends TObject>(shape: Shape, search: URLSearchParams): Static<Shape> {
  const errors: FieldError[] = []
  const given: Record<string, string | number> = {}
  for (const name of new Set(search.keys())) {
    const property = Object.hasOwn(shape.properties, name) ? shape.properties[name] : undefined
    const [text = '', ...more] = search.getAll(name)
    if (property === undefined) {
      errors.push({
        path: memberPath('', name),
        message: unknownField(name, Object.keys(shape.properties), 'query parameter'),
      })
    } else if (more.length > 0) {
      errors.push({ path: name, message: 'must be given once' })
    } else {
      given[name] = read(text, property)
    }
  }
  if (errors.length > 0) throw invalid(errors.slice(0, maxErrors))
  return validate(shape, given)
}

function read(text: string, { type, format }: { type?: string; format?: string }): string | number {
  if (type === 'integer' && /^\d{1,9}$/.test(text)) return Number(text)
  // The + of a time zone is a space in a query unless it was escaped.
  if (format === 'date-time') return text.replace(/ (\d\d:\d\d)$/, '+$1')
  return text
}
