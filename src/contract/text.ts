import Type from 'typebox'

/** The small shapes that the others are made of. */

/** What is wrong with a text that does not match one of the patterns below, for people. */
export const patternMessages = new Map<string, string>()

export const Uuid = Type.String({ format: 'uuid', examples: ['019a8c2e-7d10-7c3a-9f62-0b6a54c0e1d7'] })

/**
 * What people name things: stored as it is, but nothing that hides or turns around what is read (control characters,
 * the bidirectional controls of Unicode, halves of characters).
 */
export const Name = Type.String({
  minLength: 1,
  maxLength: 255,
  pattern: pattern(
    '^[^\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]*$',
    'must not contain control or text-direction characters',
  ),
})

/** Text of any length that PostgreSQL can store. */
export const FreeText = Type.String({
  pattern: pattern('^[^\\u0000\\ud800-\\udfff]*$', 'must not contain \\u0000 or half of a surrogate pair'),
})

/** RFC 3339 with an offset, in the years 1 to 9999; a date that does not exist is refused by its format. */
export const Time = Type.String({
  maxLength: 64,
  format: 'date-time',
  pattern: pattern(
    '^(?!0000)\\d{4}-\\d\\d-\\d\\d[Tt]\\d\\d:\\d\\d:[0-5]\\d(\\.\\d+)?([Zz]|[+-]\\d\\d:\\d\\d)$',
    'must be a time such as 2026-11-24T09:30:00.000Z',
  ),
  examples: ['2026-11-24T09:30:00.000Z'],
})

/** A moment in an answer: a `Date` in our hands, RFC 3339 in UTC with milliseconds on the wire. */
export const Moment = Type.Unsafe<Date>({
  type: 'string',
  format: 'date-time',
  examples: ['2026-11-24T09:30:00.000Z'],
})

/** The repetition has an end, as the length has: without one, a name of megabytes would use up the stack of the match. */
export const EventType = Type.String({
  minLength: 1,
  maxLength: 255,
  pattern: pattern(
    '^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+){0,127}$',
    'must be segments of A-Z a-z 0-9 _ - joined by dots, such as config.deployed',
  ),
  examples: ['config.deployed'],
})

/** As browsers check them: ASCII, without comments or quotes. */
export const Email = Type.String({
  minLength: 3,
  maxLength: 255,
  pattern: pattern(
    "^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$",
    'must be an email address such as ada@example.com',
  ),
  examples: ['ada@example.com'],
})

export const EventTypePattern = Type.String({
  minLength: 1,
  maxLength: 255,
  pattern: pattern(
    '^(\\*|[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+){0,127}(\\.\\*)?)$',
    'must be *, an event type such as config.deployed, or a prefix such as config.*',
  ),
  description:
    '`*`, an exact event type, or a prefix `config.*`, which matches `config.deployed` and `config.a.b`.',
  examples: ['config.*'],
})

/** An object that knows its fields: any other is refused. */
export function strict<Fields extends Type.TProperties>(fields: Fields, options: Type.TObjectOptions = {}) {
  return Type.Object(fields, { ...options, additionalProperties: false })
}

export function nullable<Schema extends Type.TSchema>(schema: Schema) {
  return Type.Union([schema, Type.Null()])
}

export function optional<Schema extends Type.TSchema>(
  schema: Schema,
  options: Type.TSchemaOptions = {},
): Type.TOptional<Schema> {
  return Type.Optional(Type.With(schema, options)) as Type.TOptional<Schema>
}

/** One of several words. */
export function oneOf<const Words extends readonly [string, ...string[]]>(
  words: Words,
  options: Type.TSchemaOptions = {},
) {
  return Type.Unsafe<Words[number]>({ ...options, type: 'string', enum: [...words] })
}

function pattern(source: string, message: string): string {
  patternMessages.set(source, message)
  return source
}
