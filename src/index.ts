/** The engine as a library: `import { Postrider } from 'postrider'`. */
export { Postrider, type PostriderOptions, type PublishOptions } from './postrider.ts'
export { errorCodes, PostriderError, type ErrorCode, type FieldError } from './contract/errors.ts'
export type { Queryable } from './database/database.ts'
export type { Actor } from './database/scope.ts'
export type { NewEvent, Publication } from './publish/publish.ts'
export type { Delivery, DeliveryAttempt, DeliveryDetail, DeliveryFilter } from './deliver/deliveries.ts'
export type { EncryptionKey } from './registry/secrets.ts'
export type { Logger } from './log.ts'
