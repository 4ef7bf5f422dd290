import { type Binding, type Cipher, isSealed } from './secrets.ts'

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

/** The same credentials with everything encrypted that was plain, or `undefined` if nothing was. */
export function sealed(row: StoredCredentials, cipher: Cipher): StoredCredentials | undefined {
  const secret = sealIfPlain(row, 'secret', { secret: row.secret, cipher })
  const previous = row.previous_secret
  const previous_secret = previous && sealIfPlain(row, 'previous_secret', { secret: previous, cipher })
  const plain = Object.values(row.headers ?? {}).some(
    (stored) => typeof stored !== 'string' || !isSealed(stored),
  )
  if (secret === row.secret && previous_secret === previous && !plain) return undefined
  return {
    ...row,
    secret,
    previous_secret,
    headers: plain ? sealHeaders(row, ownHeaders(row, cipher), cipher) : row.headers,
  }
}

function sealIfPlain(
  row: Pick<StoredCredentials, 'project_id' | 'webhook_id'>,
  column: 'secret' | 'previous_secret',
  given: { secret: string; cipher: Cipher },
): string {
  return isSealed(given.secret) ? given.secret : sealSecret(row, column, given)
}

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
