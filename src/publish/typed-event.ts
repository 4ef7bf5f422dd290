import type { NewEvent } from './publish.ts'

/** The data of each event by its type: `{ 'order.paid': { total: number } }`. Without it, any data of any type. */
export type AnyEvents = Record<string, unknown>

/** An event to publish, of any of these types, its data that of its type. Where no type is named, it may be any. */
export type EventInput<Events extends object> = [keyof Events] extends [never]
  ? NewEvent
  : InputOf<Events, keyof Events>

type InputOf<Events, Type extends keyof Events> = Type extends string
  ? NewEvent<Events[Type]> & { type: Type }
  : never
