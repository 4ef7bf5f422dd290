import { types } from 'pg'

type TypeId = (typeof types.builtins)[keyof typeof types.builtins]

/**
 * Times as they are read. RFC 3339 can write the years 1 to 9999, PostgreSQL keeps more and infinity too, which rows
 * that were written by hand may hold: such a time is read as the nearest that can be written.
 */
export const boundedTimes = {
  getTypeParser(type: TypeId, format?: 'text' | 'binary'): (value: string) => unknown {
    const parse = types.getTypeParser(type, format) as (value: string) => unknown
    if (type !== types.builtins.TIMESTAMPTZ || format === 'binary') return parse
    return (value) => bounded(value, parse(value))
  },
}

const first = new Date('0001-01-01T00:00:00.000Z')
const last = new Date('9999-12-31T23:59:59.999Z')

function bounded(text: string, time: unknown): unknown {
  if (time instanceof Date && time >= first && time <= last) return time
  return new Date(text.startsWith('-') || text.endsWith(' BC') ? first : last)
}
