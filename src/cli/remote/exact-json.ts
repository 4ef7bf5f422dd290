interface SourceContext {
  source?: string
}

type RawJson = (text: string) => unknown

/** JSON whose numbers are written again as they came: those that a double does not hold stay text of their digits. */
export function parseExactly(text: string): unknown {
  const { rawJSON } = JSON as unknown as { rawJSON: RawJson }
  const reviver = (_key: string, value: unknown, { source }: SourceContext) =>
    typeof value === 'number' && source !== undefined && String(value) !== source ? rawJSON(source) : value
  return JSON.parse(text, reviver as (key: string, value: unknown) => unknown)
}
