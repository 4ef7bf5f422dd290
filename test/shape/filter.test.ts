import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileFilter, filterComplaint } from '../../src/shape/filter.ts'
import { FilterError } from '../../src/shape/filter-error.ts'

interface Event {
  type?: string
  data?: unknown
  application_id?: string
  environment_name?: string
}

function envelopeOf({ type = 'order.paid', data = {}, ...rest }: Event): string {
  return JSON.stringify({
    id: '019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7',
    timestamp: '2026-11-24T09:30:00.000Z',
    type,
    api_version: 'v1',
    project_id: '019a8c2e-0a3b-7d5c-9e1f-4b7a8c2d6e90',
    ...rest,
    data,
  })
}

/** `true`, or why not. */
function verdict(filter: string, event: Event | string): true | string {
  expect(filterComplaint(filter)).toBeUndefined()
  const judged = compileFilter(filter).judge(typeof event === 'string' ? event : envelopeOf(event))
  return judged.matches || judged.reason
}

const no = 'the filter does not match'

describe('an event is let through or not', () => {
  it.each<[string, Event, true | string]>([
    ['event.type == "order.paid"', {}, true],
    ['event.type == "order.paid"', { type: 'other' }, no],
    ['event.type.startsWith("order.")', {}, true],
    ['event.data.amount > 100', { data: { amount: 101 } }, true],
    ['event.data.amount > 100', { data: { amount: 100 } }, no],
    ['event.data.amount > 100', { data: { amount: 100.5 } }, true],
    ['event.data.amount * 1.5 >= 15', { data: { amount: 10 } }, true],
    ['event.data.amount * 2 == 21.0', { data: { amount: 10.5 } }, true],
    ['event.data.amount % 2 == 0', { data: { amount: 10 } }, true],
    ['event.data.id == 9007199254740993', { data: { id: 9007199254740992 } }, no],
    ['event.environment_name == "production"', { environment_name: 'production' }, true],
    ['event.environment_name == "production"', {}, no],
    ['event.application_id == null', {}, true],
    ['has(event.data.vip) && event.data.vip', { data: { vip: true } }, true],
    ['has(event.data.vip) && event.data.vip', {}, no],
    [
      'event.data.items.exists(i, i.sku == "x" && i.count > 1)',
      { data: { items: [{ sku: 'x', count: 2 }] } },
      true,
    ],
    ['event.data.items.all(i, i.count > 1)', { data: { items: [{ count: 2 }, { count: 1 }] } }, no],
    ['event.data.items.filter(i, i > 1).map(i, i * 2) == [4, 6]', { data: { items: [1, 2, 3] } }, true],
    ['event.data.items.exists_one(i, i == 2)', { data: { items: [1, 2, 3] } }, true],
    ['event.data.items.map(i, i > 1, i)[1] == 3', { data: { items: [1, 2, 3] } }, true],
    ['([1] + event.data.items + [9]).size() == 5', { data: { items: [1, 2, 3] } }, true],
    ['"a" in event.data && event.data.a in ["x", "y"]', { data: { a: 'y' } }, true],
    ['event.data.tags.exists(t, t in ["a", "b"])', { data: { tags: ['c', 'b'] } }, true],
    ['event.data["a key"][0] == "v"', { data: { 'a key': ['v'] } }, true],
    ['event.data.email.matches("@example\\\\.(com|org)$")', { data: { email: 'a@example.org' } }, true],
    ['event.data.email.matches("^x")', { data: { email: 'a@example.org' } }, no],
    ['event.timestamp > timestamp("2026-01-01T00:00:00Z")', {}, true],
    ['event.timestamp.getHours() == 9 && event.timestamp.getHours("Europe/Berlin") == 10', {}, true],
    ['size(event.data.name) == 2', { data: { name: 'äö' } }, true],
    ['event.data == {"a": [1, 2.5, null, true]}', { data: { a: [1, 2.5, null, true] } }, true],
    ['event.data == 5', { data: 5 }, true],
    ['event.data.a == null', { data: { a: null } }, true],
    ['event.data.kind == "x" ? event.data.n > 1 : true', { data: { kind: 'x', n: 2 } }, true],
    // What fails beside something that settles it does no harm, as CEL has it.
    ['event.data.missing == 1 || event.type == "order.paid"', {}, true],
    ['event.data.missing == 1 && event.type == "other"', {}, no],
  ])('%s', (filter, event, expected) => {
    expect(verdict(filter, event)).toBe(expected)
  })

  it('compares whole numbers to the digit', () => {
    const event = envelopeOf({ data: { id: 0 } }).replace('"id":0', '"id":9007199254740993')
    expect(verdict('event.data.id == 9007199254740993', event)).toBe(true)
    expect(verdict('event.data.id == 9007199254740992', event)).toBe(no)
    expect(verdict('event.data.id > 9007199254740992', event)).toBe(true)
  })

  it('takes whole numbers beyond 64 bits as double', () => {
    const event = envelopeOf({ data: { id: 0 } }).replace('"id":0', '"id":98765432109876543210')
    expect(verdict('event.data.id > 9.8e19', event)).toBe(true)
  })
})

describe('what cannot be evaluated does not match, and says why', () => {
  it.each<[string, Event, RegExp]>([
    ['event.data.missing > 1', {}, /field not found: missing|no such/],
    ['event.data.a.b.c == 1', { data: { a: {} } }, /b/],
    ['event.data.amount > 100', { data: { amount: '101' } }, /no matching overload/],
    ['event.data.flag', { data: { flag: 'yes' } }, /neither true nor false/],
    ['event.data.items[5] == 1', { data: { items: [1] } }, /5 out of bounds/],
    ['event.data[1] == 1', { data: { a: 1 } }, /no other keys than strings/],
    ['event.data.n / 0 == 1', { data: { n: 1 } }, /divide by zero/],
    ['int(event.data.n) == 1', { data: { n: 'x' } }, /x/],
    ['event.data.all(x, x > 1)', { data: 5 }, /type mismatch|iterable/],
  ])('%s', (filter, event, reason) => {
    const why = verdict(filter, event)
    expect(why).toMatch(/^the filter cannot be evaluated: /)
    expect(why).toMatch(reason)
  })

  it('in words that PostgreSQL can store', () => {
    expect(verdict('int(event.data.n) == 1', { data: { n: '\u0000\n'.repeat(200) } })).toMatch(
      /^[\x20-\x7e]{1,400}$/,
    )
  })
})

describe('what can be known beforehand is refused, with its place', () => {
  it.each<[string, string]>([
    ['event.type ==', 'line 1, column 12: cannot be read as CEL from "=" on'],
    ['[event.type', 'line 1, column 12: ends too soon'],
    ['event.type = "a"', 'line 1, column 12: cannot be read as CEL from "=" on'],
    [
      'event.type == "a"\n  && evnt.data.a == 1',
      'line 2, column 6: unknown name `evnt`: did you mean `event`?',
    ],
    ['event.typ == "a"', 'line 1, column 6: unknown field of event `typ`: did you mean `type`?'],
    ['event["typ"] == "a"', 'line 1, column 6: unknown field of event `typ`: did you mean `type`?'],
    ['event.type', 'line 1, column 6: answers a string, not true or false'],
    ['1', 'line 1, column 1: answers an int, not true or false'],
    ['size(event.data)', 'line 1, column 1: answers an int, not true or false'],
    ['[true]', 'line 1, column 1: answers a list, not true or false'],
    ['event.type > 5', 'line 1, column 12: > does not take a string and an int'],
    ['event.type && true', 'line 1, column 1: && is between true and false, not a string'],
    ['!event.type', 'line 1, column 1: ! does not take a string'],
    ['event.type.foo == 1', 'line 1, column 11: asks a string for a member `foo`'],
    [
      'event.type.beginsWith("a")',
      'line 1, column 11: unknown function `beginsWith`: did you mean `endsWith`?',
    ],
    ['event.type.startsWith(1)', 'line 1, column 11: startsWith of a string does not take an int'],
    ['event.type.all(x, true)', 'line 1, column 11: walks through a string'],
    ['event.data.a.matches("(")', 'line 1, column 22: the pattern of matches cannot be read: '],
    ['event.data.a.matches("(?=a)")', 'line 1, column 22: the pattern of matches cannot be read: '],
    ['event.data.a.matches("(.{100}){100}")', 'line 1, column 22: the pattern of matches '],
    [
      'event.data.a.matches(event.data.b)',
      'line 1, column 32: the pattern of matches must stand here as a text',
    ],
    ['google.protobuf.Int32Value{value: 1} == 1', 'line 1, column 1: cannot make messages'],
    [
      'event.data.a.all(x, x.all(y, y.all(z, z.all(w, w))))',
      'line 1, column 40: has more than 3 macros such as all or map in each other',
    ],
    [`${'('.repeat(33)}true${')'.repeat(33)}`, 'line 1, column 33: has too many brackets in each other'],
    [`${'true ? true : '.repeat(110)}true`, 'line 1, column 1387: is nested too deeply'],
    [' '.repeat(2_001), 'line 1, column 2001: is longer than 2,000 characters'],
  ])('%s', (filter, complaint) => {
    const found = filterComplaint(filter) ?? 'nothing'
    expect(found.slice(0, complaint.length)).toBe(complaint)
    expect(() => compileFilter(filter)).toThrow(FilterError)
  })

  it('while brackets in a bearable number are read as soon as any', () => {
    expect(verdict(`${'('.repeat(32)}true${')'.repeat(32)}`, {})).toBe(true)
    expect(verdict(`${'[{"a":'.repeat(15)}1${'}]'.repeat(15)} != event.data`, {})).toBe(true)
    expect(verdict(Array.from({ length: 300 }, () => 'true').join('&&'), {})).toBe(true)
    expect(verdict(`${'!'.repeat(1_900)}true`, {})).toBe(true)
  })
})

/** Pieces of filters, and data that they may meet. */
const word = fc.constantFrom(
  'event',
  '.data',
  '.a',
  '.b',
  '.type',
  '.timestamp',
  '[0]',
  '["a"]',
  '[event.data.a]',
  '==',
  '!=',
  '<',
  '>=',
  '+',
  '-',
  '*',
  '/',
  '%',
  '&&',
  '||',
  '!',
  '?',
  ':',
  '(',
  ')',
  '[',
  ']',
  '{',
  '}',
  ',',
  'in',
  'true',
  'null',
  '1',
  '-1',
  '1.5',
  '2u',
  '"a"',
  "b'x'",
  'has(',
  'size(',
  'int(',
  'string(',
  'duration(',
  'timestamp(',
  'type(',
  'dyn(',
  '.size()',
  '.matches("a*")',
  '.contains(',
  '.startsWith("a")',
  '.getHours()',
  '.all(x, x == 1)',
  '.exists(x, x > event.data.b)',
  '.map(x, x + x)',
  '.filter(x, x != null)',
  '.exists_one(x, x)',
  'x',
)
const words = fc
  .tuple(fc.array(word, { minLength: 1, maxLength: 14 }), fc.constantFrom('', ' '))
  .map(([each, between]) => each.join(between))
const fitting = fc
  .tuple(
    fc.constantFrom(
      'event.data',
      'event.data.a',
      'event.data.a.b',
      'event.data[0]',
      'event.timestamp',
      '1.5',
      '"a"',
      '[1, event.data.a]',
    ),
    fc.constantFrom('==', '<', 'in', '+ 1 >', '- event.data.b !=', '/ 0 =='),
    fc.constantFrom(
      'event.data.b',
      '1',
      '"a"',
      'null',
      '[event.data]',
      'event.type',
      '{"a": event.data}',
      '1u',
      'duration("1s")',
    ),
  )
  .map((parts) => parts.join(' '))

it('any text is taken or refused, and what is taken has a verdict on any event', () => {
  let taken = 0
  fc.assert(
    fc.property(fc.oneof(words, fitting, fc.string({ maxLength: 30 })), fc.jsonValue(), (source, data) => {
      const complaint = filterComplaint(source)
      if (complaint !== undefined) {
        expect(complaint).toMatch(/^line \d+, column \d+: /)
        return
      }
      taken += 1
      const judged = compileFilter(source).judge(envelopeOf({ data }))
      if (!judged.matches)
        expect(judged.reason).toMatch(/^the filter (does not match|cannot be evaluated: .)/)
    }),
    { numRuns: 2_000 },
  )
  expect(taken).toBeGreaterThan(100)
})

/** All of these end, after as many steps on any machine. */
describe('an evaluation that would take long is ended', () => {
  const numbers = Array.from({ length: 40_000 }, (_, index) => index)
  const text = 'a'.repeat(200_000)
  const members = Object.fromEntries(numbers.slice(0, 20_000).map((number) => [`k${number}`, number]))

  it.each<[string, string, unknown]>([
    [
      'loops in each other',
      'event.data.all(a, event.data.all(b, event.data.all(c, a + b + c >= 0)))',
      numbers,
    ],
    ['a loop that does nothing', 'event.data.all(a, event.data.all(b, event.data.all(c, true)))', numbers],
    ['loops whose errors are passed over', 'event.data.exists(a, event.data.exists(b, a.x == b.x))', numbers],
    ['lists of lists', 'event.data.map(a, event.data.map(b, [a, b])).size() == 1', numbers.slice(0, 1_000)],
    ['a list that doubles', `[event.data]${'.map(a, a + a)'.repeat(60)}.size() == 1`, [1, 2, 3]],
    ['a text that doubles', `[event.data]${'.map(a, a + a)'.repeat(60)}.size() == 1`, 'abc'],
    [
      'a text that doubles and is looked for',
      `[event.data]${'.map(a, a + a)'.repeat(40)}[0].contains("x")`,
      'abc',
    ],
    [
      'texts compared in a loop',
      'event.data.n.all(a, event.data.t + "a" != event.data.t + "b")',
      { n: numbers.slice(0, 500), t: text },
    ],
    [
      'all compared with all',
      'event.data.n.exists(a, event.data.m != event.data.l)',
      { n: numbers.slice(0, 100), m: members, l: members },
    ],
    ['found in a list, in a loop', 'event.data.all(a, a in event.data)', numbers.slice(0, 2_000)],
    [
      'a pattern on a long text, in a loop',
      'event.data.n.exists(a, event.data.t.matches("(a|aa)*b"))',
      { n: numbers.slice(0, 500), t: text },
    ],
    ['a pattern of hundreds of states', 'event.data.matches("(a?){100}b")', text],
    [
      'characters counted in a loop',
      'event.data.n.exists(a, size(event.data.t) == 1)',
      { n: numbers.slice(0, 500), t: text },
    ],
    [
      'a search in a long text',
      'event.data.t.contains(event.data.s)',
      { t: text, s: `b${text.slice(0, 90_000)}` },
    ],
    ['digits without end', 'int(event.data) == 1', '9'.repeat(200_000)],
    [
      'time zones in a loop',
      'event.data.all(a, event.timestamp.getHours("Europe/Berlin") >= 0)',
      numbers.slice(0, 2_000),
    ],
  ])('%s', (_, filter, data) => {
    expect(verdict(filter, { data })).toBe('the filter cannot be evaluated: it takes more than 50,000 steps')
  })

  it.each<[string, string, unknown, true | string]>([
    ['a walk through a list', 'event.data.exists(i, i == 2999)', numbers.slice(0, 3_000), true],
    ['a list made of another', 'event.data.map(i, i * 2).size() == 2000', numbers.slice(0, 2_000), true],
    ['members asked for', 'event.data.k1 == 1 && event.data.k2 == 2 && "k3" in event.data', members, true],
    ['a pattern on a long text', 'event.data.matches("a+b")', text, no],
    ['a text in a long text', 'event.data.contains("b")', text, no],
  ])('but not %s', (_, filter, data, expected) => {
    expect(verdict(filter, { data })).toBe(expected)
  })

  it('and the next one begins anew', () => {
    const filter = compileFilter('event.data.all(a, event.data.all(b, a + b >= 0))')
    expect(filter.judge(envelopeOf({ data: numbers })).matches).toBe(false)
    expect(filter.judge(envelopeOf({ data: [1, 2] })).matches).toBe(true)
  })
})
