import type { Binding, Cipher } from './secrets.ts'

/** What a webhook's row holds of secrets, as it is stored. */
export interface StoredCredentials {
  project_id: string
  webhook_id: string
  secret: string
  previous_secret: string | null
  previous_secret_expires_at: Date | null
  headers: Record<string, unknown> | null
}

/** VARCHAR(255): a plain secret from before encryption may be too long to be stored encrypted. */
const maxStoredLength = 255

/** The secrets that sign at `now`, newest first: the current one, and the one before during an overlap. */
export function signingSecrets(row: Omit<StoredCredentials, 'headers'>, cipher: Cipher, now: Date): string[] {
  const secrets = [cipher.unseal(row.secret, bindingOf(row, 'secret'))]
  if (row.previous_secret !== null && isOverlapping(row, now)) {
    secrets.push(cipher.unseal(row.previous_secret, bindingOf(row, 'previous_secret')))
  }
  return secrets
}

/** During an overlap the secret before is valid too. One that has run out is as good as none. */
export function isOverlapping(
  {
    previous_secret,
    previous_secret_expires_at,
  }: Pick<StoredCredentials, 'previous_secret' | 'previous_secret_expires_at'>,
  now: Date,
): boolean {
  return previous_secret !== null && previous_secret_expires_at !== null && previous_secret_expires_at > now
}

/** The webhook's own headers, with their values. */
export function ownHeaders(
  row: Pick<StoredCredentials, 'project_id' | 'webhook_id' | 'headers'>,
  cipher: Cipher,
): Record<string, string> {
  const headers = Object.entries(row.headers ?? {}).map(([name, stored]) => {
    return [name, cipher.unseal(headerText(stored), bindingOf(row, 'headers', name))] as const
  })
  return Object.fromEntries(headers)
}

export function sealHeaders(
  row: Pick<StoredCredentials, 'project_id' | 'webhook_id'>,
  headers: Readonly<Record<string, string>>,
  cipher: Cipher,
): Record<string, string> {
  const sealed = Object.entries(headers).map(([name, value]) => {
    return [name, cipher.seal(value, bindingOf(row, 'headers', name))] as const
  })
  return Object.fromEntries(sealed)
}

export function sealSecret(
  row: Pick<StoredCredentials, 'project_id' | 'webhook_id'>,
  column: 'secret' | 'previous_secret',
  { secret, cipher }: { secret: string; cipher: Cipher },
): string {
  const sealed = cipher.seal(secret, bindingOf(row, column))
  return sealed.length > maxStoredLength ? secret : sealed
}

export interface Resealed {
  /** The same credentials; only the form in which they are stored differs. */
  credentials: StoredCredentials
  /** How many values of them were encrypted anew. */
  changed: number
  /** Where a value stands that could not be opened, and why; it stays as it is. */
  unopened: { place: string; error: unknown }[]
}

/** Encrypts every value with the newest key that `isCurrent` does not take as it is. */
export function reseal(
  row: StoredCredentials,
  cipher: Cipher,
  isCurrent: (stored: string) => boolean,
): Resealed {
  const unopened: Resealed['unopened'] = []
  let changed = 0
  const anew = (stored: string, place: Place, limit = Infinity): string => {
    if (isCurrent(stored)) return stored
    try {
      const binding = bindingOf(row, place.column, place.header)
      const sealed = cipher.seal(cipher.unseal(stored, binding), binding)
      if (sealed.length > limit) return stored
      changed += 1
      return sealed
    } catch (error) {
      unopened.push({ place: place.header === undefined ? place.column : `headers.${place.header}`, error })
      return stored
    }
  }
  const { previous_secret } = row
  const credentials = {
    ...row,
    secret: anew(row.secret, { column: 'secret' }, maxStoredLength),
    previous_secret: previous_secret && anew(previous_secret, { column: 'previous_secret' }, maxStoredLength),
    headers:
      row.headers &&
      Object.fromEntries(
        Object.entries(row.headers).map(([header, stored]) => {
          return [header, anew(headerText(stored), { column: 'headers', header })]
        }),
      ),
  }
  return { credentials, changed, unopened }
}

type Place = Pick<Binding, 'column' | 'header'>

/** Rows from before this program may hold any JSON as a header's value. */
function headerText(stored: unknown): string {
  return typeof stored === 'string' ? stored : JSON.stringify(stored)
}

function bindingOf(
  row: Pick<StoredCredentials, 'project_id' | 'webhook_id'>,
  column: Binding['column'],
  header?: string,
): Binding {
  return {
    projectId: row.project_id,
    webhookId: row.webhook_id,
    column,
    ...(header !== undefined && { header }),
  }
}
