import { v5, v7 } from 'uuid'

/** A new id: UUIDv7, so ids made later sort later. */
export function newId(): string {
  return v7()
}

/**
 * Whether a text is a UUID of any version, as PostgreSQL's `uuid` type would take it in its usual form.
 * A caller's own event id may be any UUID, the nil UUID too.
 */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
}

/** The event id that an `Idempotency-Key` stands for: UUIDv5 with the project as its namespace (RFC 9562, 5.5). */
export function idFromKey(projectId: string, idempotencyKey: string): string {
  // As bytes, since the package refuses to parse a UUID of an unknown version.
  const namespace = Buffer.from(projectId.replaceAll('-', ''), 'hex')
  return v5(idempotencyKey, namespace)
}
