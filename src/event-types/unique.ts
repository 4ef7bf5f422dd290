import { spend } from './meter.ts'

/**
 * Whether no two items are equal as JSON Schema has it (2020-12 core, section 4.2.2): numbers by their value, objects
 * whatever the order of their members. Each is written in one form once, instead of comparing all with all.
 */
export function areUnique(items: readonly unknown[]): boolean {
  const seen = new Set<string>()
  for (const item of items) {
    const form = formOf(item)
    if (seen.has(form)) return false
    seen.add(form)
  }
  return true
}

function formOf(value: unknown): string {
  if (typeof value === 'string') {
    spend(4 + (value.length >> 2))
    return JSON.stringify(value)
  }
  spend(4)
  // -0 and 0 are equal, and are written alike.
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return `[${value.map(formOf).join()}]`
  const members = Object.entries(value).map(([name, inner]) => `${formOf(name)}:${formOf(inner)}`)
  return `{${members.toSorted().join()}}`
}
