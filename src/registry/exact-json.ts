type Reviver = (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown

/** What a double holds whatever the digits are. */
const alwaysExact = 15

/**
 * JSON of the database as values, where a number that a double would change stays as it was written: `JSON.stringify`
 * writes it out to the digit, and nothing should be calculated with it.
 */
export function exactJson(text: string): unknown {
  return (JSON.parse as (text: string, reviver: Reviver) => unknown)(text, (_key, value, { source }) => {
    if (typeof value !== 'number' || source === undefined) return value
    if (source.length <= alwaysExact || String(value) === source) return value
    return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(source)
  })
}
