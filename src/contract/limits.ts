/** The sizes of the contract. PostgreSQL's functions hold the same ones: publishing through SQL passes no API. */

/** Of one event's `data` as raw JSON. */
export const maxDataBytes = 262_144
export const maxDataDepth = 64
/** Of one number as it would be written out: `1e1000` has 1,001. */
export const maxNumberDigits = 1_000
export const maxEventsInBatch = 1_000

/** Bodies: one event with its envelope, a batch, anything else. */
export const maxEventBodyBytes = maxDataBytes + 16_384
export const maxBatchBodyBytes = 8 * 1_048_576
export const maxBodyBytes = 65_536

/** Of the JSON Schema of an event type, and of its example, as JSON without white space. */
export const maxSchemaBytes = 65_536
export const maxExampleBytes = 65_536
/** An event type: both, as somebody may have indented them. */
export const maxEventTypeBodyBytes = 4 * 65_536

/** Of the history of a project or of an event type. */
export const mostRetentionDays = 3_650
