import type { FieldError } from '../contract/errors.ts'
import type { JsonSchema } from '../contract/event-types.ts'
import { maxExampleBytes } from '../contract/limits.ts'
import { invalid } from '../contract/validate.ts'
import { checkSchema } from './check.ts'
import { compileSchema, UnusableSchema } from './compile.ts'

/** @throws {PostriderError} `validation_failed` for a schema that cannot be used, or an example that does not fit it */
export function checkDefinition({ schema, example }: { schema: JsonSchema | null; example: unknown }): void {
  const problems = problemsOf(schema, example)
  if (problems.length > 0) throw invalid(problems)
}

function problemsOf(schema: JsonSchema | null, example: unknown): FieldError[] {
  const bytes = Buffer.byteLength(JSON.stringify(example) ?? '')
  if (bytes > maxExampleBytes) {
    return [{ path: 'example', message: `must have at most ${maxExampleBytes.toLocaleString('en')} bytes` }]
  }
  if (schema === null) return []
  const inSchema = checkSchema(schema)
  if (inSchema.length > 0) {
    return inSchema.map(({ path, message }) => ({ path: path === '' ? 'schema' : `schema.${path}`, message }))
  }
  try {
    const check = compileSchema(schema)
    if (example === null) return []
    const misfits = check.misfits(example, bytes)
    return misfits.map(({ path, message }) => ({ path: path.replace(/^data/, 'example'), message }))
  } catch (error) {
    if (!(error instanceof UnusableSchema)) throw error
    return [{ path: 'schema', message: error.message }]
  }
}
