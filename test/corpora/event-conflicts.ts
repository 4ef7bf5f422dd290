/**
 * An event that was published, and the same id again. Whatever differs is refused; what only looks different is the
 * same event. `application` stands for one of the project, `other` for another one of it.
 */

export interface EventFields {
  type: string
  /** As JSON text. */
  data: string
  application_id?: 'application' | 'other' | null
  environment_name?: string | null
  timestamp?: string | null
}

export const published: EventFields = {
  type: 'order.paid',
  data: '{"amount":1.0,"lines":[1,2],"big":9007199254740993}',
  application_id: 'application',
  environment_name: 'live',
  timestamp: '2026-01-01T00:00:00.000Z',
}

/** Each is 409. */
export const conflicts: Record<string, Partial<EventFields>> = {
  'another type': { type: 'order.refunded' },
  'a type in upper case': { type: 'Order.paid' },
  'another number': { data: '{"amount":1.1,"lines":[1,2],"big":9007199254740993}' },
  'a number that is the same double': { data: '{"amount":1.0,"lines":[1,2],"big":9007199254740992}' },
  'a number as a string': { data: '{"amount":"1.0","lines":[1,2],"big":9007199254740993}' },
  'another order in an array': { data: '{"amount":1.0,"lines":[2,1],"big":9007199254740993}' },
  'a member more': { data: '{"amount":1.0,"lines":[1,2],"big":9007199254740993,"more":null}' },
  'a member less': { data: '{"amount":1.0,"lines":[1,2]}' },
  'data of null': { data: 'null' },
  'another application': { application_id: 'other' },
  'no application': { application_id: null },
  'another environment': { environment_name: 'Live' },
  'no environment': { environment_name: null },
  'another millisecond': { timestamp: '2026-01-01T00:00:00.001Z' },
  'the same time elsewhere': { timestamp: '2026-01-01T00:00:00.000+01:00' },
}

/** Each is a duplicate. */
export const repetitions: Record<string, Partial<EventFields>> = {
  'the same': {},
  'another order of members, and white space': {
    data: ' { "big" : 9007199254740993 , "lines" : [ 1 , 2 ] , "amount" : 1.0 } ',
  },
  'numbers written another way': { data: '{"amount":10e-1,"lines":[1.00,0.2e1],"big":9007199254740993.0}' },
  'names written another way': { data: '{"\\u0061mount":1,"lines":[1,2],"big":9007199254740993}' },
  'no timestamp': { timestamp: null },
  'the same moment with an offset': { timestamp: '2026-01-01T01:00:00.000+01:00' },
  'the same millisecond': { timestamp: '2026-01-01T00:00:00.0009Z' },
}
