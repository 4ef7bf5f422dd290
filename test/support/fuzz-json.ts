import fc from 'fast-check'

/** JSON as it is written: what `JSON.stringify` cannot say, a member twice, `1e999` or `-0`, is said here as text. */
export type Json = string | Json[] | { members: [name: string, value: Json][] }

export function render(json: Json): string {
  if (typeof json === 'string') return json
  if (Array.isArray(json)) return `[${json.map(render).join()}]`
  return `{${json.members.map(([name, value]) => `${JSON.stringify(name)}:${render(value)}`).join()}}`
}

export function fromValue(value: unknown): Json {
  if (Array.isArray(value)) return value.map(fromValue)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  return { members: Object.entries(value).map(([name, member]) => [name, fromValue(member)]) }
}

/** One change somewhere inside: `at` counts the values from the outermost on, and begins anew behind the last. */
export interface Change {
  at: number
  kind: 'replace' | 'drop' | 'add' | 'twice' | 'rename' | 'wrap'
  name: string
  value: string
}

/** Values that are wrong almost everywhere. */
const evil = [
  'null',
  'true',
  '0',
  '-0',
  '-1',
  '0.5',
  '1e999',
  '-1e999',
  '1e-999',
  '1e131072',
  '9007199254740993',
  '9'.repeat(400),
  '""',
  '" "',
  '"x"',
  '"0"',
  '"true"',
  '"*"',
  '"**"',
  '"a.*"',
  '"infinity"',
  '"-infinity"',
  '"2026-02-30T00:00:00Z"',
  '"294277-01-01T00:00:00Z"',
  '"0001-01-01T00:00:00+14:00"',
  '"\\u0000"',
  '"\\ud800"',
  '"\\u202e"',
  '"a\\nb"',
  '"\\uffff"',
  '"{019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7}"',
  '"urn:uuid:019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7"',
  '"00000000-0000-0000-0000-000000000000"',
  `"'; DROP TABLE postrider.events; --"`,
  '"$1::uuid"',
  '"%s%n%00"',
  '"https://user:pass@example.com"',
  '"http://[::1]"',
  '"http://169.254.169.254/"',
  '"whsec_"',
  `"${'x'.repeat(256)}"`,
  `"${'😀'.repeat(255)}"`,
  `"${'a.'.repeat(3_000)}a"`,
  `"${'x'.repeat(70_000)}"`,
  '[]',
  '{}',
  '[[]]',
  '[null]',
  '{"__proto__":{"a":1}}',
  '['.repeat(70) + ']'.repeat(70),
  '['.repeat(20_000) + ']'.repeat(20_000),
  `[${Array<string>(300).fill('1e999').join()}]`,
]

const names = [
  '',
  'id',
  'name',
  'typ',
  'type',
  'data',
  'project_id',
  '__proto__',
  'constructor',
  'a\u0000',
  '😀',
]

export const evilValue: fc.Arbitrary<string> = fc.constantFrom(...evil)
export const evilName: fc.Arbitrary<string> = fc.constantFrom(...names)

export const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(60),
  kind: fc.constantFrom('replace', 'replace', 'replace', 'drop', 'add', 'twice', 'rename', 'wrap'),
  name: evilName,
  value: evilValue,
})

/** The value after one change. */
export function changed(json: Json, { at, ...change }: Change): Json {
  const place = at % countValues(json)
  if (place > 0) return changedInside(json, place - 1, change)
  return changedItself(json, change)
}

function countValues(json: Json): number {
  return valuesIn(json).reduce((sum, value) => sum + countValues(value), 1)
}

function valuesIn(json: Json): Json[] {
  if (typeof json === 'string') return []
  return Array.isArray(json) ? json : json.members.map(([, value]) => value)
}

function changedInside(json: Json, place: number, change: Omit<Change, 'at'>): Json {
  let rest = place
  const values = valuesIn(json)
  for (const [index, value] of values.entries()) {
    const count = countValues(value)
    if (rest < count)
      return changedAt(
        json,
        index,
        change.kind === 'drop' && rest === 0 ? undefined : changed(value, { at: rest, ...change }),
        change,
      )
    rest -= count
  }
  return json
}

/** The container with another value at one place, or without it. */
function changedAt(
  json: Json,
  index: number,
  value: Json | undefined,
  { kind, name }: Omit<Change, 'at'>,
): Json {
  if (typeof json === 'string') return json
  if (Array.isArray(json)) return value === undefined ? json.toSpliced(index, 1) : json.with(index, value)
  if (value === undefined) return { members: json.members.toSpliced(index, 1) }
  const [before, old] = json.members[index]!
  // A leaf cannot be renamed itself: its name stands here.
  const isRenamed = kind === 'rename' && typeof old === 'string'
  return { members: json.members.with(index, [isRenamed ? name : before, isRenamed ? old : value]) }
}

function changedItself(json: Json, { kind, name, value }: Omit<Change, 'at'>): Json {
  if (kind === 'wrap') return [json]
  if (kind === 'replace' || kind === 'drop' || typeof json === 'string') return value
  if (Array.isArray(json)) return [...json, kind === 'twice' ? (json[0] ?? value) : value]
  const first = json.members[0]?.[0]
  return { members: [...json.members, [kind === 'twice' && first !== undefined ? first : name, value]] }
}
