/** The engine as a library: `import { Postrider } from 'postrider'`. */
export { Postrider, type PostriderOptions, type PublishOptions } from './postrider.ts'
export { errorCodes, PostriderError, type ErrorCode, type FieldError } from './contract/errors.ts'
export type { Queryable } from './database/database.ts'
export type { Actor } from './database/scope.ts'
export type { NewEvent, Publication } from './publish/publish.ts'
export type { AnyEvents, EventInput } from './publish/typed-event.ts'
export {
  type DefinedEvents,
  defineEvents,
  type EventDefinition,
  type EventsOf,
} from './event-types/define.ts'
export type {
  EventTypeChanges,
  EventTypeVersion,
  JsonSchema,
  NewEventType,
  RegisteredEventType,
} from './contract/event-types.ts'
export type { SyncPlan, TypeChange } from './event-types/plan.ts'
export type { SchemaChange } from './event-types/compare.ts'
export type { AnyTransaction } from './publish/transaction.ts'
export type { Transaction } from './adapters/transaction.ts'
export type { Delivery, DeliveryAttempt, DeliveryDetail } from './deliver/deliveries.ts'
export type { DeliveryFilter } from './deliver/list.ts'
export type { EncryptionKey } from './registry/secrets.ts'
export type { Logger } from './log.ts'
