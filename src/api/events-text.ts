import { type FieldError, invalidField, PostriderError } from '../contract/errors.ts'
import type { NewEvent } from '../contract/events.ts'
import { maxBatchBodyBytes, maxDataBytes } from '../contract/limits.ts'
import { invalid } from '../contract/validate.ts'
import { idFromKey, newId } from '../ids.ts'
import type { JsonTexts } from '../registry/event-types.ts'
import type { JsonBody } from './body.ts'
import { findLongNumber, growthWrittenOut, membersAt, memberText } from './raw-json.ts'

/** The way of events from a body into SQL: as the text that was sent, checked but never written anew. */

/**
 * The body of one event as the array that SQL takes. Without an `id` it gets one here, from the `Idempotency-Key` if
 * there is one: should the answer of the database be lost, the same event is published again, not a second one.
 */
export function eventText(
  { text, value }: JsonBody,
  projectId: string,
  idempotencyKey: string | undefined,
): string {
  checkNumbers(text)
  checkSize(`[${text}]`, () => 'data')
  const hasId = Boolean((value as NewEvent).id)
  if (hasId && idempotencyKey !== undefined) {
    throw invalidField('id', 'cannot be given together with the header Idempotency-Key: send one of them')
  }
  if (hasId) return `[${text}]`
  const id = idempotencyKey === undefined ? newId() : idFromKey(projectId, idempotencyKey)
  // At the end, where it counts even if the body has an `id` of null.
  return `[${text.slice(0, text.lastIndexOf('}'))},"id":"${id}"}]`
}

/** The array of a batch as it was sent. */
export function batchText(body: JsonBody): string {
  checkNumbers(body.text)
  const events = memberText(body.text, 'events')!
  checkSize(events, (index) => `events[${index}].data`)
  return events
}

/** The text of `data`, for what sends it as it stands. */
export function dataText(body: JsonBody): string | undefined {
  checkNumbers(body.text)
  checkSize(`[${body.text}]`, () => 'data')
  return memberText(body.text, 'data')
}

/** The text of the `data` of an event in a body that holds more. */
export function sampleText(body: JsonBody): string | undefined {
  const event = memberText(body.text, 'event')
  return event?.startsWith('{') ? dataText({ text: event, value: undefined }) : undefined
}

/** The schema and the example of an event type as they were sent, so that no number of them passes through a double. */
export function eventTypeTexts(body: JsonBody): JsonTexts {
  checkNumbers(body.text)
  return { schema: memberText(body.text, 'schema'), example: memberText(body.text, 'example') }
}

/** One key for many events would name none of them. */
export function refuseIdempotencyKey(headers: Headers): void {
  if (!headers.has('idempotency-key')) return
  throw invalidField('Idempotency-Key', 'is for a single event: give each event of a batch an id')
}

/**
 * The key of a request, read as UTF-8 where it is that: HTTP hands over the bytes of a header one by one.
 *
 * @throws {PostriderError} for an empty one, or one of more than 255 characters
 */
export function readIdempotencyKey(headers: Headers): string | undefined {
  const bytes = headers.get('idempotency-key')
  if (bytes === null) return undefined
  const text = Buffer.from(bytes, 'latin1').toString('utf8')
  const key = text.includes('\ufffd') ? bytes : text
  const length = Array.from(key).length
  if (length < 1 || length > 255) throw invalidField('Idempotency-Key', 'must have 1 to 255 characters')
  return key
}

/** The errors of SQL name the event by its place in the array; the body of one event has no array. */
export async function asSingle<Result>(publishing: Promise<Result>): Promise<Result> {
  try {
    return await publishing
  } catch (error) {
    // Only what is wrong with the event has a place in the batch that it is for us.
    if (!(error instanceof PostriderError) || error.retryAfterSeconds !== undefined) throw error
    throw new PostriderError(error.code, withoutIndex(error.message), {
      cause: error,
      errors: error.errors.map(({ path, message }) => ({ path: withoutIndex(path), message })),
    })
  }
}

function withoutIndex(text: string): string {
  return text.replace(/^events\[0\]\.?/, '')
}

function checkNumbers(text: string): void {
  const problem: FieldError | undefined = findLongNumber(text)
  if (problem) throw invalid([problem])
}

/**
 * 256 KiB of `data` as it was written, white space included, and as much with its numbers written out, which is what
 * receivers get; all of a batch no more than a body may have. Only a text that is longer itself, or grows, can hold more.
 */
function checkSize(eventsJson: string, pathOf: (index: number) => string): void {
  const growth = growthWrittenOut(eventsJson)
  const bytes = Buffer.byteLength(eventsJson)
  if (bytes + growth <= maxDataBytes) return
  for (const { name, text, object } of membersAt(eventsJson, 2)) {
    if (name !== 'data') continue
    const dataBytes = Buffer.byteLength(text)
    if (dataBytes > maxDataBytes) throw tooLarge(pathOf(object), sizeInWords)
    if (growth > 0 && dataBytes + growthWrittenOut(text) > maxDataBytes) {
      throw tooLarge(pathOf(object), `${sizeInWords} ${writtenOut}`)
    }
  }
  if (bytes + growth > maxBatchBodyBytes) throw tooLarge('events', `must have at most 8 MiB ${writtenOut}`)
}

const sizeInWords = `must have at most ${maxDataBytes.toLocaleString('en')} bytes (256 KiB)`
const writtenOut = 'with numbers such as 1e999 written out, as receivers get them'

function tooLarge(path: string, message: string): PostriderError {
  return new PostriderError('too_large', `${path} ${message}`, { errors: [{ path, message }] })
}
